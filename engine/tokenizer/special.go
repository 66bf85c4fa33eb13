package tokenizer

import (
	"slices"
	"strings"
)

// specialTokens finds the texts of control and user-defined tokens.
type specialTokens struct {
	ids   map[string]int32
	texts []string      // longest first, so that the first match is the longest
	first [256][]string // those of texts that begin with this byte
}

func (t *specialTokens) add(text string, id int32) {
	if t.ids == nil {
		t.ids = map[string]int32{}
	}
	t.ids[text] = id
	longestFirst := func(texts []string) []string {
		texts = append(texts, text)
		slices.SortStableFunc(texts, func(a, b string) int { return len(b) - len(a) })
		return texts
	}
	t.texts = longestFirst(t.texts)
	t.first[text[0]] = longestFirst(t.first[text[0]])
}

// find returns the first special text in s.
func (t *specialTokens) find(s string) (at int, text string, ok bool) {
	for i := range len(s) {
		for _, text := range t.first[s[i]] {
			if strings.HasPrefix(s[i:], text) {
				return i, text, true
			}
		}
	}
	return 0, "", false
}

// SpecialToken returns the id of the control or user-defined token with this text, such as "<|vision_start|>".
func (t *Tokenizer) SpecialToken(text string) (int32, bool) {
	id, ok := t.specials.ids[text]
	return id, ok
}

// SpecialTokens returns the texts of all control and user-defined tokens.
func (t *Tokenizer) SpecialTokens() []string { return slices.Clone(t.specials.texts) }

// IsControl reports whether the token is a control token such as <|im_start|>. Tokens like </think>, which a model
// writes as part of its answer, are user-defined instead.
func (t *Tokenizer) IsControl(token int32) bool {
	return token >= 0 && int(token) < len(t.kinds) && t.kinds[token] == Control
}
