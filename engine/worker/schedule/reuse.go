package schedule

import "github.com/qwenvld/qwenvld/engine/worker/prefix"

// worthAwaiting is how many rows two prompts must go on alike for the younger to wait until the older has computed
// them. Fewer are computed twice, in one batch.
const worthAwaiting = 32

// Reuse takes sequences that prefill over rows that others have computed.
func (s *Scheduler) Reuse() {
	for _, q := range s.active {
		s.reuse(q)
	}
}

// kernelRows is how many rows of a batch the products of matrices take together. What remains of a batch, and a single
// row, is computed by other code, which rounds otherwise.
const kernelRows = 4

// reuse does that for one that has no rows of its own behind those that it shares. The last item of a prompt is always
// computed: a token is drawn from its logits.
func (s *Scheduler) reuse(q *Sequence) {
	if !q.atBorder() {
		return
	}
	next := q.ahead()
	next = next[:q.aligned(s.tree.Ahead(q.hold, next))]
	rows := s.tree.Follow(q.hold, next)
	q.advance(rows)
	if q.admissions == 1 {
		q.reused += rows
	}
}

// aligned is how many of so many items to take over, so that the rows behind them are computed as they would be if none
// were: from a place in their segment on where the products begin anew, and not one alone.
func (q *Sequence) aligned(items int) int {
	if end := q.hold.Items() + items; items > 0 && end == q.prefilled-1 && q.items[end-1].Image == nil {
		items--
	}
	c := q.prefill
	at := 0 // of the items, where the segment begins in which they end
	for left := items; left > 0 && c.segment < len(q.segments); {
		g := q.segments[c.segment]
		n := g.Rows - c.offset
		if g.Image {
			n = 1
		}
		if n > left {
			break
		}
		left -= n
		at += n
		c.segment, c.offset = c.segment+1, 0
	}
	// The end lies within a segment of text, whose items are its rows.
	return max(at, items-(c.offset+items-at)%kernelRows)
}

// atBorder reports whether the sequence prefills and all that it has computed is shared.
func (q *Sequence) atBorder() bool {
	return q.shares() && q.phase == Prefilling && q.cached == q.hold.Rows() && q.hold.Items() < q.prefilled
}

// ahead are the items of the prompt behind those that are shared, but for the last one.
func (q *Sequence) ahead() []prefix.Item { return q.items[q.hold.Items() : q.prefilled-1] }

// awaits reports whether an older sequence is about to compute what comes next in q.
func (s *Scheduler) awaits(q *Sequence) bool {
	if !q.atBorder() {
		return false
	}
	for _, older := range s.active {
		if older == q {
			return false
		}
		if !older.computes() || !older.hold.Contains(q.hold) {
			continue
		}
		// The older one may be a few rows further on, since q takes over no odd ones.
		rows := older.hold.Rows() - q.hold.Rows() + worthAwaiting
		if prefix.Alike(older.items[q.hold.Items():older.prefilled-1], q.ahead(), rows) {
			return true
		}
	}
	return false
}

// computes reports whether the rows that the sequence computes next will be shared: it is at a border, or within an
// image behind one.
func (q *Sequence) computes() bool {
	if !q.shares() || q.phase != Prefilling || q.hold.Items() >= q.prefilled {
		return false
	}
	return q.cached-q.hold.Rows() < q.items[q.hold.Items()].Rows()
}

// leads is the active sequence that computes most of what q begins with, and how many rows q can count on to take over.
// There is none where q would not wait for it.
func (s *Scheduler) leads(q *Sequence) (leader *Sequence, rows int) {
	if !q.shares() {
		return nil, 0
	}
	for _, older := range s.active {
		if older == q || older.scope != q.scope || !older.computes() {
			continue
		}
		alike := prefix.Common(older.items[:older.prefilled-1], q.items[:q.prefilled-1])
		// The last of them are computed twice, see awaits and aligned.
		if alike -= worthAwaiting + kernelRows; alike > rows {
			leader, rows = older, alike
		}
	}
	return leader, rows
}

// promised is how many rows the sequence has not got which its leader is about to compute for both.
func (q *Sequence) promised() int {
	if q.leader == nil || q.leader.phase != Prefilling || !q.leader.computes() || !q.atBorder() || !q.leader.hold.Contains(q.hold) {
		return 0
	}
	return max(0, q.led-q.hold.Rows())
}

// needs is how many cells a queued sequence would take that are not taken already, or that could be given up until
// then. Rows that an active one is about to compute are taken by that one.
func (s *Scheduler) needs(q *Sequence) int {
	if !q.shares() {
		return q.rows
	}
	found, parked := s.tree.Peek(q.scope, q.items[:q.prefilled-1])
	_, promised := s.leads(q)
	return q.rows - max(found, promised) + parked
}

// publish adds to the tree what a sequence has computed up to the last border.
func (s *Scheduler) publish(q *Sequence) {
	if !q.shares() {
		return
	}
	rest, own := q.items[q.hold.Items():], q.cached-q.hold.Rows()
	n := 0
	for n < len(rest) && rest[n].Rows() <= own {
		own -= rest[n].Rows()
		n++
	}
	if n > 0 {
		s.tree.Extend(q.hold, rest[:n])
	}
}

// GiveUpParked gives up all parked cells, and reports whether there were any.
func (s *Scheduler) GiveUpParked() bool {
	parked := s.tree.Stats().Parked
	return parked > 0 && s.tree.Evict(parked) > 0
}

// Ops are what is to be done with the cache before anything is computed; the slots of sequences that were removed or
// preempted are emptied by them.
func (s *Scheduler) Ops() []prefix.Op { return s.tree.Ops() }

// Shared tells how the cells stand that are not a single sequence's own.
func (s *Scheduler) Shared() prefix.Stats { return s.tree.Stats() }
