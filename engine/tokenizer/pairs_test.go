package tokenizer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// naive merges the leftmost pair of the lowest rank until none is left.
func naive(t *Tokenizer, word string) []int32 {
	var ids []int32
	for _, b := range []byte(word) {
		ids = append(ids, t.single[b])
	}
	for {
		at, best := -1, noMerge
		for i := range len(ids) - 1 {
			if m := t.merges.find(pairOf(ids[i], ids[i+1])); m.rank >= 0 && (at < 0 || m.rank < best.rank) {
				at, best = i, m
			}
		}
		if at < 0 {
			return ids
		}
		ids[at] = best.id
		ids = slices.Delete(ids, at+1, at+2)
	}
}

// randomVocabulary merges tokens over few letters in any order, so that a merge may need what only a later one makes, and a token may
// be made in several ways: harder than any trained vocabulary.
func randomVocabulary(tb testing.TB, rng *rand.Rand, letters string, merges int) *Tokenizer {
	tb.Helper()
	var v Vocabulary
	known := map[string]bool{}
	add := func(text string) {
		if !known[text] {
			known[text] = true
			v.Tokens, v.Kinds = append(v.Tokens, text), append(v.Kinds, Normal)
		}
	}
	for _, r := range byteAlphabet() {
		add(string(r))
	}
	made := strings.Split(letters, "")
	pairs := map[string]bool{}
	for len(v.Merges) < merges {
		a, b := made[rng.IntN(len(made))], made[rng.IntN(len(made))]
		if m := a + " " + b; !pairs[m] && len(a)+len(b) < 12 {
			pairs[m] = true
			add(a + b)
			made = append(made, a+b)
			v.Merges = append(v.Merges, m)
		}
	}
	if rng.IntN(3) > 0 {
		rng.Shuffle(len(v.Merges), func(i, j int) { v.Merges[i], v.Merges[j] = v.Merges[j], v.Merges[i] })
	}
	t, err := New(v)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func TestAllWaysOfMergingAgree(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for round := range 60 {
		letters := []string{"a", "ab", "abc", "abcdefgh"}[round%4]
		tok := randomVocabulary(t, rng, letters, 5+rng.IntN(60)*(len(letters)-1)+rng.IntN(6))
		for range 40 {
			word := make([]byte, 1+rng.IntN(300))
			for i := range word {
				word[i] = letters[rng.IntN(len(letters))]
			}
			if rng.IntN(4) == 0 {
				word = []byte(strings.Repeat(string(word[:min(7, len(word))]), 30))
			}
			checkWays(t, tok, string(word))
		}
	}
}

func checkWays(t *testing.T, tok *Tokenizer, word string) {
	t.Helper()
	want := naive(tok, word)
	if got, err := tok.appendLong(t.Context(), nil, word); err != nil || !slices.Equal(got, want) {
		t.Fatalf("by rank: %q: %v, want %v", word, got, want)
	}
	if got, err := tok.appendParts(t.Context(), []int32{7}, word); err != nil || got[0] != 7 || !slices.Equal(got[1:], want) {
		t.Fatalf("by parts: %q: %v, want %v", word, got, want)
	}
	if short := word[:min(len(word), maxShort)]; !slices.Equal(tok.appendShort(nil, short), naive(tok, short)) {
		t.Fatalf("short: %q", short)
	}
}

// Ranks that fall from letter to letter: a letter at the end decides how the whole word is paired.
func TestAChangeMayGoFarToTheLeft(t *testing.T) {
	alphabet := byteAlphabet()
	var v Vocabulary
	for _, r := range alphabet {
		v.Tokens, v.Kinds = append(v.Tokens, string(r)), append(v.Kinds, Normal)
	}
	for b := 254; b >= 0; b-- {
		text := string(alphabet[b]) + string(alphabet[b+1])
		v.Tokens, v.Kinds = append(v.Tokens, text), append(v.Kinds, Normal)
		v.Merges = append(v.Merges, string(alphabet[b])+" "+string(alphabet[b+1]))
	}
	tok, err := New(v)
	if err != nil {
		t.Fatal(err)
	}
	var word []byte
	for b := range 256 {
		word = append(word, byte(b))
	}
	for n := 200; n <= 256; n++ {
		checkWays(t, tok, string(word[:n]))
		checkWays(t, tok, string(word[:n])+string(word[:n]))
	}
}

func TestVocabulariesThatAreNoneAreRefused(t *testing.T) {
	good := func() Vocabulary {
		var v Vocabulary
		for _, r := range byteAlphabet() {
			v.Tokens, v.Kinds = append(v.Tokens, string(r)), append(v.Kinds, Normal)
		}
		v.Tokens, v.Kinds = append(v.Tokens, "ab", "<|end|>"), append(v.Kinds, Normal, Control)
		v.Merges = []string{"a b"}
		return v
	}
	if _, err := New(good()); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(v *Vocabulary){
		"with 257 kinds":                         func(v *Vocabulary) { v.Kinds = v.Kinds[1:] },
		"is empty or there twice":                func(v *Vocabulary) { v.Tokens[3] = v.Tokens[4] },
		`"", is empty`:                           func(v *Vocabulary) { v.Tokens[3] = "" },
		"is not UTF-8":                           func(v *Vocabulary) { v.Tokens[256] = "\xff" },
		"stands for no byte":                     func(v *Vocabulary) { v.Tokens[256] = "a b" },
		"unknown kind 9":                         func(v *Vocabulary) { v.Kinds[256] = 9 },
		"no token stands for the byte 0x61":      func(v *Vocabulary) { v.Tokens['a'], v.Merges = "aaa", nil },
		"is not of two tokens":                   func(v *Vocabulary) { v.Merges[0] = "ab" },
		"does not make a token of ordinary ones": func(v *Vocabulary) { v.Merges[0] = "b a" },
		`merge 1, "a b", is there twice`:         func(v *Vocabulary) { v.Merges = append(v.Merges, "a b") },
		`merge 0, "a b", does not make a token`:  func(v *Vocabulary) { v.Kinds[256] = UserDefined },
		`merge 0, "a zz", is not of two tokens`:  func(v *Vocabulary) { v.Merges[0] = "a zz" },
		"0 tokens with 0 kinds":                  func(v *Vocabulary) { *v = Vocabulary{} },
	} {
		v := good()
		change(&v)
		if _, err := New(v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// What composition can make shorter must stay within maxShrink, or prompts that fit would be refused by their bytes.
func TestCompositionShrinksNoFurtherThanItsBound(t *testing.T) {
	c, err := newCharacters()
	if err != nil {
		t.Fatal(err)
	}
	longest := map[rune]int{} // bytes of the longest text that becomes this character
	grow := func(r rune, n int) { longest[r] = max(longest[r], n, len(string(r))) }
	for r, parts := range c.decomp {
		if len(parts) == 1 {
			grow(parts[0], len(string(r)))
		}
	}
	of := func(r rune) int { return max(longest[r], len(string(r))) }
	for range 5 { // characters are composed of composed ones
		for pair, r := range c.pairs {
			grow(r, of(pair[0])+of(pair[1]))
		}
	}
	for r, n := range longest {
		if n > maxShrink*len(string(r)) {
			t.Errorf("%U may have been %d bytes", r, n)
		}
	}
	if text, err := c.compose(t.Context(), "\u1112\u1161\u11ab"); err != nil || text != "한" {
		t.Errorf("%q, %v", text, fmt.Sprint(err))
	}
}
