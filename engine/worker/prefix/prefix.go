// Package prefix knows which rows of the KV cache belong to which beginning of a prompt, so that a prompt that begins
// like another one shares the cells of that beginning in place of computing it again.
//
// Beginnings form a radix tree. Its edges are runs of items, and an item is the least that can be cut off: a text
// token, or an image with all of its rows, which the cache cannot divide. Each node has a sequence number of its own in
// the cache, under which its cells stay while no request uses them. A request holds the nodes that it has followed or
// made; what nobody holds is parked and can be given up.
//
// The package is pure: it says in Ops what is to be done with the cache, and does nothing else. It must not compute,
// wait, lock or read a clock, and does not decide when cells are needed for something better.
package prefix

import "crypto/sha256"

// Item is a text token or an image.
type Item struct {
	Token int32
	// Image is nil for a token. It must not be changed.
	Image *Image
}

// Image is an image or a pair of frames as an item.
type Image struct {
	// Key stands for everything that the rows depend on. While it is zero, nothing is known, and the image is equal to
	// no other.
	Key [sha256.Size]byte
	// Rows are the cells that it takes, Span the positions by which what comes behind it is further on.
	Rows int
	Span int32
}

// Rows is how many cells the item takes.
func (i *Item) Rows() int {
	if i.Image != nil {
		return i.Image.Rows
	}
	return 1
}

func (i *Item) span() int32 {
	if i.Image != nil {
		return i.Image.Span
	}
	return 1
}

// known reports whether the item can be compared with others.
func (i *Item) known() bool { return i.Image == nil || i.Image.Key != [sha256.Size]byte{} }

// same reports whether two items have the same rows after the same beginning. One that is not known has them with no
// other.
func (i *Item) same(o *Item) bool {
	if i.Image == nil || o.Image == nil {
		return i.Image == o.Image && i.Token == o.Token
	}
	return i.known() && *i.Image == *o.Image
}

// common is how many items a and b have in common from the first one on.
func common(a, b []Item) int {
	for n := range min(len(a), len(b)) {
		if !a[n].same(&b[n]) {
			return n
		}
	}
	return min(len(a), len(b))
}

// Common is how many rows the items have with which both a and b begin.
func Common(a, b []Item) (rows int) {
	rows, _ = extent(a[:common(a, b)])
	return rows
}

// Alike reports whether a and b begin with the same items of at least so many rows.
func Alike(a, b []Item, rows int) bool {
	for n := 0; rows > 0; n++ {
		if n == len(a) || n == len(b) || !a[n].same(&b[n]) {
			return false
		}
		rows -= a[n].Rows()
	}
	return true
}

// extent is how many cells and positions the items take.
func extent(items []Item) (rows int, span int32) {
	for i := range items {
		rows += items[i].Rows()
		span += items[i].span()
	}
	return rows, span
}

// Op is something to be done with the cache, after all that came before it.
type Op struct {
	// Share has the sequence To see the cells of From as well, at positions from P0 on and before P1. Otherwise the
	// sequence From loses them, and cells that no sequence sees are free.
	Share    bool
	From, To int32
	P0, P1   int32
}

// ToEnd as P1 of an Op has no bound.
const ToEnd = -1

// node is a run of items behind those of its parent. A root has none.
type node struct {
	parent   *node
	children []*node // no two begin with the same item
	items    []Item
	rows     int
	p0, p1   int32 // positions of the items
	sequence int32 // that keeps the cells
	holds    int   // on this node or one behind it
	used     uint64
}

func (n *node) child(first *Item) *node {
	for _, c := range n.children {
		if c.items[0].same(first) {
			return c
		}
	}
	return nil
}

func (n *node) root() bool { return n.parent == nil }
