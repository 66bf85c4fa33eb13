package repetition_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/internal/repetition"
)

// sixTimes finds parts of up to 20 letters that take at least 30 letters and are there six times.
func sixTimes() repetition.Rule {
	return repetition.Rule{Longest: 20, Length: func(part int) int { return max(30, 6*part) }}
}

func TestLoopsAreFoundAtTheEnd(t *testing.T) {
	const sentence = "and so it goes on. " // 19 letters
	for name, c := range map[string]struct {
		text string
		want bool
	}{
		"nothing":                        {"", false},
		"no repetition":                  {"the quick brown fox jumps over the lazy dog", false},
		"one letter":                     {strings.Repeat("a", 30), true},
		"too short":                      {strings.Repeat("a", 29), false},
		"a sentence":                     {"First. " + strings.Repeat(sentence, 6), true},
		"a sentence too few times":       {"First. " + strings.Repeat(sentence, 5), false},
		"cut in the middle":              {strings.Repeat(sentence, 6) + sentence[:7], true},
		"it has ended":                   {strings.Repeat("a", 60) + "b", false},
		"longer than is looked for":      {strings.Repeat(sentence+"and on", 20), false},
		"a part that ends in repetition": {strings.Repeat("xyz"+strings.Repeat("ab", 8), 6), true},
	} {
		if got := repetition.AtEnd([]byte(c.text), sixTimes()); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Two parts in a row are no longer part: what is enough of a long one is not yet enough of a short one.
func TestAShortPartIsNotALongOneSeveralTimes(t *testing.T) {
	rule := repetition.Rule{Longest: 40, Length: func(part int) int {
		if part < 20 {
			return 200
		}
		return 6 * part
	}}
	for n, want := range map[int]bool{150: false, 199: false, 200: true} {
		if got := repetition.AtEnd([]byte(strings.Repeat("-", n)), rule); got != want {
			t.Errorf("%d dashes: %v", n, got)
		}
	}
	long := "a paragraph of 25 letters"
	if !repetition.AtEnd([]byte(strings.Repeat(long, 6)), rule) {
		t.Error("a paragraph six times is not found")
	}
}

func ExampleAtEnd() {
	tokens := []int32{7, 1, 2, 3, 1, 2, 3, 1, 2, 3}
	fmt.Println(repetition.AtEnd(tokens, repetition.Rule{Longest: 5, Length: func(part int) int { return 3 * part }}))
	// Output: true
}
