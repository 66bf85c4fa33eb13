package compute

import "sync/atomic"

// Pulse is the progress of a kind of computation as others see it.
type Pulse struct {
	// Busy while there is something to compute.
	Busy bool
	// Beats grow with every part of the work, Steps with everything computed.
	Beats, Steps uint64
}

// pulse counts a Pulse for readers on other goroutines.
type pulse struct {
	busy         atomic.Bool
	beats, steps atomic.Uint64
}

func (p *pulse) read() Pulse { return Pulse{p.busy.Load(), p.beats.Load(), p.steps.Load()} }

// setBusy says whether there is something to compute.
func (p *pulse) setBusy(busy bool) {
	p.beats.Add(1)
	p.busy.Store(busy)
}

// Decoding is the progress of the loop itself, from taking a job in to drawing its last token. It is safe for
// concurrent use.
func (l *Loop) Decoding() Pulse { return l.decoding.read() }

// Encoding is the progress of encoding pictures. It is safe for concurrent use.
func (l *Loop) Encoding() Pulse { return l.encoding.read() }
