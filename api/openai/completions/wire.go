package completions

import (
	"unicode/utf8"

	"github.com/qwenvld/qwenvld/api/openai/wire"
	"github.com/qwenvld/qwenvld/engine"
)

const objectText = "text_completion"

// Completion is the reply in one piece, and a chunk of a stream.
type Completion struct {
	ID      string      `json:"id"`
	Object  string      `json:"object"`
	Created int64       `json:"created"` // Unix seconds
	Model   string      `json:"model"`
	Choices []Choice    `json:"choices"`
	Usage   *wire.Usage `json:"usage,omitempty"`
	// Routing tells what the answers were cut to, where that is less than was asked for.
	Routing *Routing `json:"routing,omitempty"`
}

// Routing tells why completions are shorter than was asked for.
type Routing struct {
	MaxTokens int `json:"max_tokens,omitempty"`
}

// Choice is one continuation, or a part of it.
type Choice struct {
	Index        int       `json:"index"`
	Text         string    `json:"text"`
	Logprobs     *Logprobs `json:"logprobs"`
	FinishReason *string   `json:"finish_reason"`
}

// Logprobs are lists with an entry for each token.
type Logprobs struct {
	Tokens        []string             `json:"tokens"`
	TokenLogprobs []float64            `json:"token_logprobs"`
	TopLogprobs   []map[string]float64 `json:"top_logprobs"`
	TextOffset    []int                `json:"text_offset"`
}

// newLogprobs puts tokens into lists. text counts those of the answer that came before, and then these too.
func newLogprobs(tokens []engine.Token, text *characters) *Logprobs {
	l := &Logprobs{Tokens: []string{}, TokenLogprobs: []float64{}, TopLogprobs: []map[string]float64{}, TextOffset: []int{}}
	for i := range tokens {
		t := &tokens[i]
		l.Tokens = append(l.Tokens, wire.TokenText(t.Bytes))
		l.TokenLogprobs = append(l.TokenLogprobs, t.Logprob)
		top := make(map[string]float64, len(t.Top))
		for _, other := range t.Top {
			top[wire.TokenText(other.Bytes)] = other.Logprob
		}
		l.TopLogprobs = append(l.TopLogprobs, top)
		l.TextOffset = append(l.TextOffset, text.whole)
		text.add(t.Bytes)
	}
	return l
}

// characters counts those of a text that comes in pieces of bytes, as OpenAI's text_offset does: a token within a
// character has the offset of that. Bytes that are no UTF-8 are a character each.
type characters struct {
	whole int
	begun []byte // of a character whose other bytes have not come
}

func (c *characters) add(b []byte) {
	c.begun = append(c.begun, b...)
	for utf8.FullRune(c.begun) {
		_, n := utf8.DecodeRune(c.begun)
		c.begun = c.begun[n:]
		c.whole++
	}
}
