package tokenizer

// merge makes one token of two. The lowest rank is merged first.
type merge struct {
	rank int32 // negative: there is no such merge
	id   int32
}

var noMerge = merge{rank: -1}

// mergeTable finds merges by their pairs: open addressing, at most three quarters full.
type mergeTable struct {
	slots []mergeSlot
	shift uint
	// seen has a bit for each hash of a pair that is there. Most pairs that are asked for are not, and this small table
	// says so without a walk through the large one.
	seen []uint64
}

// mergeSlot is a place of the table: a pair and what it is merged to.
type mergeSlot struct {
	pair pair
	merge
}

func newMergeTable(n int) mergeTable {
	bits := uint(4)
	for 3<<bits < 4*n {
		bits++
	}
	t := mergeTable{slots: make([]mergeSlot, 1<<bits), shift: 64 - bits, seen: make([]uint64, 1<<bits*seenBits/64)}
	for i := range t.slots {
		t.slots[i].merge = noMerge
	}
	return t
}

// hashPair moves what tells pairs of neighbouring ids apart to the upper bits.
func hashPair(p pair) uint64 {
	const golden = 0x9e3779b97f4a7c15
	return uint64(p) * golden
}

// slot is where p is, or an empty one where it would be.
func (t *mergeTable) slot(p pair) *mergeSlot {
	for i := hashPair(p) >> t.shift; ; i++ {
		s := &t.slots[i&uint64(len(t.slots)-1)]
		if s.rank < 0 || s.pair == p {
			return s
		}
	}
}

// add reports whether the pair is new.
func (t *mergeTable) add(p pair, m merge) bool {
	s := t.slot(p)
	if s.rank >= 0 {
		return false
	}
	*s = mergeSlot{p, m}
	bit := t.bit(p)
	t.seen[bit/64] |= 1 << (bit % 64)
	return true
}

// seenBits is how many bits there are for each slot.
const seenBits = 8

func (t *mergeTable) bit(p pair) uint64 {
	return hashPair(p)>>t.shift*seenBits | hashPair(p)<<(64-t.shift)>>(64-3)
}

func (t *mergeTable) find(p pair) merge {
	if bit := t.bit(p); t.seen[bit/64]>>(bit%64)&1 == 0 {
		return noMerge
	}
	return t.slot(p).merge
}
