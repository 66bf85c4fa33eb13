package tokenizer

import (
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Kind is what a token is for, in GGUF's numbers.
type Kind int32

// Kinds of tokens.
const (
	Normal      Kind = 1 // made of text by pair encoding
	Unknown     Kind = 2
	Control     Kind = 3 // such as <|im_start|>: never shown
	UserDefined Kind = 4 // such as </think>: written by the model as part of its answer
	Unused      Kind = 5 // fills the table, stands for nothing
)

// Vocabulary is what a model file says of its tokens. Tokens and merges are written in the alphabet of byte-level
// encoding, in which each byte is a printable character; the texts of other kinds than Normal are plain.
type Vocabulary struct {
	Tokens []string
	Kinds  []Kind
	// Merges are pairs of tokens with a space between, the first to be merged first.
	Merges []string
}

// pair is two tokens side by side.
type pair uint64

func pairOf(left, right int32) pair { return pair(uint32(left))<<32 | pair(uint32(right)) }

// New builds a tokenizer, or says why the vocabulary is not one.
func New(v Vocabulary) (*Tokenizer, error) {
	if len(v.Kinds) != len(v.Tokens) || len(v.Tokens) == 0 || len(v.Tokens) > math.MaxInt32 {
		return nil, fmt.Errorf("%d tokens with %d kinds", len(v.Tokens), len(v.Kinds))
	}
	characters, err := newCharacters()
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{bytes: make([]string, len(v.Tokens)), kinds: slices.Clone(v.Kinds), characters: characters}
	t.cache.seed = maphash.MakeSeed()
	ids := make(map[string]int32, len(v.Tokens))
	alphabet := NewAlphabet()
	for i, text := range v.Tokens {
		id := int32(i)
		if _, twice := ids[text]; twice || text == "" {
			return nil, fmt.Errorf("token %d, %q, is empty or there twice", i, text)
		}
		ids[text] = id
		if err := t.addToken(id, text, alphabet); err != nil {
			return nil, err
		}
	}
	for b, r := range byteAlphabet() {
		id, ok := ids[string(r)]
		if !ok || t.kinds[id] != Normal {
			return nil, fmt.Errorf("no token stands for the byte 0x%02x", b)
		}
		t.single[b] = id
	}
	return t, t.addMerges(v.Merges, ids)
}

// addToken keeps what a token stands for.
func (t *Tokenizer) addToken(id int32, text string, alphabet Alphabet) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("token %d, %q, is not UTF-8", id, text)
	}
	switch t.kinds[id] {
	case Normal:
		raw, ok := alphabet.Bytes(text)
		if !ok {
			return fmt.Errorf("token %d, %q, has a character that stands for no byte", id, text)
		}
		t.bytes[id] = string(raw)
		t.longest = max(t.longest, len(raw))
	case Control, UserDefined:
		// llama.cpp too takes such tokens for control tokens, whatever the file says.
		if strings.HasPrefix(text, "<|") && strings.HasSuffix(text, "|>") {
			t.kinds[id] = Control
		}
		t.bytes[id] = text
		t.longest = max(t.longest, len(text))
		t.specials.add(text, id)
	case Unknown:
		t.bytes[id] = text
	case Unused:
	default:
		return fmt.Errorf("token %d, %q, is of the unknown kind %d", id, text, t.kinds[id])
	}
	return nil
}

// addMerges reads the pairs in the order of their ranks.
func (t *Tokenizer) addMerges(merges []string, ids map[string]int32) error {
	t.merges = newMergeTable(len(merges))
	for rank, m := range merges {
		left, right, ok := strings.Cut(m, " ")
		l, known := ids[left]
		r, also := ids[right]
		if !ok || !known || !also {
			return fmt.Errorf("merge %d, %q, is not of two tokens", rank, m)
		}
		joined, ok := ids[left+right]
		if !ok || t.kinds[l] != Normal || t.kinds[r] != Normal || t.kinds[joined] != Normal {
			return fmt.Errorf("merge %d, %q, does not make a token of ordinary ones", rank, m)
		}
		if !t.merges.add(pairOf(l, r), merge{rank: int32(rank), id: joined}) {
			return fmt.Errorf("merge %d, %q, is there twice", rank, m)
		}
	}
	for a := range 256 {
		for b := range 256 {
			t.first[a][b] = t.merges.find(pairOf(t.single[a], t.single[b]))
		}
	}
	return nil
}
