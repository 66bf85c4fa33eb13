package sampler

import (
	"cmp"
	"slices"
)

// before orders candidates by weight, heaviest first, and by id among equals, so that results do not depend on the
// order of selection.
func before(a, b candidate) bool {
	return a.weight > b.weight || a.weight == b.weight && a.id < b.id
}

func sortDescending(c []candidate) {
	slices.SortFunc(c, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(a.id, b.id))
	})
}

// selectTop moves the n first candidates in the order of before to the front, in any order among themselves
// (quickselect).
func selectTop(c []candidate, n int) {
	lo, hi := 0, len(c)
	for n > lo && n < hi && hi-lo > 1 {
		pivot := middle(c[lo], c[(lo+hi)/2], c[hi-1])
		i, j := lo, hi-1
		for i <= j {
			for before(c[i], pivot) {
				i++
			}
			for before(pivot, c[j]) {
				j--
			}
			if i <= j {
				c[i], c[j] = c[j], c[i]
				i++
				j--
			}
		}
		switch {
		case n <= j+1:
			hi = j + 1
		case n >= i:
			lo = i
		default:
			return
		}
	}
}

// middle is the median, against quadratic time on sorted input.
func middle(a, b, c candidate) candidate {
	if before(b, a) {
		a, b = b, a
	}
	if before(c, b) {
		b = c
	}
	if before(b, a) {
		b = a
	}
	return b
}
