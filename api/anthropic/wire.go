package anthropic

import (
	"encoding/json"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/engine"
)

// Message is the reply in one piece, and what a stream begins with.
type Message struct {
	ID           string              `json:"id"`
	Type         string              `json:"type"`
	Role         string              `json:"role"`
	Model        string              `json:"model"`
	Content      []Block             `json:"content"`
	StopReason   *string             `json:"stop_reason"`
	StopSequence *string             `json:"stop_sequence"`
	Usage        Usage               `json:"usage"`
	Routing      *generation.Routing `json:"routing,omitempty"`
}

// Block is a block of content; its type says which members it has.
type Block struct {
	Type     string  `json:"type"`
	Text     *string `json:"text,omitempty"`
	Thinking *string `json:"thinking,omitempty"`
	// Signature is always empty: no other server reads these thoughts.
	Signature *string         `json:"signature,omitempty"`
	ID        string          `json:"id,omitempty"`
	Name      string          `json:"name,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"`
}

// Usage counts tokens. What came from the cache is counted apart from the rest of the input.
type Usage struct {
	InputTokens     int `json:"input_tokens"`
	OutputTokens    int `json:"output_tokens"`
	CacheRead       int `json:"cache_read_input_tokens"`
	CacheCreation   int `json:"cache_creation_input_tokens"`
	ReasoningTokens int `json:"reasoning_tokens"`
}

func newUsage(u *engine.Usage) Usage {
	return Usage{
		InputTokens: u.PromptTokens - u.CachedTokens, OutputTokens: u.CompletionTokens, CacheRead: u.CachedTokens,
		ReasoningTokens: u.ReasoningTokens,
	}
}

// InputTokens is the count of a prompt.
type InputTokens struct {
	InputTokens int `json:"input_tokens"`
}

// Event is one event of a stream. Its type is also the event's name.
type Event struct {
	Type         string              `json:"type"`
	Message      *Message            `json:"message,omitempty"`
	Index        *int                `json:"index,omitempty"`
	ContentBlock *Block              `json:"content_block,omitempty"`
	Delta        any                 `json:"delta,omitempty"` // a BlockDelta or a MessageDelta
	Usage        *Usage              `json:"usage,omitempty"`
	Routing      *generation.Routing `json:"routing,omitempty"`
}

// BlockDelta adds to a block; one of the texts is set.
type BlockDelta struct {
	PartialJSON string `json:"partial_json,omitempty"`
	Text        string `json:"text,omitempty"`
	Thinking    string `json:"thinking,omitempty"`
	Type        string `json:"type"`
}

// MessageDelta says why a message ended.
type MessageDelta struct {
	StopReason   string  `json:"stop_reason"`
	StopSequence *string `json:"stop_sequence"`
}
