package generation

import (
	"sync"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
)

// patience is the wish to wait for a run's thoughts. It can end once. Its methods are safe for concurrent use.
type patience struct {
	// now is closed at its end.
	now chan struct{}

	mu    sync.Mutex
	ended bool
	// thinking counts the answers that are inside of their think blocks.
	thinking map[int]bool
}

func newPatience() *patience { return &patience{now: make(chan struct{}), thinking: map[int]bool{}} }

// note takes an event of the run in.
func (p *patience) note(ev *Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case ev.Kind == Started:
		p.thinking[ev.Choice] = ev.Start.ThinkOpen
	case ev.Kind == BlockOpen && ev.Block.Kind != Reasoning, ev.Kind == AnswerEnd:
		p.thinking[ev.Choice] = false
	}
}

// end has all think blocks closed that are open, and reports whether there is one.
func (p *patience) end() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	open := false
	for _, thinking := range p.thinking {
		open = open || thinking
	}
	if open && !p.ended {
		p.ended = true
		close(p.now)
	}
	return open
}

// Named are the runs that clients can speak of, by the ids that they were given. The zero value is ready, and its
// methods are safe for concurrent use.
type Named struct {
	mu   sync.Mutex
	runs map[string]*Run
}

// Add keeps a run under its id until the function that it returns is called.
func (n *Named) Add(id string, r *Run) (remove func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.runs == nil {
		n.runs = map[string]*Run{}
	}
	n.runs[id] = r
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.runs[id] == r {
			delete(n.runs, id)
		}
	}
}

// AnswerNow has a run's open think blocks closed, after which it goes on with its answers. Only who asked with the same
// key may want that; for others there is no such run.
func (n *Named) AnswerNow(id string, caller *Caller) error {
	n.mu.Lock()
	r := n.runs[id]
	n.mu.Unlock()
	if r == nil || r.decided.Caller.Key != caller.Key {
		return fault.NotFound("id", fault.CodeNotFound, "There is no completion %q that is being made.", jsonbody.Abbreviate(id))
	}
	if !r.patience.end() {
		return fault.Conflict("id", fault.CodeNotThinking, "The completion is not thinking: its answer has begun.")
	}
	return nil
}
