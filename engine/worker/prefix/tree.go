package prefix

import (
	"maps"
	"slices"
)

// Tree is what is known about the rows in one cache. One goroutine uses it.
type Tree struct {
	roots map[string]*node // by scope
	nodes map[*node]bool   // all but the roots
	free  []int32          // sequence numbers
	// maxParked bounds parked.
	maxParked    int
	held, parked int // cells of nodes that are held by somebody, and of the others
	clock        uint64
	evicted      uint64
	ops          []Op
}

// Stats count cells.
type Stats struct {
	// Held are the cells of beginnings that live requests use, each counted once. Parked are those that nobody uses.
	Held, Parked int
	// Evicted were parked and given up since the beginning.
	Evicted uint64
}

// New returns an empty Tree that keeps nodes under the sequence numbers from first on, so many of them, and parks at
// most so many cells.
func New(first int32, count, maxParked int) *Tree {
	t := &Tree{roots: map[string]*node{}, nodes: map[*node]bool{}, maxParked: maxParked}
	for i := range int32(count) {
		t.free = append(t.free, first+int32(count)-1-i)
	}
	return t
}

// Stats tells how the cells stand.
func (t *Tree) Stats() Stats { return Stats{Held: t.held, Parked: t.parked, Evicted: t.evicted} }

// Ops returns what is to be done with the cache since the last call, in this order.
func (t *Tree) Ops() []Op {
	out := t.ops
	t.ops = nil
	return out
}

func (t *Tree) share(from, to int32, n *node) {
	t.ops = append(t.ops, Op{Share: true, From: from, To: to, P0: n.p0, P1: n.p1})
}

func (t *Tree) remove(from, p0, p1 int32) { t.ops = append(t.ops, Op{From: from, P0: p0, P1: p1}) }

// Peek is how many rows of a prompt's beginning are in the tree, and how many of these are parked: a request that takes
// them needs cells for the others only, but what it takes cannot be given up any more.
func (t *Tree) Peek(scope string, items []Item) (rows, parked int) {
	walk(t.roots[scope], items, func(c *node, n int) {
		found, _ := extent(c.items[:n])
		rows += found
		if c.holds == 0 {
			parked += found
		}
	})
	return rows, parked
}

// Ahead is how many of the items that come next behind a hold are in the tree.
func (t *Tree) Ahead(h *Hold, next []Item) (items int) {
	walk(h.tip, next, func(_ *node, n int) { items += n })
	return items
}

// walk visits the nodes behind n whose items come next, each with how many of its items do.
func walk(n *node, next []Item, visit func(c *node, items int)) {
	for n != nil && len(next) > 0 {
		c := n.child(&next[0])
		if c == nil {
			return
		}
		same := common(c.items, next)
		visit(c, same)
		if same < len(c.items) {
			return
		}
		n, next = c, next[same:]
	}
}

// split cuts a node in front of item n and returns the part before it, or nil where no sequence number is left for
// that.
func (t *Tree) split(c *node, n int) *node {
	sequence, ok := t.number(c)
	if !ok {
		return nil
	}
	upper := &node{parent: c.parent, children: []*node{c}, items: c.items[:n:n], p0: c.p0, sequence: sequence, holds: c.holds, used: c.used}
	var span int32
	upper.rows, span = extent(upper.items)
	upper.p1 = upper.p0 + span
	t.share(c.sequence, sequence, upper)
	t.remove(c.sequence, upper.p0, upper.p1)
	c.parent.children[slices.Index(c.parent.children, c)] = upper
	c.parent, c.items, c.rows, c.p0 = upper, c.items[n:], c.rows-upper.rows, upper.p1
	t.nodes[upper] = true
	return upper
}

// number takes a sequence number, if need be that of what was parked first, but for spared.
func (t *Tree) number(spared *node) (sequence int32, ok bool) {
	if len(t.free) == 0 {
		leaf := t.oldestParked(spared)
		if leaf == nil {
			return 0, false
		}
		t.drop(leaf)
	}
	sequence = t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	return sequence, true
}

// oldestParked is the parked node that was used longest ago among those without anything behind them.
func (t *Tree) oldestParked(spared *node) (oldest *node) {
	for n := range t.nodes {
		if n.holds == 0 && len(n.children) == 0 && n != spared && (oldest == nil || n.used < oldest.used) {
			oldest = n
		}
	}
	return oldest
}

// drop gives up a parked node that has nothing behind it.
func (t *Tree) drop(n *node) {
	t.remove(n.sequence, 0, ToEnd)
	t.free = append(t.free, n.sequence)
	t.parked -= n.rows
	t.evicted += uint64(n.rows)
	delete(t.nodes, n)
	n.parent.children = slices.DeleteFunc(n.parent.children, func(c *node) bool { return c == n })
	t.forgetRoot(n.parent)
}

// forgetRoot lets a root go that has nothing behind it and that nobody holds.
func (t *Tree) forgetRoot(n *node) {
	if n.root() && len(n.children) == 0 && n.holds == 0 {
		maps.DeleteFunc(t.roots, func(_ string, root *node) bool { return root == n })
	}
}

// Evict gives up parked cells until there are so many fewer, or none: those that were used longest ago first, and of a
// beginning its end. It returns how many there were.
func (t *Tree) Evict(cells int) (given int) {
	for given < cells {
		leaf := t.oldestParked(nil)
		if leaf == nil {
			break
		}
		if rest := cells - given; leaf.rows > rest {
			given += t.shorten(leaf, rest)
			continue
		}
		given += leaf.rows
		t.drop(leaf)
	}
	return given
}

// shorten gives up at least so many cells at the end of a parked node, and returns how many.
func (t *Tree) shorten(n *node, cells int) (given int) {
	end, p1 := len(n.items), n.p1
	for given < cells && end > 0 {
		end--
		given += n.items[end].Rows()
		p1 -= n.items[end].span()
	}
	if end == 0 {
		t.drop(n)
		return given
	}
	t.remove(n.sequence, p1, ToEnd)
	n.items, n.rows, n.p1 = slices.Clone(n.items[:end]), n.rows-given, p1
	t.parked -= given
	t.evicted += uint64(given)
	return given
}
