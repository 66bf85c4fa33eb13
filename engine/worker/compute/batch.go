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
	l.guess()
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
		rows = l.appendRows(rows, l.sequences[batch[i].Sequence], &batch[i])
	}
	l.rows = rows
	l.updateCache()
	before := time.Now()
	if err := l.decoder.Decode(rows); err != nil {
		l.failed(batch, err)
		return
	}
	l.took(batch, len(rows), time.Since(before))
	l.decoding.steps.Add(1)
	row := 0
	l.logits = slices.Grow(l.logits[:0], len(rows))
	for _, part := range batch {
		l.decoding.beats.Add(1)
		l.plan.Computed(part)
		row += part.Rows
		s := l.sequences[part.Sequence]
		l.computed(s, &part)
		if !part.Draw {
			continue
		}
		if d, err := l.drawOf(s, &part, row); err != nil {
			l.drop(s, err)
		} else {
			l.draws = append(l.draws, d)
		}
	}
	l.drawAll()
}

// took tells those who plan by it how long a batch took.
func (l *Loop) took(batch []schedule.Part, rows int, d time.Duration) {
	l.plan.Took(batch, d)
	if batch[len(batch)-1].Decode {
		l.worth.Took(rows, d)
	}
}

// drawOf collects the logits that tokens of s are drawn from, after a part whose rows end before that number.
func (l *Loop) drawOf(s *sequence, part *schedule.Part, end int) (draw, error) {
	begin := end - 1
	if part.Decode {
		begin = end - part.Rows
	}
	first := len(l.logits)
	for row := begin; row < end; row++ {
		logits, err := l.decoder.Logits(row)
		if err != nil {
			return draw{}, err
		}
		l.logits = append(l.logits, logits)
	}
	return draw{s: s, rows: l.logits[first:], at: l.rows[begin].Position.T}, nil
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
