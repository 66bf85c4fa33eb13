package prefix

// Hold is the beginning of a prompt that a live request has in common with the tree: the rows are in the cache under
// the request's own sequence number as well, and are not given up.
type Hold struct {
	tip      *node // the beginning ends where it does
	sequence int32
	items    int
	rows     int
}

// Items is how many items the beginning has, Rows how many rows.
func (h *Hold) Items() int { return h.items }

// Rows is how many rows the beginning has.
func (h *Hold) Rows() int { return h.rows }

// Contains reports whether the beginning of h begins with that of o, or is the same.
func (h *Hold) Contains(o *Hold) bool {
	for n := h.tip; n != nil; n = n.parent {
		if n == o.tip {
			return true
		}
	}
	return false
}

// Hold begins a request with an empty beginning. It has no rows under its sequence number. Requests of different scopes
// share nothing.
func (t *Tree) Hold(scope string, sequence int32) *Hold {
	root := t.roots[scope]
	if root == nil {
		root = &node{}
		t.roots[scope] = root
	}
	root.holds++
	return &Hold{tip: root, sequence: sequence}
}

// Follow takes over the rows of the items that come next, as far as they are in the tree, and returns how many rows
// these are. The request has no rows of its own behind the hold.
func (t *Tree) Follow(h *Hold, next []Item) (rows int) {
	before := h.rows
	for len(next) > 0 {
		c := t.step(h, next)
		if c == nil {
			break
		}
		t.share(c.sequence, h.sequence, c)
		t.move(h, c)
		next = next[len(c.items):]
	}
	return h.rows - before
}

// step is the node behind a hold whose items all come next, nil where there is none. It is cut out of a longer one if
// need be.
func (t *Tree) step(h *Hold, next []Item) *node {
	c := h.tip.child(&next[0])
	if c == nil {
		return nil
	}
	if n := common(c.items, next); n < len(c.items) {
		return t.split(c, n)
	}
	return c
}

// move takes a hold to the end of a child of its tip.
func (t *Tree) move(h *Hold, c *node) {
	if c.holds == 0 {
		t.parked -= c.rows
		t.held += c.rows
	}
	c.holds++
	h.tip = c
	h.items += len(c.items)
	h.rows += c.rows
}

// Extend adds rows to the tree that the request has computed: those of the items that come next. Where somebody else
// was faster, the request takes theirs over and its own cells are free. It may add fewer, or none, where sequence
// numbers have run out; the rows stay the request's own then.
func (t *Tree) Extend(h *Hold, next []Item) {
	for len(next) > 0 && next[0].known() {
		if h.tip.child(&next[0]) != nil {
			c := t.step(h, next)
			if c == nil {
				return
			}
			t.remove(h.sequence, c.p0, c.p1)
			t.share(c.sequence, h.sequence, c)
			t.move(h, c)
			next = next[len(c.items):]
			continue
		}
		n := 1
		for n < len(next) && next[n].known() {
			n++
		}
		t.grow(h, next[:n])
		return
	}
}

// grow adds items of which the tree knows none behind the hold, to its node where nobody else is at that, else in a new
// one.
func (t *Tree) grow(h *Hold, items []Item) {
	rows, span := extent(items)
	n := h.tip
	p0 := n.p1
	if n.root() || n.holds > 1 || len(n.children) > 0 {
		sequence, ok := t.number(nil)
		if !ok {
			return
		}
		n = &node{parent: h.tip, p0: p0, p1: p0, sequence: sequence, holds: 1}
		h.tip.children = append(h.tip.children, n)
		t.nodes[n] = true
	}
	t.ops = append(t.ops, Op{Share: true, From: h.sequence, To: n.sequence, P0: p0, P1: p0 + span})
	n.items = append(n.items, items...)
	n.rows += rows
	n.p1 += span
	t.held += rows
	h.tip = n
	h.items += len(items)
	h.rows += rows
}

// Release ends a request: all rows under its sequence number go, and what it held is parked unless others hold it.
func (t *Tree) Release(h *Hold) {
	t.remove(h.sequence, 0, ToEnd)
	t.clock++
	for n := h.tip; n != nil; n = n.parent {
		n.holds--
		n.used = t.clock
		if n.holds == 0 {
			t.held -= n.rows
			t.parked += n.rows
		}
		t.forgetRoot(n)
	}
	h.tip = nil
	if over := t.parked - t.maxParked; over > 0 {
		t.Evict(over)
	}
}
