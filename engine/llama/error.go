package llama

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed means that the value was closed before the call.
	ErrClosed = errors.New("llama: use after Close")
	// ErrNoKVSlot means that the KV cache has no room for the batch; nothing of it was decoded.
	ErrNoKVSlot = errors.New("llama: no free cells in the KV cache")
	// ErrAborted means that Abort interrupted the call. Micro-batches already decoded stay in the cache.
	ErrAborted = errors.New("llama: aborted")
)

// Error is a failure reported by libllama or by the vision tower.
type Error struct {
	// Op is what was tried, such as "decode".
	Op string
	// Code is the library's return value, 0 where it has none.
	Code int
	// Detail is what the library said about it.
	Detail string
}

func (e *Error) Error() string {
	switch {
	case e.Detail != "" && e.Code != 0:
		return fmt.Sprintf("llama: %s: %s (code %d)", e.Op, e.Detail, e.Code)
	case e.Detail != "":
		return fmt.Sprintf("llama: %s: %s", e.Op, e.Detail)
	default:
		return fmt.Sprintf("llama: %s failed with code %d", e.Op, e.Code)
	}
}

// IncompatibleError means that a language model and a projector do not belong together.
type IncompatibleError struct{ Reason string }

func (e *IncompatibleError) Error() string {
	return "llama: model and projector do not fit: " + e.Reason
}

// MemoryError refuses an encode whose working memory exceeds the limit.
type MemoryError struct {
	Needed, Limit int64 // bytes
}

func (e *MemoryError) Error() string {
	return fmt.Sprintf("llama: encode needs %d bytes, %d are allowed", e.Needed, e.Limit)
}
