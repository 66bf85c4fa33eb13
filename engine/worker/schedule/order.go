package schedule

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// turn is how much more work one tenant may have had done than another before it comes behind that one. Less would have
// their prompts take turns row by row, and finish both late.
const turn = 2 * time.Second

// tenant is whom sequences belong to.
type tenant struct {
	name string
	// used is the work that was done for it, divided by the weights of its sequences. One that comes begins with as
	// much as the least of those that are there: what it did not use before gives it no claim.
	used      time.Duration
	sequences int
}

// tenancy gives a sequence that comes its tenant.
func (s *Scheduler) tenancy(name string) *tenant {
	t := s.tenants[name]
	if t == nil {
		t = &tenant{name: name, used: math.MaxInt64}
		for _, o := range s.tenants {
			t.used = min(t.used, o.used)
		}
		if len(s.tenants) == 0 {
			t.used = 0
		}
		s.tenants[name] = t
	}
	t.sequences++
	return t
}

// leave takes a sequence that has ended from its tenant.
func (s *Scheduler) leave(t *tenant) {
	if t.sequences--; t.sequences == 0 {
		delete(s.tenants, t.name)
	}
}

// date is when a sequence is due: as much work after its coming as it costs itself, by its weight. So short prompts
// overtake long ones, but none comes before one that has waited for as long as its own work takes.
func (s *Scheduler) date(q *Sequence) time.Duration {
	return s.worked + time.Duration(float64(q.cost)/q.weight)
}

// Late reports whether the prompt of a sequence that has not begun takes longer than what is left, even if nothing else
// were computed from now on. As long as it is not known what a row costs, nothing is late.
func (s *Scheduler) Late(q *Sequence, left time.Duration) bool {
	if q.phase != Queued || q.admissions > 0 || !s.costs.Prompt().Known() || q.cost <= left {
		return false
	}
	return s.price(q) > left // rows that others have computed since it came cost nothing any more
}

// price is how long the prompt of a sequence takes, as far as nobody has computed it.
func (s *Scheduler) price(q *Sequence) time.Duration {
	known := 0
	if q.shares() {
		known, _ = s.tree.Peek(q.scope, q.items[:q.prefilled-1])
	}
	total, depth := time.Duration(0), 0
	for _, g := range q.segments {
		rate := s.costs.Prompt()
		if g.Image {
			rate = s.costs.Image()
		}
		if fresh := min(g.Rows, depth+g.Rows-known); fresh > 0 {
			total += rate.Takes(fresh, float64(depth+g.Rows-fresh))
			if g.Image {
				total += s.costs.Encode().Takes(g.Rows, float64(g.Rows)/2)
			}
		}
		depth += g.Rows
	}
	return total
}

// before orders those who wait: what was preempted, then tenants that had less work done for them, then dates.
func before(a, b *Sequence) int {
	return cmp.Or(
		cmp.Compare(b.preemptions, a.preemptions),
		cmp.Compare(a.tenant.used/turn, b.tenant.used/turn),
		cmp.Compare(a.date, b.date),
		cmp.Compare(a.number, b.number),
	)
}

// waiting are the active sequences whose next segment is an image, or is none, and can be computed, in their order.
func (s *Scheduler) waiting(image bool) (out []*Sequence) {
	for _, q := range s.active {
		if g, ok := s.due(q); ok && g.Image == image {
			out = append(out, q)
		}
	}
	slices.SortFunc(out, before)
	return out
}
