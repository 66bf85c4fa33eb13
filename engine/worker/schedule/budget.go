package schedule

import (
	"time"

	"github.com/qwenvld/qwenvld/engine/worker/cost"
)

const (
	// beside is how many times as long as decoding alone the prompts of a step may take. So prompts get that many parts
	// of the time and answers one, whatever the machine.
	beside = 5
	// besidePictures is that where pictures are among them, in tenths. An encode goes on for many steps, all of which
	// would be as long as may be, and it cannot share the weights' way through memory with decoding as text does.
	besidePictures = 34
	// unnoticed is how long they may take in any case: nobody sees an answer stand still for that long.
	unnoticed = 50 * time.Millisecond
	// alone is how long a step takes in which nobody decodes. Who comes meanwhile waits for its end.
	alone = time.Second
)

// allowance is how long prompts, images and encodes may take together between two tokens of an answer.
func (s *Scheduler) allowance(pictures bool) time.Duration {
	rows := s.decodingRows()
	if rows == 0 {
		return alone
	}
	decoding := s.costs.Decoding(rows)
	if pictures {
		return max(unnoticed, besidePictures*decoding/10)
	}
	return max(unnoticed, beside*decoding)
}

// share is what a kind of work gets of the allowance: text, images and encodes get the same where there are any.
func (s *Scheduler) share() time.Duration {
	text, image, encode := s.kinds()
	return s.allowance(image+encode > 0) / time.Duration(max(1, text+image+encode))
}

// kinds says of what there is any, 1 or 0 each.
func (s *Scheduler) kinds() (text, image, encode int) {
	for _, q := range s.active {
		switch g, ok := s.due(q); {
		case ok && g.Image:
			image = 1
		case ok:
			text = 1
		}
	}
	if !s.limits.EncodesBeside && s.Encodes() {
		encode = 1
	}
	return text, image, encode
}

// textShare is the share of the text in a batch that also decodes. What pictures took since the last such batch comes
// off: answers have waited for it already. So the last slice of an encode, the rows of the picture and the text behind
// them, which follow each other, do not add up.
func (s *Scheduler) textShare() time.Duration {
	share := s.share()
	if s.decodingRows() > 0 && s.shown > 0 {
		share = min(share, s.allowance(true)-s.shown)
	}
	return max(0, share)
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
		s.shown += d
	} else {
		s.costs.Took(b, d)
		s.shown = 0
	}
	s.worked += d
	for i := range batch {
		batch[i].Sequence.charge(time.Duration(float64(d) * float64(batch[i].Rows) / float64(rows)))
	}
}

// charge notes work that was done for a sequence.
func (q *Sequence) charge(d time.Duration) { q.tenant.used += time.Duration(float64(d) / q.weight) }
