package compute

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qwenvld/qwenvld/engine/worker/schedule"
)

// step computes one batch of tokens, then one of an image's rows, so that neither kind holds up the other.
func (l *Loop) step() {
	l.resumeParked()
	for _, p := range l.plan.MakeRoom() {
		l.preempted(p)
	}
	l.reuse()
	l.compute(l.plan.TokenBatch())
	l.compute(l.plan.ImageBatch())
}

// compute decodes a batch and lets each of its sequences go on.
func (l *Loop) compute(batch []schedule.Part) {
	if len(batch) == 0 {
		return
	}
	rows := l.rows[:0]
	for i := range batch {
		rows = l.sequences[batch[i].Sequence].appendRows(rows, &batch[i])
	}
	l.rows = rows
	l.updateCache()
	before := time.Now()
	if err := l.decoder.Decode(rows); err != nil {
		l.failed(batch, err)
		return
	}
	l.plan.Took(batch, time.Since(before))
	l.decoding.steps.Add(1)
	row := 0
	for _, part := range batch {
		l.decoding.beats.Add(1)
		l.plan.Computed(part)
		row += part.Rows
		s := l.sequences[part.Sequence]
		s.computed(&part)
		if part.Draw {
			l.drawOrPark(s, row-1)
		}
	}
}

// failed makes room where there was none, and ends the jobs of a batch that cannot be computed for another reason.
func (l *Loop) failed(batch []schedule.Part, err error) {
	if errors.Is(err, ErrCacheFull) {
		if l.plan.GiveUpParked() {
			return
		}
		if p := l.plan.Preempt(); p != nil {
			l.preempted(p)
			return
		}
	}
	err = fmt.Errorf("decode: %w", err)
	for _, part := range batch {
		l.drop(l.sequences[part.Sequence], err)
	}
}

// drawOrPark draws the next token of s from the logits of a row, or keeps them where the token's mask is not ready.
func (l *Loop) drawOrPark(s *sequence, row int) {
	logits, err := l.decoder.Logits(row)
	switch {
	case err != nil:
		l.drop(s, err)
	case s.awaitsMask():
		s.park(logits)
	default:
		l.draw(s, logits)
	}
}

// draw draws the next token of s, and frees s where that was its last.
func (l *Loop) draw(s *sequence, logits []float32) {
	ended, err := s.draw(logits, l)
	if ended || err != nil {
		l.drop(s, err)
		return
	}
	s.plan.Drawn(s.answer.output[len(s.answer.output)-1])
}

// resumeParked goes on with the sequences whose masks have become ready.
func (l *Loop) resumeParked() {
	for _, p := range slices.Clone(l.plan.Active()) {
		if s := l.sequences[p]; s.maskArrived() {
			l.draw(s, s.unpark())
		}
	}
}
