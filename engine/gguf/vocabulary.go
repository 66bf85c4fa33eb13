package gguf

import (
	"strings"

	"github.com/qwenvld/qwenvld/engine/tokenizer"
)

const (
	prefixTokenizer = "tokenizer.ggml." //nolint:gosec // no secret
	keyTokens       = prefixTokenizer + "tokens"
	keyTokenTypes   = prefixTokenizer + "token_type"
	keyMerges       = prefixTokenizer + "merges"
)

// Vocabulary is what the file says of its tokens. ReadModel has checked that there is one.
func (f *File) Vocabulary() tokenizer.Vocabulary {
	var v tokenizer.Vocabulary
	v.Tokens, _ = f.Texts(keyTokens)
	v.Merges, _ = f.Texts(keyMerges)
	kinds, _ := f.Int32s(keyTokenTypes)
	v.Kinds = make([]tokenizer.Kind, len(kinds))
	for i, k := range kinds {
		v.Kinds[i] = tokenizer.Kind(k)
	}
	return v
}

// vocabulary checks sizes, types and ids; what follows from the tokens' texts is the tokenizer's to check.
func (c *checker) vocabulary() {
	f := c.file
	c.tokenizerKind()
	tokens, ok := f.Texts(keyTokens)
	if !ok || len(tokens) == 0 {
		c.fail("has no tokens (key %q, an array of strings)", keyTokens)
		return
	}
	kinds, ok := f.Int32s(keyTokenTypes)
	if !ok || len(kinds) != len(tokens) {
		c.fail("key %q has %d types for %d tokens", keyTokenTypes, len(kinds), len(tokens))
		return
	}
	if _, ok := f.Texts(keyMerges); !ok {
		c.fail("has no merges (key %q, an array of strings)", keyMerges)
	}
	if v := f.keys[prefixTokenizer+"scores"]; v != nil && (v.Type != Array || v.Elem != Float32 || v.N != len(tokens)) {
		c.fail("key %q is %s, expected %d float32s", prefixTokenizer+"scores", v.describe(), len(tokens))
	}
	c.tokenIDs(len(tokens))
	// Without it llama.cpp would end answers at token 11.
	end := c.number(prefixTokenizer+"eos_token_id", 0, int64(len(tokens)-1))
	if tokenizer.Kind(kinds[end]) != tokenizer.Control {
		c.fail("key %q is %d, which is no control token", prefixTokenizer+"eos_token_id", end)
	}
	if c.err == nil {
		f.tokenizer, c.err = tokenizer.New(f.Vocabulary())
	}
}

// tokenIDs checks the keys that name a token of the vocabulary, and those that say whether one is added.
func (c *checker) tokenIDs(tokens int) {
	for _, key := range c.file.order {
		v := c.file.keys[key]
		name, mine := strings.CutPrefix(key, prefixTokenizer)
		switch {
		case mine && strings.HasSuffix(name, "_token_id"):
			c.numberOr(key, 0, 0, int64(tokens-1))
		case mine && strings.HasPrefix(name, "add_") && v.Type != Bool:
			c.fail("key %q is %s, expected a bool", key, v.describe())
		}
	}
}

// tokenizerKind refuses vocabularies that split text otherwise than Qwen's.
func (c *checker) tokenizerKind() {
	for _, want := range []struct{ key, value string }{{"model", "gpt2"}, {"pre", "qwen2"}} {
		key := prefixTokenizer + want.key
		switch got, ok := c.file.Text(key); {
		case !ok:
			c.fail("has no key %q; this engine serves the tokenizer %q", key, want.value)
		case got != want.value:
			c.fail("key %q is %q; this engine serves the tokenizer %q", key, got, want.value)
		}
	}
}
