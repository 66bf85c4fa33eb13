package constraint

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// Special stands before the text of a special token in a Vocabulary. As a byte that UTF-8 never has, it keeps such tokens out of every
// form that does not name them, JSON strings above all.
const Special = "\xff"

// Vocabulary is the bytes of a model's tokens, ordered for judging all of them at once. It does not change.
type Vocabulary struct {
	tokens [][]byte
	words  int
	all    trie
	// Most tokens are plain text, allowed anywhere in a JSON string. They are one ready mask, and only the odd ones are walked there.
	plain []uint64
	odd   trie
}

// trie is all prefixes of some tokens in depth-first order.
type trie struct {
	bytes []byte
	depth []uint8
	skip  []int32 // the next entry that is not below this one
	token []int32 // of the token that ends here, -1 for none
	more  map[int32][]int32
}

// maxTokenBytes bounds a token's length; longer ones are never allowed.
const maxTokenBytes = 250

// NewVocabulary takes the bytes of each token by id, with Special before those of special tokens, and keeps them. A token with none is
// never allowed.
func NewVocabulary(tokens [][]byte) *Vocabulary {
	v := &Vocabulary{tokens: tokens, words: (len(tokens) + 63) / 64}
	v.plain = make([]uint64, v.words)
	var all, odd []int32
	for id, t := range tokens {
		if len(t) == 0 || len(t) > maxTokenBytes {
			continue
		}
		all = append(all, int32(id))
		if plainText(t) {
			v.plain[id/64] |= 1 << (id % 64)
		} else {
			odd = append(odd, int32(id))
		}
	}
	v.all, v.odd = newTrie(tokens, all), newTrie(tokens, odd)
	return v
}

// Size is the number of tokens.
func (v *Vocabulary) Size() int { return len(v.tokens) }

// plainText says whether a token is whole characters that stand for themselves in a JSON string.
func plainText(t []byte) bool {
	return utf8.Valid(t) && !bytes.ContainsFunc(t, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' })
}

func newTrie(tokens [][]byte, ids []int32) trie {
	slices.SortFunc(ids, func(a, b int32) int { return bytes.Compare(tokens[a], tokens[b]) })
	t := trie{more: map[int32][]int32{}}
	var path []int32 // entries of the current prefix
	var last []byte
	for _, id := range ids {
		b := tokens[id]
		same := 0
		for same < len(b) && same < len(last) && b[same] == last[same] {
			same++
		}
		for _, e := range path[same:] {
			t.skip[e] = int32(len(t.bytes))
		}
		path = path[:same]
		if same == len(b) { // the same bytes as the token before
			e := path[len(path)-1]
			t.more[e] = append(t.more[e], id)
			continue
		}
		for i := same; i < len(b); i++ {
			path = append(path, int32(len(t.bytes)))
			t.bytes = append(t.bytes, b[i])
			t.depth = append(t.depth, uint8(i))
			t.skip = append(t.skip, 0)
			t.token = append(t.token, -1)
		}
		t.token[path[len(path)-1]] = id
		last = b
	}
	for _, e := range path {
		t.skip[e] = int32(len(t.bytes))
	}
	return t
}

// Mask gives the tokens allowed in s, one bit each. The slice must not be changed and does not change. The end of the answer is not
// among them: ask Accepts.
func (a *Automaton) Mask(s State) []uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	st := a.states[s]
	if st.mask != nil {
		return st.mask
	}
	if a.masks >= maxMasks {
		for _, other := range a.states {
			other.mask = nil
		}
		a.masks = 0
	}
	mask := make([]uint64, a.vocab.words)
	if a.loopsOnText(s) {
		copy(mask, a.vocab.plain)
		a.walk(s, &a.vocab.odd, mask)
	} else {
		a.walk(s, &a.vocab.all, mask)
	}
	st.mask = mask
	a.masks++
	return mask
}

func (a *Automaton) walk(s State, t *trie, mask []uint64) {
	var path [maxTokenBytes + 1]State
	path[0] = s
	for i := int32(0); int(i) < len(t.bytes); {
		from := path[t.depth[i]]
		next := a.states[from].next[t.bytes[i]]
		if next == unknown {
			next = a.step(from, t.bytes[i])
		}
		if next == dead {
			i = t.skip[i]
			continue
		}
		path[t.depth[i]+1] = next
		if id := t.token[i]; id >= 0 {
			mask[id/64] |= 1 << (id % 64)
			for _, twin := range t.more[i] {
				mask[twin/64] |= 1 << (twin % 64)
			}
		}
		i++
	}
}

// loopsOnText says whether every plain character leads from s to s: the inside of a JSON string.
func (a *Automaton) loopsOnText(s State) bool {
	st := a.states[s]
	if st.text == 0 {
		st.text = -1
		if a.textLoop(s) {
			st.text = 1
		}
	}
	return st.text > 0
}

func (a *Automaton) textLoop(s State) bool {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		if c != '"' && c != '\\' && a.step(s, c) != s {
			return false
		}
	}
	// Each kind of longer character by its lowest and highest one: edges are ranges, so what lies between goes the same way.
	for _, seq := range utf8Ranges(utf8.RuneSelf, utf8.MaxRune) {
		for lead := int(seq[0].low); lead <= int(seq[0].high); lead++ {
			low, high := a.step(s, byte(lead)), a.step(s, byte(lead))
			for _, r := range seq[1:] {
				if low == dead || high == dead {
					return false
				}
				low, high = a.step(low, r.low), a.step(high, r.high)
			}
			if low != s || high != s {
				return false
			}
		}
	}
	return true
}
