// Package nearest finds the known name that an unknown one was probably meant to be, for error messages. It only
// compares names. It must not be used to take one name for another silently.
package nearest

import "strings"

// maxLength bounds the names compared, in bytes: unknown ones come from outside and may be of any length.
const maxLength = 64

// Name is the one of known that is most like name, or "" where none is like it. Upper and lower case count as the same,
// and so do dash and underscore. Among equally near names the first wins.
func Name(name string, known []string) string {
	if name == "" || len(name) > maxLength {
		return ""
	}
	name = normal(name)
	best, least := "", 1+len(name)/4+1 // a letter may be wrong, and one more in each four
	for _, k := range known {
		if len(k) > maxLength {
			continue
		}
		if d := distance([]rune(name), []rune(normal(k))); d < least && d < len(k) {
			best, least = k, d
		}
	}
	return best
}

func normal(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }

// distance counts the letters to insert, drop, replace or swap with the next to make b of a.
func distance(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
