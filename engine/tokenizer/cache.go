package tokenizer

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync/atomic"
)

// cacheSlots bounds the words that are remembered; with their tokens they take 10 MB at most.
const cacheSlots = 1 << 15

// wordCache remembers the tokens of words: a word has one slot, which the latest word takes.
type wordCache struct {
	seed  maphash.Seed
	slots [cacheSlots]atomic.Pointer[cachedWord]
}

// cachedWord is a word with its tokens.
type cachedWord struct {
	word   string
	tokens []int32
}

func (c *wordCache) slot(word string) *atomic.Pointer[cachedWord] {
	return &c.slots[maphash.String(c.seed, word)%cacheSlots]
}

// put keeps copies, so that neither a whole text nor its tokens are held.
func (c *wordCache) put(slot *atomic.Pointer[cachedWord], word string, tokens []int32) {
	slot.Store(&cachedWord{strings.Clone(word), slices.Clone(tokens)})
}
