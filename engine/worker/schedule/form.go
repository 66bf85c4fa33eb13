package schedule

import (
	"context"
	"fmt"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/constraint"
)

// Form follows an answer that must look like something. One goroutine at a time uses it.
type Form interface {
	// Allowed gives the tokens that may come next, one bit each; it must not be changed.
	Allowed() []uint64
	// MayEnd says whether the answer can stand as it is, MustEnd whether nothing may follow.
	MayEnd() bool
	MustEnd() bool
	// Quick takes note of a token if that costs nothing, and says whether it did.
	Quick(token int32) bool
	// Accept takes note of a token, which may take as long as many steps.
	Accept(token int32) error
}

var _ Form = (*constraint.Matcher)(nil)

// following is a form that takes note of a token beside the loop, which must not touch it until done is closed.
type following struct {
	done chan struct{}
	err  error
}

// follow has the form of s take note of a token, at once where it can. The others go on while it does not.
func (l *Loop) follow(s *sequence, token int32) {
	job := s.job
	if job.spec.Form.Quick(token) {
		return
	}
	f := &following{done: make(chan struct{})}
	s.following = f
	l.helpers.Go(func() {
		defer l.nudge()
		defer close(f.done)
		select {
		case l.forming <- struct{}{}:
			defer func() { <-l.forming }()
		case <-job.ctx.Done():
			f.err = context.Cause(job.ctx)
			return
		}
		if err := job.spec.Form.Accept(token); err != nil {
			f.err = &engine.RequestError{Field: "form", Message: fmt.Sprintf("the answer cannot go on: %v", err)}
		}
	})
}

// waits reports whether the form of s is not ready for the next token.
func (s *sequence) waits() bool {
	if s.following == nil {
		return false
	}
	select {
	case <-s.following.done:
		return false
	default:
		return true
	}
}

// followed ends a wait, with what went wrong meanwhile.
func (s *sequence) followed() error {
	f := s.following
	s.following = nil
	if f == nil {
		return nil
	}
	return f.err
}

// park keeps the logits of a sequence whose form is not ready, since the next step overwrites them.
func (s *sequence) park(logits []float32) { s.parked = append([]float32(nil), logits...) }

// resume goes on with the sequences whose forms have become ready.
func (l *Loop) resume() {
	for i := 0; i < len(l.active); i++ {
		s := l.active[i]
		if s.parked == nil || s.waits() {
			continue
		}
		logits := s.parked
		s.parked = nil
		if l.drawFrom(s, logits) {
			i-- // it has left
		}
	}
}
