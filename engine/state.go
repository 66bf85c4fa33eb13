package engine

import "fmt"

// State says whether a set of weights can be asked.
type State string

// States of weights. Only those that are ready answer.
const (
	// StateLoading is before they have been ready for the first time.
	StateLoading State = "loading"
	StateReady   State = "ready"
	// StateStalled is a process that does not answer, or computes and gets nowhere. It recovers or is replaced.
	StateStalled State = "stalled"
	// StateRestarting is after the process has ended, until a new one is ready.
	StateRestarting State = "restarting"
	// StateFailed is for good: the weights do not load, or too many starts in a row have failed.
	StateFailed State = "failed"
	// StateStopped is after the daemon has stopped the process.
	StateStopped State = "stopped"
)

// Cells tell what has become of the cells of a KV cache. Live, Parked and Free add up to all of them.
type Cells struct {
	// Live cells hold rows of requests that are worked on, or will; what several share counts once.
	Live int `json:"live"`
	// Parked cells hold rows of earlier prompts, for requests that begin alike, until somebody needs the cells.
	Parked int `json:"parked"`
	Free   int `json:"free"`
	// Evicted is how many were parked and given up since the beginning.
	Evicted uint64 `json:"evicted"`
}

// States are all of them, in the order that weights go through them.
func States() []State {
	return []State{StateLoading, StateReady, StateStalled, StateRestarting, StateFailed, StateStopped}
}

// UnavailableError is the ErrUnavailable of weights that are not ready, with what is known about it.
type UnavailableError struct {
	State State
	// Progress of loading, 0..1.
	Progress float32
	// Reason is one line for operators: why they are stalled, restarting or failed. It may name files and must not go
	// to clients that are not told so.
	Reason string
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
