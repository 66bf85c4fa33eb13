package compute

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qwenvld/qwenvld/engine"
)

// Job is a request on its way through the loop.
type Job struct {
	spec  Spec
	taken time.Time

	ctx    context.Context //nolint:containedctx // lives as long as the job
	cancel context.CancelFunc
	leave  func() // gives the job's place among those that wait or run back
	out    mailbox
	// hurried is set once nobody wants to wait for more thoughts.
	hurried atomic.Bool
}

// end tells the reader that nothing more will come, after an error where err is set, and gives the place back.
func (j *Job) end(err error) {
	j.out.close(err)
	j.cancel()
	j.leave()
}

// Events blocks for the next events. done comes with the last ones; an error that ended the job comes after them.
func (j *Job) Events(ctx context.Context) (events []engine.Event, done bool, err error) {
	for {
		events, closed, err := j.out.take()
		if len(events) > 0 {
			// An error is told by the next call, after the events before it.
			return events, closed && err == nil, nil
		}
		if closed {
			return nil, true, err
		}
		select {
		case <-j.out.ready:
		case <-ctx.Done():
			return nil, false, context.Cause(ctx)
		}
	}
}

// AnswerNow has an open think block closed after its next token. It does nothing where there is none.
func (j *Job) AnswerNow() { j.hurried.Store(true) }

// Cancel gives the job up and waits until the loop has freed its sequence, which it does before the next step.
func (j *Job) Cancel() {
	j.cancel()
	for done := false; !done; {
		_, done, _ = j.Events(context.Background())
	}
}

// mailbox passes events from the loop, which must never wait, to the job's reader. It holds at most one event a token,
// and the first.
type mailbox struct {
	mu     sync.Mutex
	events []engine.Event
	err    error
	closed bool
	ready  chan struct{} // capacity 1
}

func (m *mailbox) put(ev engine.Event) {
	m.mu.Lock()
	m.events = append(m.events, ev)
	m.mu.Unlock()
	m.signal()
}

func (m *mailbox) close(err error) {
	m.mu.Lock()
	if !m.closed {
		m.closed, m.err = true, err
	}
	m.mu.Unlock()
	m.signal()
}

func (m *mailbox) signal() {
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// take returns what has gathered; closed means that nothing more will come.
func (m *mailbox) take() (events []engine.Event, closed bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	events, m.events = m.events, nil
	return events, m.closed, m.err
}
