package schedule

import (
	"cmp"
	"slices"
	"time"
)

// Picture is an image that the encoder is to work on, for all sequences that want its rows.
type Picture struct {
	// Key stands for everything that the rows depend on.
	Key [32]byte
	// Width and Height in pixels: pictures of one size may be encoded together.
	Width, Height int
	// Rows are its own, Memory what the encoder takes for it.
	Rows   int
	Memory int64

	wanted []Want
	date   time.Duration // when it is due, as that of a sequence
	number int
	at     whereabouts
}

// Want is an image of a sequence.
type Want struct {
	Sequence *Sequence
	Segment  int
}

// open reports whether the rows of a wanted image are still of use.
func (w Want) open() bool {
	switch w.Sequence.phase {
	case Ended:
		return false
	case Queued:
		return !w.Sequence.prefill.encoded[w.Segment]
	default:
		return w.Segment >= w.Sequence.prefill.segment && !w.Sequence.prefill.encoded[w.Segment]
	}
}

// Wanted are the images that have the picture, of sequences that have not left.
func (p *Picture) Wanted() []Want {
	p.wanted = slices.DeleteFunc(p.wanted, func(w Want) bool { return !w.open() })
	return p.wanted
}

// active reports whether a sequence with cells waits for the picture.
func (p *Picture) active() bool {
	return slices.ContainsFunc(p.wanted, func(w Want) bool { return w.Sequence.phase != Queued })
}

// Run is pictures of one size on their way through the encoder.
type Run struct {
	Pictures []*Picture
	spent    time.Duration
}

func (r *Run) rows() (n int) {
	for _, p := range r.Pictures {
		n += p.Rows
	}
	return n
}

func (r *Run) memory() (n int64) {
	for _, p := range r.Pictures {
		n += p.Memory
	}
	return n
}

// lead is the first picture for which anybody waits, nil where there is none.
func (r *Run) lead() *Picture {
	for _, p := range r.Pictures {
		if len(p.Wanted()) > 0 {
			return p
		}
	}
	return nil
}

const (
	// mostRuns is how many runs there are at once: a long one may have to stand back for a short one, which must not
	// stand back in turn.
	mostRuns = 2
	// runRows bound the rows of pictures that are encoded together. For more, the weights' way through memory does not
	// count any more.
	runRows = 512
)

// Want has a picture encoded for an image of a sequence. It is joined to what is already under way for others.
func (s *Scheduler) Want(w Want, p Picture) {
	for _, r := range s.runs {
		if join(r.Pictures, w, &p) {
			return
		}
	}
	if join(s.pictures, w, &p) {
		return
	}
	q := w.Sequence
	q.encoded = max(q.encoded, s.worked) + time.Duration(float64(s.costs.Encode().Takes(p.Rows, float64(p.Rows)/2))/q.weight)
	s.arrived++
	p.wanted, p.date, p.number = []Want{w}, q.encoded, s.arrived
	s.pictures = append(s.pictures, &p)
}

func join(pictures []*Picture, w Want, p *Picture) bool {
	i := slices.IndexFunc(pictures, func(o *Picture) bool { return o.Key == p.Key })
	if i >= 0 && !slices.Contains(pictures[i].wanted, w) {
		pictures[i].wanted = append(pictures[i].wanted, w)
	}
	return i >= 0
}

// sooner orders pictures: those for which a sequence holds cells, then by tenant and date. The images of one sequence
// are due one after the other, so that those of a long film alternate with others.
func sooner(a, b *Picture) int {
	return cmp.Or(
		-compareBool(a.active(), b.active()),
		cmp.Compare(a.wanted[0].Sequence.tenant.used/turn, b.wanted[0].Sequence.tenant.used/turn),
		cmp.Compare(a.date, b.date),
		cmp.Compare(a.number, b.number),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// Abandoned are runs for which nobody waits any more. They are over.
func (s *Scheduler) Abandoned() (over []*Run) {
	s.runs = slices.DeleteFunc(s.runs, func(r *Run) bool {
		if r.lead() == nil {
			over = append(over, r)
			return true
		}
		return false
	})
	return over
}

// NextRun says what the encoder works on next, and for how long it may before others have their turn. There is none
// where nothing is wanted. It comes after Abandoned.
func (s *Scheduler) NextRun() (r *Run, within time.Duration) {
	next := s.nextPicture()
	r = s.furthest(next)
	if r == nil && next != nil {
		r = s.begin(next)
	}
	if r == nil {
		return nil, 0
	}
	return r, s.share()
}

// nextPicture is what would be begun next, nil where nothing may be.
func (s *Scheduler) nextPicture() *Picture {
	s.forgetUnwanted()
	var next *Picture
	ahead := s.ahead()
	for _, p := range s.pictures {
		if s.limits.Shelved && p.at != here || !p.active() && ahead+s.bytes(p) > s.limits.AheadBytes {
			continue
		}
		if next == nil || sooner(p, next) < 0 {
			next = p
		}
	}
	return next
}

// furthest is the run that goes on, nil where the next picture comes before all of them: because it is due sooner, and
// would be over sooner, too.
func (s *Scheduler) furthest(next *Picture) (best *Run) {
	memory := int64(0)
	for _, r := range s.runs {
		memory += r.memory()
		if best == nil || s.left(r) < s.left(best) {
			best = r
		}
	}
	if best == nil || next == nil || len(s.runs) == mostRuns || memory+next.Memory > s.limits.EncodeMemory {
		return best
	}
	if sooner(next, best.lead()) > 0 || s.costs.Encode().Takes(next.Rows, float64(next.Rows)/2) >= s.left(best) {
		return best
	}
	return nil
}

// left is how long a run is likely to take still.
func (s *Scheduler) left(r *Run) time.Duration {
	rows := r.Pictures[0].Rows
	return max(0, time.Duration(len(r.Pictures))*s.costs.Encode().Takes(rows, float64(rows)/2)-r.spent)
}

// begin makes a run of a picture, and of others of its size where nobody waits for one of another.
func (s *Scheduler) begin(p *Picture) *Run {
	r := &Run{Pictures: []*Picture{p}}
	other := slices.ContainsFunc(s.pictures, func(o *Picture) bool { return o.Width != p.Width || o.Height != p.Height })
	room := s.limits.AheadBytes - s.ahead() - s.bytes(p)
	for _, o := range s.pictures {
		alike := o != p && o.active() == p.active() && o.at == p.at
		if other || len(s.runs) > 0 || !alike || r.rows()+o.Rows > runRows || r.memory()+o.Memory > s.limits.EncodeMemory {
			continue
		}
		if !o.active() {
			if s.bytes(o) > room {
				continue
			}
			room -= s.bytes(o)
		}
		r.Pictures = append(r.Pictures, o)
	}
	s.pictures = slices.DeleteFunc(s.pictures, func(o *Picture) bool { return slices.Contains(r.Pictures, o) })
	s.runs = append(s.runs, r)
	return r
}

// Ran tells how long the encoder worked on a run, and whether all of its rows are there.
func (s *Scheduler) Ran(r *Run, d time.Duration, done bool) {
	r.spent += d
	if lead := r.lead(); lead != nil {
		lead.wanted[0].Sequence.charge(d)
	}
	if !s.limits.EncodesBeside {
		s.worked += d
		s.shown += d
	}
	if done {
		s.costs.EncodeTook(r.Pictures[0].Rows, r.spent/time.Duration(len(r.Pictures)))
	}
}

// End takes out a run that is over.
func (s *Scheduler) End(r *Run) {
	s.runs = slices.DeleteFunc(s.runs, func(o *Run) bool { return o == r })
}

// Encodes reports whether the encoder has something to do.
func (s *Scheduler) Encodes() bool { return len(s.runs) > 0 || s.nextPicture() != nil }

// ahead are the bytes of rows that sequences have which wait for a slot.
func (s *Scheduler) ahead() (n int64) {
	for _, q := range s.queue {
		for i, encoded := range q.prefill.encoded {
			if encoded {
				n += int64(q.segments[i].Rows) * s.limits.RowBytes
			}
		}
	}
	for _, r := range s.runs {
		for _, p := range r.Pictures {
			if !p.active() {
				n += s.bytes(p)
			}
		}
	}
	for _, p := range s.pictures {
		if !p.active() && p.abroad() {
			n += s.bytes(p)
		}
	}
	return n
}

func (s *Scheduler) bytes(p *Picture) int64 { return int64(p.Rows) * s.limits.RowBytes }
