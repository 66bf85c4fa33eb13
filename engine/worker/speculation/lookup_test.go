package speculation

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func tokens(text string) (out []int32) {
	for _, c := range []byte(text) {
		out = append(out, int32(c))
	}
	return out
}

func text(tokens []int32) string {
	out := make([]byte, len(tokens))
	for i, t := range tokens {
		out[i] = byte(t)
	}
	return string(out)
}

func TestWhatIsExpectedNext(t *testing.T) {
	for name, c := range map[string]struct {
		prediction     string
		prompt         []string
		answer         string
		want           string
		wantPrediction int
	}{
		"nothing is known":                {"", []string{"abcd"}, "xyz", "", 0},
		"two tokens are too few":          {"", []string{"abcd"}, "ab", "", 0},
		"a copy of the prompt":            {"", []string{"abcdefgh"}, "xbcd", "efgh", 0},
		"the longest agreement":           {"", []string{"1bcdX 2bcdY"}, "1bcd", "X 2b", 0},
		"the newest of equal ones":        {"", []string{"1bcdX 2bcdY 3"}, "bcd", "Y 3b", 0},
		"a repetition":                    {"", []string{"-"}, "abcabcab", "cabc", 0},
		"one token over and over":         {"", []string{"-"}, "aaaa", "aaaa", 0},
		"not beyond a picture":            {"", []string{"abcd", "efgh"}, "abc", "d", 0},
		"not across a picture":            {"", []string{"ab", "cdef"}, "abcd", "", 0},
		"from the end of the prompt":      {"", []string{"abcdef abc"}, "", "def ", 0},
		"a prediction from its start":     {"hello", []string{"say hello"}, "", "hell", 4},
		"a prediction goes on":            {"hello world", []string{"-"}, "he", "llo ", 4},
		"a prediction ends":               {"hello", []string{"-"}, "hell", "o", 1},
		"a prediction is found again":     {"int abc = 1; int def = 2;", []string{"-"}, "int xbc = 1;", " int", 4},
		"in order, what stands twice":     {"x=1;y();x=1;z();x=1;w();", []string{"-"}, "x=1;y();Q;x=1;", "z();", 4},
		"a prediction that does not hold": {"hello", []string{"-"}, "HEL", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var parts [][]int32
			for _, p := range c.prompt {
				parts = append(parts, tokens(p))
			}
			l := New(tokens(c.prediction), parts...)
			for _, token := range tokens(c.answer) {
				l.Add(token)
			}
			got, chances := l.Draft(4)
			if text(got) != c.want || len(chances) != len(got) || l.Predicted(len(got)) != c.wantPrediction {
				t.Errorf("%q of which %d are predicted, want %q and %d", text(got), l.Predicted(len(got)), c.want, c.wantPrediction)
			}
		})
	}
}

// Expectations come from a place whose last tokens agree, whatever the texts are, and their chances fall.
func TestExpectationsStandSomewhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.SliceOfN(rapid.Int32Range(0, 2), 0, 30)
		prediction, prompt, answer := some.Draw(t, "prediction"), some.Draw(t, "prompt"), some.Draw(t, "answer")
		l := New(prediction, prompt)
		all := slices.Concat(prediction, []int32{barrier}, prompt)
		for i, token := range answer {
			l.Add(token)
			all = append(all, token)
			draft, chances := l.Draft(rapid.IntRange(0, 6).Draw(t, "most"))
			before := 1.0
			for j, c := range chances {
				if draft[j] < 0 || c <= 0 || c > before {
					t.Fatalf("after %d tokens: %v with chances %v", i, draft, chances)
				}
				before = c
			}
			if len(draft) == 0 || slices.Equal(prediction[:min(len(prediction), i+1)], answer[:i+1]) {
				continue
			}
			if !occurs(append(slices.Clone(all[len(all)-order:]), draft[0]), all) {
				t.Fatalf("after %v nothing stands before %v", all, draft)
			}
		}
	})
}

func occurs(part, all []int32) bool {
	for i := range len(all) - len(part) + 1 {
		if slices.Equal(all[i:i+len(part)], part) {
			return true
		}
	}
	return false
}

// How likely a guess is follows from how often such guesses held, whether or not they were computed.
func TestChancesAreLearnt(t *testing.T) {
	chance := func(answer string) float64 {
		l := New(nil, tokens("abcdefghijklmnopqrstuvwxyz"))
		for _, token := range tokens(answer) {
			l.Add(token)
		}
		_, chances := l.Draft(1)
		if len(chances) == 0 {
			t.Fatalf("nothing is expected after %q", answer)
		}
		return chances[0]
	}
	fresh, faithful, fickle := chance("abc"), chance("abcdeklmnoabc"), chance("abc-bcd-cde-def-abc")
	if !(faithful > fresh && fresh > fickle) {
		t.Errorf("chances %v at first, %v of who copies, %v of who does not", fresh, faithful, fickle)
	}
	if got := chance("abcdefghijklm"); got <= fresh {
		t.Errorf("after a long agreement %v, after a short one %v", got, fresh)
	}
}

func TestFollowingAnAnswerAllocatesNothing(t *testing.T) {
	l := New(nil, slices.Repeat(tokens("some words and some more "), 100))
	l.tokens, l.earlier = slices.Grow(l.tokens, 100000), slices.Grow(l.earlier, 100000)
	next := int32(0)
	follow := func() {
		l.Add(next % 50)
		l.Draft(8)
		next += 1 + next%3
	}
	for range 100 {
		follow()
	}
	if n := testing.AllocsPerRun(1000, follow); n > 0 {
		t.Errorf("%v allocations a token", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	prompt := slices.Repeat(tokens("all that is written here is written again and again, "), 300)
	b.Run("New", func(b *testing.B) {
		for b.Loop() {
			New(nil, prompt)
		}
	})
	b.Run("Add", func(b *testing.B) {
		l := New(nil, prompt)
		i := int32(0)
		for b.Loop() {
			l.Add(prompt[int(i*7)%len(prompt)])
			l.Draft(8)
			i++
		}
	})
}
