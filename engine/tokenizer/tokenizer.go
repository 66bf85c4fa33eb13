package tokenizer

// Tokenizer is a vocabulary ready for use. It is safe for concurrent use.
type Tokenizer struct {
	bytes    []string // what each token stands for
	kinds    []Kind
	longest  int // bytes of the longest token
	specials specialTokens
	cache    wordCache
	stable   stableCache

	characters *characters
	single     [256]int32 // the token of each byte
	first      [256][256]merge
	merges     mergeTable
}

// Size bounds token ids.
func (t *Tokenizer) Size() int { return len(t.kinds) }

// MaxTextBytes is how many bytes of text a token covers at most: those of the longest one, before composition made them
// fewer.
func (t *Tokenizer) MaxTextBytes() int { return t.longest * maxShrink }

// Bytes is what a token stands for; special tokens give their text. Unused and unknown ids give none.
func (t *Tokenizer) Bytes(token int32) string {
	if token < 0 || int(token) >= len(t.bytes) {
		return ""
	}
	return t.bytes[token]
}
