// Package history keeps the responses of POST /v1/responses, so that a later request can go on from one and a client
// that lost its connection can read on. Store is what the API needs of a store, and Memory is the one that forgets
// everything at the end of the process; package api/history/sqlite has the one that keeps a file.
//
// It must not look into the bytes that it keeps, and it must not decide who may read a response beyond comparing its
// owner.
package history

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNotFound is a response that is not kept, or not for this owner.
	ErrNotFound = errors.New("no such response")
	// ErrTooLarge is a response that is larger than all that may be kept, or than was asked for.
	ErrTooLarge = errors.New("the response is too large")
	// ErrUnavailable means that the store cannot be used at the moment.
	ErrUnavailable = errors.New("the response store cannot be used")
)

// Response is one kept response.
type Response struct {
	ID string
	// Previous is the response that it goes on from, "" if none.
	Previous string
	// Owner is the name of the API key that made it, "" where no keys are needed. Only the same owner finds it.
	Owner string
	// Created is kept in whole seconds.
	Created time.Time
	// Input holds the items of the request and Body the response object, both as JSON.
	Input, Body []byte
	// Events are those of its stream, each with a line break behind it; nil where they are not kept.
	Events []byte
}

// Store keeps responses, the oldest of which go when there is no room for a new one. It is safe for concurrent use, and
// the bytes of a response that it returns must not be changed. Every method fails with ErrUnavailable where the store
// cannot be used, and with the cause of ctx where that has ended.
type Store interface {
	// Put keeps r in place of what was kept under its id. It fails with ErrTooLarge where r alone is too much; then
	// nothing is changed.
	Put(ctx context.Context, r *Response) error
	// Update replaces the body and the events of a response. It fails with ErrNotFound where that is not kept any more,
	// and as Put.
	Update(ctx context.Context, r *Response) error
	// Get returns the owner's response id, or ErrNotFound.
	Get(ctx context.Context, owner, id string) (*Response, error)
	// GetBounded is Get without the events. It fails with ErrTooLarge where input and body together have more than
	// maxBytes.
	GetBounded(ctx context.Context, owner, id string, maxBytes int64) (*Response, error)
	// Delete forgets the owner's response id, or fails with ErrNotFound.
	Delete(ctx context.Context, owner, id string) error
	Health
}

// Health says whether a store can be used.
type Health interface {
	// Watch has f told of each change: the error when the store cannot be used any more, nil when it can again.
	Watch(f func(error))
	// Trouble is why the store cannot be used at the moment, nil if it can.
	Trouble() error
}

// reserved is how much of the bytes of a store is not for one response alone: an empty file has pages of its own.
const reserved = 32 << 10

// Pack returns the events of r as stores hold them. It fails with ErrTooLarge where r is more than a store of maxBytes
// can hold; 0 is no bound.
func Pack(r *Response, maxBytes int64) (events []byte, err error) {
	if events, err = compress(r.Events); err != nil {
		return nil, fmt.Errorf("keep a response: %w", err)
	}
	if n := int64(len(r.Input)) + int64(len(r.Body)) + int64(len(events)); maxBytes > 0 && n > maxBytes-reserved {
		return nil, fmt.Errorf("keep a response of %d bytes: %w", n, ErrTooLarge)
	}
	return events, nil
}
