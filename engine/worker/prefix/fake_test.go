package prefix

import (
	"fmt"
	"strings"
	"testing"
)

// cell is one cell of a fake cache: what was computed in it, where, and who sees it.
type cell struct {
	row
	seen map[int32]bool
}

// row is one row of an item at a position.
type row struct {
	pos, token int32
	image      [32]byte
	index      int
}

func rowOf(i *Item, pos int32, index int) row {
	r := row{pos: pos, token: i.Token, index: index}
	if i.Image != nil {
		r.image = i.Image.Key
	}
	return r
}

// cache does what Ops say, as libllama's unified cache does. It has no bound.
type cache struct{ cells []*cell }

func (c *cache) apply(ops []Op) {
	for _, op := range ops {
		kept := c.cells[:0]
		for _, cell := range c.cells {
			if cell.seen[op.From] && cell.pos >= op.P0 && (op.P1 == ToEnd || cell.pos < op.P1) {
				if op.Share {
					cell.seen[op.To] = true
				} else {
					delete(cell.seen, op.From)
				}
			}
			if len(cell.seen) > 0 {
				kept = append(kept, cell)
			}
		}
		c.cells = kept
	}
}

// compute adds the rows of items behind those of a sequence. All rows of an image are at one position.
func (c *cache) compute(sequence int32, pos int32, items []Item) {
	for i := range items {
		for n := range items[i].Rows() {
			c.cells = append(c.cells, &cell{row: rowOf(&items[i], pos, n), seen: map[int32]bool{sequence: true}})
		}
		pos += items[i].span()
	}
}

// holds reports whether a sequence sees the rows of the items from a position on, and nothing else.
func (c *cache) holds(sequence int32, pos int32, items []Item) bool {
	want := map[row]int{}
	for i := range items {
		for n := range items[i].Rows() {
			want[rowOf(&items[i], pos, n)]++
		}
		pos += items[i].span()
	}
	for _, cell := range c.cells {
		if cell.seen[sequence] {
			if want[cell.row]--; want[cell.row] < 0 {
				return false
			}
			if want[cell.row] == 0 {
				delete(want, cell.row)
			}
		}
	}
	return len(want) == 0
}

// prompt makes items of letters: small ones are tokens, a large one is an image of 6 rows over 3 positions, "?" one
// that is not known.
func prompt(text string) (out []Item) {
	for _, r := range text {
		switch {
		case r == '?':
			out = append(out, Item{Image: &Image{Rows: 6, Span: 3}})
		case r <= 'Z':
			out = append(out, Item{Image: &Image{Key: [32]byte{byte(r)}, Rows: 6, Span: 3}})
		default:
			out = append(out, Item{Token: r})
		}
	}
	return out
}

// world is a tree with its cache.
type world struct {
	t     *testing.T
	tree  *Tree
	cache cache
}

// request computes a prompt of a scope as a live request does, and leaves the hold open. It returns how many rows it
// found.
func (w *world) request(scope string, sequence int32, text string) (h *Hold, found int) {
	w.t.Helper()
	items := prompt(text)
	h = w.tree.Hold(scope, sequence)
	found = w.tree.Follow(h, items)
	w.cache.apply(w.tree.Ops())
	rest := items[h.Items():]
	_, pos := extent(items[:h.Items()])
	w.cache.compute(sequence, pos, rest)
	w.tree.Extend(h, rest)
	w.cache.apply(w.tree.Ops())
	if !w.cache.holds(sequence, 0, items) {
		w.t.Errorf("%q: the sequence does not see its rows", text)
	}
	w.check()
	return h, found
}

func (w *world) release(h *Hold) {
	w.tree.Release(h)
	w.cache.apply(w.tree.Ops())
	w.check()
}

// check compares the tree with the cache, node by node.
func (w *world) check() {
	w.t.Helper()
	held, parked := 0, 0
	sequences := map[int32]bool{}
	var visit func(n *node, holds int)
	visit = func(n *node, path int) {
		for _, c := range n.children {
			rows, span := extent(c.items)
			if c.parent != n || c.rows != rows || c.p0 != n.p1 || c.p1 != c.p0+span || len(c.items) == 0 || !w.tree.nodes[c] || c.holds > path {
				w.t.Errorf("a node is wrong: %+v", c)
			}
			if sequences[c.sequence] {
				w.t.Errorf("two nodes have the number %d", c.sequence)
			}
			sequences[c.sequence] = true
			if !w.cache.holds(c.sequence, c.p0, c.items) {
				w.t.Errorf("the node %d does not keep its cells", c.sequence)
			}
			if c.holds > 0 {
				held += rows
			} else {
				parked += rows
			}
			visit(c, c.holds)
		}
	}
	for scope, root := range w.tree.roots {
		if len(root.children) == 0 && root.holds == 0 {
			w.t.Errorf("the scope %q is empty", scope)
		}
		visit(root, root.holds)
	}
	if s := w.tree.Stats(); s.Held != held || s.Parked != parked || len(sequences) != len(w.tree.nodes) {
		w.t.Errorf("%+v, but %d held, %d parked, %d of %d nodes", s, held, parked, len(sequences), len(w.tree.nodes))
	}
}

// String is the tree as text, for messages.
func (t *Tree) String() string {
	var out strings.Builder
	for n := range t.nodes {
		fmt.Fprintf(&out, "%d: %d items, %d holds\n", n.sequence, len(n.items), n.holds)
	}
	return out.String()
}
