package constraint

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// Special stands before the text of a special token in a Vocabulary. As a byte that UTF-8 never has, it keeps such
// tokens out of every constraint that does not name them, JSON strings above all.
const Special = "\xff"

// Vocabulary is the bytes of a model's tokens, ordered for judging all of them at once. It does not change.
type Vocabulary struct {
	tokens [][]byte
	words  int
	all    trie
	// Most tokens are plain text, allowed anywhere in a JSON string. They are one ready mask, and only the odd ones are
	// walked there.
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

// NewVocabulary takes the bytes of each token by id, with Special before those of special tokens, and keeps them. A
// token with none is never allowed.
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

// plainText reports whether a token is whole characters that stand for themselves in a JSON string.
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
