package schedule

import "slices"

// whereabouts says what is known of the rows of a picture outside of this worker.
type whereabouts uint8

const (
	// unsought is what nobody has looked for.
	unsought whereabouts = iota
	// sought is being looked for.
	sought
	// elsewhere is being encoded by another worker, for all.
	elsewhere
	// here is to be encoded here: others wait for it.
	here
)

// mostSought bounds the pictures that are looked for, or that wait to be encoded here. Of these other workers know, and
// wait for them: they are to be no more than this one will soon begin.
const mostSought = 4

// NextSought is the picture whose rows are to be looked for outside of this worker, nil where there is none. What
// becomes of it is told by Elsewhere, Here or Found.
func (s *Scheduler) NextSought() *Picture {
	p := s.nextSought()
	if p != nil {
		p.at = sought
	}
	return p
}

// Seeks reports whether there is a picture whose rows are to be looked for.
func (s *Scheduler) Seeks() bool { return s.nextSought() != nil }

func (s *Scheduler) nextSought() (next *Picture) {
	if !s.limits.Shelved {
		return nil
	}
	s.forgetUnwanted()
	busy, loaded := 0, s.loaded()
	for _, p := range s.pictures {
		switch p.at {
		case sought, here:
			busy++
		case elsewhere:
		case unsought:
			if (loaded+s.bytes(p) <= s.limits.AheadBytes || p.due()) && (next == nil || sooner(p, next) < 0) {
				next = p
			}
		}
	}
	if busy >= mostSought {
		return nil
	}
	return next
}

// Elsewhere notes that another worker encodes a picture, whose rows come later.
func (s *Scheduler) Elsewhere(p *Picture) { p.at = elsewhere }

// Here notes that nobody has the rows of a picture: it is to be encoded.
func (s *Scheduler) Here(p *Picture) { p.at = here }

// Found takes out a picture whose rows are there.
func (s *Scheduler) Found(p *Picture) {
	p.at = here // so that nothing keeps it on the list
	p.wanted = nil
	s.forgetUnwanted()
}

// Underway reports whether a picture waits for the encoder, or is in it, that somebody wants.
func (s *Scheduler) Underway(key [32]byte) bool {
	for _, p := range s.pictures {
		if p.Key == key && len(p.Wanted()) > 0 {
			return true
		}
	}
	for _, r := range s.runs {
		for _, p := range r.Pictures {
			if p.Key == key && r.lead() != nil {
				return true
			}
		}
	}
	return false
}

// due reports whether a sequence with cells can compute nothing before it has the picture.
func (p *Picture) due() bool {
	for _, w := range p.wanted {
		if w.Sequence.phase != Queued && w.Segment == w.Sequence.prefill.segment {
			return true
		}
	}
	return false
}

// loaded are the bytes of rows that sequences have which are not in the KV cache yet, and of those that come from
// elsewhere. These come faster than they can be computed, and have memory for as long.
func (s *Scheduler) loaded() (n int64) {
	for _, q := range s.active {
		for i := q.prefill.segment; i < len(q.prefill.encoded); i++ {
			if q.prefill.encoded[i] {
				n += int64(q.segments[i].Rows) * s.limits.RowBytes
			}
		}
	}
	for _, p := range s.pictures {
		if p.active() && p.abroad() {
			n += s.bytes(p)
		}
	}
	return n + s.ahead()
}

// forgetUnwanted takes out pictures that nobody wants any more. What is looked for stays until it is known where it is.
func (s *Scheduler) forgetUnwanted() {
	s.pictures = slices.DeleteFunc(s.pictures, func(p *Picture) bool { return len(p.Wanted()) == 0 && !p.abroad() })
}

// abroad reports whether the rows may still come from another worker.
func (p *Picture) abroad() bool { return p.at == sought || p.at == elsewhere }
