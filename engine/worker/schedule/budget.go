package schedule

import (
	"time"

	"github.com/qwenvld/qwenvld/engine/worker/cost"
)

const (
	// beside is how many times as long as decoding alone the prompts of a step may take. So prompts get that many parts
	// of the time and answers one, whatever the machine.
	beside = 5
	// unnoticed is how long they may take in any case: nobody sees an answer stand still for that long.
	unnoticed = 50 * time.Millisecond
	// alone is how long a step takes in which nobody decodes. Who comes meanwhile waits for its end.
	alone = time.Second
)

// allowance is how long the prompts, images and encodes of a step may take together.
func (s *Scheduler) allowance() time.Duration {
	if rows := s.decodingRows(); rows > 0 {
		return max(unnoticed, beside*s.costs.Decoding(rows))
	}
	return alone
}

// share is what a kind of work gets of the allowance: text, images and encodes get the same where there are any.
func (s *Scheduler) share() time.Duration {
	text, image := 0, 0
	for _, q := range s.active {
		switch g, ok := s.due(q); {
		case ok && g.Image:
			image = 1
		case ok:
			text = 1
		}
	}
	kinds := text + image
	if !s.limits.EncodesBeside && s.Encodes() {
		kinds++
	}
	return s.allowance() / time.Duration(max(1, kinds))
}

// decodingRows is how many rows of decoding the next batch has.
func (s *Scheduler) decodingRows() (rows int) {
	for _, q := range s.active {
		if q.decodes() {
			rows++
		}
	}
	return min(rows, s.limits.BatchRows)
}

// rows is how many of at most so many rows a sequence computes within a time, beside others in the same batch. At least
// a few are, so that it gets on.
func (s *Scheduler) rows(q *Sequence, rate *cost.Rate, most, others int, within time.Duration) int {
	left := q.segments[q.prefill.segment].Rows - q.prefill.offset
	most = min(most, left)
	n := max(rate.Fit(most, float64(q.cached), within), min(most, kernelRows))
	if odd := (others + n) % kernelRows; n < left && n > 2*kernelRows {
		n -= odd
	}
	return n
}

// Took tells how long a batch took to be computed, before it is told of its parts.
func (s *Scheduler) Took(batch []Part, d time.Duration) {
	b, rows, image := cost.Batch{}, 0, false
	for i := range batch {
		p := &batch[i]
		rows += p.Rows
		if p.Decode {
			b.Decoding += p.Rows
			continue
		}
		b.Rows += p.Rows
		b.Depth += float64(p.Rows) * (float64(p.At) + float64(p.Rows)/2)
		image = p.Sequence.segments[p.Segment].Image
	}
	b.Depth /= float64(max(1, b.Rows))
	if image {
		s.costs.ImageTook(b.Rows, b.Depth, d)
	} else {
		s.costs.Took(b, d)
	}
	s.worked += d
	for i := range batch {
		batch[i].Sequence.charge(time.Duration(float64(d) * float64(batch[i].Rows) / float64(rows)))
	}
}

// charge notes work that was done for a sequence.
func (q *Sequence) charge(d time.Duration) { q.tenant.used += time.Duration(float64(d) / q.weight) }
