// Package schedule decides what a worker computes next: which requests share the KV cache, which prompt rows go into a
// batch beside the sequences that decode, which image is encoded first, and who gives its cells up when they run out.
// design.md says by which rules.
//
// It is pure: a decision follows from what the package has been told, and nothing else. It must not compute, wait,
// lock, log or read a clock, and knows neither tokens nor pixels, only how many rows they take; package compute carries
// the decisions out.
package schedule

import (
	"slices"
	"time"

	"github.com/qwenvld/qwenvld/engine/worker/cost"
	"github.com/qwenvld/qwenvld/engine/worker/prefix"
)

// Limits are what a worker has room for.
type Limits struct {
	// Cells of the KV cache that all sequences share, at least the context of one.
	Cells int
	// Sequences that may hold cells together.
	Sequences int
	// BatchRows bound a batch, PrefillRows the prompt rows of a batch while any sequence decodes. Both are bounds on
	// what time allows.
	BatchRows, PrefillRows int
	// ParkedCells may keep rows that nobody uses, for requests that begin with them. Branches are how many beginnings
	// are told apart, under sequence numbers of the cache behind those of Sequences; with none, nothing is shared.
	ParkedCells, Branches int
	// RowBytes has the row of an image. AheadBytes of rows may be encoded for sequences that wait for a slot.
	RowBytes, AheadBytes int64
	// EncodeMemory is what the encoder may take for all that it has begun. EncodesBeside says that it works at the same
	// time as batches are computed, and takes none of their time.
	EncodeMemory  int64
	EncodesBeside bool
	// Shelved says that rows of pictures may be found outside of this worker: they are looked for before a picture is
	// encoded.
	Shelved bool
}

// admissionHeadroom is how many free cells beyond its prompt a sequence is admitted with, so that it is not preempted
// at once.
const admissionHeadroom = 64

// Scheduler holds the requests of one KV cache. One goroutine uses it.
type Scheduler struct {
	limits Limits
	queue  []*Sequence // in the order in which they came
	active []*Sequence // in the order in which they were admitted
	slots  []int32     // that are free
	tree   *prefix.Tree

	costs cost.Model
	// worked is the work that was done, by which the package tells the time.
	worked time.Duration
	// shown is how much of it was for pictures since the last batch of tokens.
	shown   time.Duration
	tenants map[string]*tenant
	arrived int // sequences and pictures

	preemptions uint64

	pictures []*Picture // that wait for the encoder
	runs     []*Run     // that have begun
}

// New returns a Scheduler without requests.
func New(l Limits) *Scheduler {
	s := &Scheduler{limits: l, tree: prefix.New(int32(l.Sequences), l.Branches, l.ParkedCells), tenants: map[string]*tenant{}}
	for slot := l.Sequences - 1; slot >= 0; slot-- {
		s.slots = append(s.slots, int32(slot))
	}
	return s
}

// Enqueue adds a new sequence.
func (s *Scheduler) Enqueue(q *Sequence) {
	s.arrived++
	q.cost = s.price(q)
	q.number, q.tenant, q.date = s.arrived, s.tenancy(q.owner), s.date(q)
	s.queue = append(s.queue, q)
}

// Admit gives slots to queued sequences in their order while cells last, and returns those that it admitted. The first
// one is not overtaken, so that a large prompt does not wait for ever; one that is alone is admitted whatever it takes.
func (s *Scheduler) Admit() (admitted []*Sequence) {
	for len(s.queue) > 0 && len(s.slots) > 0 {
		q := slices.MinFunc(s.queue, before)
		free := s.limits.Cells - s.Cells()
		if s.needs(q)+min(admissionHeadroom, q.maxTokens) > free && len(s.active) > 0 {
			break
		}
		s.queue = slices.DeleteFunc(s.queue, func(o *Sequence) bool { return o == q })
		q.slot = s.slots[len(s.slots)-1]
		s.slots = s.slots[:len(s.slots)-1]
		q.enter(Prefilling)
		q.hold = s.tree.Hold(q.scope, q.slot)
		q.admissions++
		q.leader, q.led = s.leads(q)
		s.reuse(q)
		s.active = append(s.active, q)
		admitted = append(admitted, q)
	}
	return admitted
}

// MakeRoom preempts sequences until each that decodes can take one more cell, and returns them. The last one is never
// preempted: what a single request may need has been checked before it was queued. Parked cells that stand in the way
// are given up, and rows that others have computed meanwhile are not counted twice.
func (s *Scheduler) MakeRoom() (preempted []*Sequence) {
	s.Reuse()
	for {
		need := s.Cells()
		for _, q := range s.active {
			if q.decodes() {
				need++
			}
		}
		if need > s.limits.Cells {
			if q := s.Preempt(); q != nil {
				preempted = append(preempted, q)
				continue
			}
		}
		if over := need + s.tree.Stats().Parked - s.limits.Cells; over > 0 {
			s.tree.Evict(over)
		}
		return preempted
	}
}

// Preempt takes the cells of the sequence that was admitted last. It is the first to be admitted again, and computed
// again from its prompt and what it has generated. The result is nil where only one is left.
func (s *Scheduler) Preempt() *Sequence {
	if len(s.active) < 2 {
		return nil
	}
	q := s.active[len(s.active)-1]
	s.release(q)
	q.enter(Queued)
	q.preemptions++
	s.preemptions++
	s.queue = append(s.queue, q)
	return q
}

// Preemptions is how often a sequence was preempted.
func (s *Scheduler) Preemptions() uint64 { return s.preemptions }

// Remove takes out a sequence that has ended, wherever it is, and reports whether it held a slot.
func (s *Scheduler) Remove(q *Sequence) (held bool) {
	held = q.phase != Queued && q.phase != Ended
	if held {
		s.release(q)
	} else {
		s.queue = slices.DeleteFunc(s.queue, func(o *Sequence) bool { return o == q })
	}
	if q.phase != Ended {
		s.leave(q.tenant)
	}
	q.enter(Ended)
	return held
}

// release parks what a sequence has computed. Its own number holds no cells from then on.
func (s *Scheduler) release(q *Sequence) {
	s.publish(q)
	s.tree.Release(q.hold)
	q.hold, q.leader = nil, nil
	s.slots = append(s.slots, q.slot)
	s.active = slices.DeleteFunc(s.active, func(o *Sequence) bool { return o == q })
}

// Cells is how many cells the active sequences take, or will once their prompts are computed. Those that they share, or
// will, count once.
func (s *Scheduler) Cells() int {
	n := s.tree.Stats().Held
	for _, q := range s.active {
		n += q.own() - q.promised()
	}
	return n
}

// Active are the sequences that hold slots, in the order of their admission. The caller does not change the slice.
func (s *Scheduler) Active() []*Sequence { return s.active }

// Queued are the sequences that wait for a slot, in no order. The caller does not change the slice.
func (s *Scheduler) Queued() []*Sequence { return s.queue }
