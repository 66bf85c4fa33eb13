package tokenizer

import (
	"context"
	"sync/atomic"
	"unicode/utf8"
)

// A long word is merged part by part. The tokens of two parts are those of the whole if the last of the one and the
// first of the other are what pair encoding makes of these two alone: merging goes by rank and from left to right, so a
// merge over the seam would come about between the two as well. Where they are not, tokens on both sides are merged
// again, as many as it takes.

const (
	partBytes = 32
	// maxPart bounds a part that ends with a run of one character, of which vocabularies have long tokens.
	maxPart = 256
	// maxSeam is how much text is merged again at a seam before the whole word is merged at once. Ranks that fall from
	// letter to letter can carry a change far to the left.
	maxSeam = 1 << 12
)

// appendParts appends the tokens of a word that is longer than maxShort.
func (t *Tokenizer) appendParts(ctx context.Context, out []int32, word string) ([]int32, error) {
	begin := len(out)
	var part []int32
	merged := "" // what part holds the tokens of
	for i := 0; i < len(word); {
		if i%checkEvery < maxPart && ctx.Err() != nil {
			return out, context.Cause(ctx)
		}
		end := partEnd(word, i)
		if text := word[i:end]; text != merged {
			part, merged = t.appendMerged(part[:0], text), text
		}
		if len(out) == begin || t.stableSideBySide(out[len(out)-1], part[0]) {
			out, i = append(out, part...), end
			continue
		}
		joined, ok := t.appendSeam(out, begin, part, word[:end])
		if !ok {
			return t.appendLong(ctx, out[:begin], word)
		}
		out, i = joined, end
	}
	return out, nil
}

// partEnd ends a part between two characters that differ, where tokens usually end too.
func partEnd(word string, i int) int {
	last, end := rune(-1), i
	for j := i; j < len(word); {
		r, size := utf8.DecodeRuneInString(word[j:])
		if j-i >= partBytes && r != last || j+size-i > maxPart {
			return j
		}
		last, j = r, j+size
		end = j
	}
	return end
}

// appendSeam appends part to out[begin:], the tokens before it, though they are not stable side by side. text ends with
// part.
func (t *Tokenizer) appendSeam(out []int32, begin int, part []int32, text string) (joined []int32, ok bool) {
	left, right := 1, 1 // tokens to be merged again
	width := func(tokens []int32) (n int) {
		for _, id := range tokens {
			n += len(t.bytes[id])
		}
		return n
	}
	partAt := len(text) - width(part)
	var again []int32
	for {
		from := partAt - width(out[len(out)-left:])
		to := partAt + width(part[:right])
		if to-from > maxSeam {
			return nil, false
		}
		again = t.appendMerged(again[:0], text[from:to])
		leftStable := len(out)-left == begin || t.stableSideBySide(out[len(out)-left-1], again[0])
		rightStable := right == len(part) || t.stableSideBySide(again[len(again)-1], part[right])
		if leftStable && rightStable {
			return append(append(out[:len(out)-left], again...), part[right:]...), true
		}
		if !leftStable {
			left = min(2*left, len(out)-begin)
		}
		if !rightStable {
			right = min(2*right, len(part))
		}
	}
}

// appendMerged merges a text of any length at once.
func (t *Tokenizer) appendMerged(out []int32, text string) []int32 {
	switch {
	case len(text) <= maxShort:
		return t.appendShort(out, text)
	case len(text) <= maxPart:
		var ids, ranks [maxPart]int32
		return append(out, ids[:t.mergeLowest(ids[:], ranks[:], text)]...)
	}
	out, _ = t.appendLong(context.Background(), out, text) // too short to be left half done
	return out
}

// stableSideBySide reports whether two tokens that pair encoding made stay as they are when their texts are encoded as
// one.
func (t *Tokenizer) stableSideBySide(left, right int32) bool {
	slot, key := t.stable.slot(pairOf(left, right))
	if known := slot.Load(); known>>1 == key {
		return known&1 == 1
	}
	text := t.bytes[left] + t.bytes[right]
	var buffer [8]int32
	tokens := t.appendMerged(buffer[:0], text)
	stable := len(tokens) == 2 && tokens[0] == left && tokens[1] == right
	value := key << 1
	if stable {
		value |= 1
	}
	slot.Store(value)
	return stable
}

// stableCache remembers which pairs of tokens are stable side by side. A slot holds a pair above the lowest bit, which
// is the answer.
type stableCache [1 << 14]atomic.Uint64

// slot returns a pair's slot and how the pair is written there: ids take 31 bits.
func (c *stableCache) slot(p pair) (slot *atomic.Uint64, key uint64) {
	key = uint64(p>>32)<<31 | uint64(p&(1<<31-1)) + 1 // never 0, which an empty slot holds
	return &c[hashPair(p)>>(64-14)], key
}
