package engine

import (
	"fmt"
	"time"
)

// State says whether a set of weights can be asked.
type State string

// States of weights. Only those that are ready answer.
const (
	// StateDownloading is while their files are fetched.
	StateDownloading State = "downloading"
	// StateUnloaded is while they are in nobody's memory: who asks for them has them loaded.
	StateUnloaded State = "unloaded"
	// StateLoading is from the start of a process until it is ready for the first time.
	StateLoading State = "loading"
	StateReady   State = "ready"
	// StateStalled is a process that does not answer, or computes and gets nowhere. It recovers or is replaced.
	StateStalled State = "stalled"
	// StateRestarting is after the process has ended, until a new one is ready.
	StateRestarting State = "restarting"
	// StateUnloading is while no new requests are given to them, until the last one is over and their memory is free.
	StateUnloading State = "unloading"
	// StateFailed is when the weights do not load, or too many starts in a row have failed. They are tried again after
	// a while.
	StateFailed State = "failed"
	// StateStopped is after the daemon has stopped the process.
	StateStopped State = "stopped"
)

// Occupies says that weights in this state take memory.
func (s State) Occupies() bool {
	switch s {
	case StateLoading, StateReady, StateStalled, StateRestarting, StateUnloading:
		return true
	case StateUnloaded, StateDownloading, StateFailed, StateStopped:
	}
	return false
}

// Cells tell what has become of the cells of a KV cache. Live, Parked and Free add up to all of them.
type Cells struct {
	// Live cells hold rows of requests that are worked on, or will; what several share counts once.
	Live int `json:"live"`
	// Parked cells hold rows of earlier prompts, for requests that begin alike, until somebody needs the cells.
	Parked int `json:"parked"`
	Free   int `json:"free"`
	// Evicted is how many were parked and given up since the beginning.
	Evicted uint64 `json:"evicted"`
	// Preemptions is how often a request had to give its cells up for others, to be computed again.
	Preemptions uint64 `json:"preemptions"`
}

// Guesses count the tokens that were computed ahead of being drawn.
type Guesses struct {
	// Made is how many there were, Held how many of them were drawn.
	Made uint64 `json:"made"`
	Held uint64 `json:"held"`
}

// Pictures count those whose rows were needed, by where these came from.
type Pictures struct {
	// Encoded went through the vision tower. Memory is how often rows were at hand. Folder were found in a folder,
	// where another worker or an earlier one had left them.
	Encoded uint64 `json:"encoded"`
	Memory  uint64 `json:"memory"`
	Folder  uint64 `json:"folder"`
}

// States are all of them, in the order that weights go through them.
func States() []State {
	return []State{
		StateDownloading, StateUnloaded, StateLoading, StateReady, StateStalled, StateRestarting, StateUnloading, StateFailed, StateStopped,
	}
}

// UnavailableError is the ErrUnavailable of weights that are not ready, with what is known about it.
type UnavailableError struct {
	State State
	// Progress of loading, 0..1.
	Progress float32
	// Reason is one line for operators: why they are stalled, restarting or failed. It may name files and must not go
	// to clients that are not told so.
	Reason string
	// RetryIn is how long it takes at least until asking again may help, 0 where nobody knows.
	RetryIn time.Duration
}

func (e *UnavailableError) Error() string {
	text := ErrUnavailable.Error() + ": " + string(e.State)
	if e.State == StateLoading || e.State == StateRestarting && e.Progress > 0 {
		text = fmt.Sprintf("%s, %.0f%%", text, 100*e.Progress)
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// Unwrap makes it an ErrUnavailable.
func (e *UnavailableError) Unwrap() error { return ErrUnavailable }
