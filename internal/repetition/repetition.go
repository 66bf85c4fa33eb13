// Package repetition finds loops: texts or tokens whose end only repeats itself, as models write them that have lost
// the thread.
//
// It must not know what is repeated or how much of it is too much, which its callers say.
package repetition

// Rule says what is a loop.
type Rule struct {
	// Longest is the longest part whose repetitions are found.
	Longest int
	// Length is how much the repetitions of a part of so many items must take together, at least twice the part.
	Length func(part int) int
}

// AtEnd reports whether items end in a loop: repetitions of a part that does not itself consist of repetitions. The
// last repetition may be incomplete.
func AtEnd[T comparable](items []T, rule Rule) bool {
	for part := 1; part <= rule.Longest; part++ {
		// The quick tests come first: most parts fail the first one at its first item.
		if repeats(items, part, 2*part) && !consists(items[len(items)-part:]) && repeats(items, part, rule.Length(part)) {
			return true
		}
	}
	return false
}

// repeats reports whether each of the last length items is what stands a part before it, as far as that is among them.
func repeats[T comparable](items []T, part, length int) bool {
	n := len(items)
	if length > n {
		return false
	}
	for i := n - 1; i >= n-length+part; i-- {
		if items[i] != items[i-part] {
			return false
		}
	}
	return true
}

// consists reports whether items are a shorter part several times.
func consists[T comparable](items []T) bool {
	for part := 1; part <= len(items)/2; part++ {
		if len(items)%part == 0 && repeats(items, part, len(items)) {
			return true
		}
	}
	return false
}
