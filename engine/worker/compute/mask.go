package compute

import (
	"context"
	"fmt"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/constraint"
	"github.com/qwenvld/qwenvld/engine/worker/schedule"
)

// Constraint follows an answer that must look like something. One goroutine at a time uses it.
type Constraint interface {
	// Allowed gives the tokens that may come next, one bit each; it must not be changed.
	Allowed() []uint64
	// MayEnd says whether the answer can stand as it is, MustEnd whether nothing may follow.
	MayEnd() bool
	MustEnd() bool
	// Follows is how many of these tokens may come next, one after the other, as far as that is known at no cost.
	Follows(tokens []int32) int
	// AcceptKnown takes note of a token if that costs nothing, and reports whether it did.
	AcceptKnown(token int32) bool
	// Accept takes note of a token, which may take as long as many steps.
	Accept(token int32) error
}

var _ Constraint = (*constraint.Matcher)(nil)

// maskBuild is a constraint that takes note of a token beside the loop, which must not touch it until ready is closed.
type maskBuild struct {
	ready chan struct{}
	err   error
}

// advanceMask has the constraint of s take note of a token, at once where it can. The others go on while it does not.
func (l *Loop) advanceMask(s *sequence, token int32) {
	job := s.job
	if job.spec.Constraint.AcceptKnown(token) {
		return
	}
	m := &maskBuild{ready: make(chan struct{})}
	s.mask = m
	l.builders.Go(func() {
		defer l.nudge()
		defer close(m.ready)
		select {
		case l.building <- struct{}{}:
			defer func() { <-l.building }()
		case <-job.ctx.Done():
			m.err = context.Cause(job.ctx)
			return
		}
		if err := job.spec.Constraint.Accept(token); err != nil {
			m.err = &engine.RequestError{Field: "constraint", Message: fmt.Sprintf("the answer cannot go on: %v", err)}
		}
	})
}

// awaitsMask reports whether the mask for the next token of s is not ready.
func (s *sequence) awaitsMask() bool {
	if s.mask == nil {
		return false
	}
	select {
	case <-s.mask.ready:
		return false
	default:
		return true
	}
}

// maskArrived reports whether s is parked without a reason to be any longer.
func (s *sequence) maskArrived() bool { return s.plan.Phase() == schedule.Parked && !s.awaitsMask() }

// takeMask ends the wait for a mask, with what went wrong meanwhile.
func (s *sequence) takeMask() error {
	err := s.mask.err
	s.mask = nil
	return err
}

// park keeps logits, which the next batch overwrites, until the mask is ready.
func (s *sequence) park(logits []float32) { s.parked = append(s.parked[:0], logits...) }
