package chat

import (
	"encoding/json"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/openai/wire"
)

const (
	objectCompletion = "chat.completion"
	objectChunk      = "chat.completion.chunk"
)

// Completion is the reply in one piece.
type Completion struct {
	ID      string              `json:"id"`
	Object  string              `json:"object"`
	Created int64               `json:"created"` // Unix seconds
	Model   string              `json:"model"`
	Choices []Choice            `json:"choices"`
	Usage   *wire.Usage         `json:"usage"`
	Routing *generation.Routing `json:"routing"`
}

// Choice is one answer.
type Choice struct {
	Index        int       `json:"index"`
	Message      Message   `json:"message"`
	Logprobs     *Logprobs `json:"logprobs"`
	FinishReason string    `json:"finish_reason"`
	// Grounding is what the answer points at, where response_format asks for that.
	Grounding []GroundedPlace `json:"grounding,omitempty"`
}

// Message is the assistant's. Content is null when there are only tool calls.
type Message struct {
	Role             string     `json:"role"`
	Content          *string    `json:"content"`
	ReasoningContent *string    `json:"reasoning_content,omitempty"`
	Reasoning        *string    `json:"reasoning,omitempty"`
	Refusal          *string    `json:"refusal"` // always null: the model refuses in words
	ToolCalls        []ToolCall `json:"tool_calls,omitempty"`
}

// ToolCall is a call of a function, or in a stream a part of one.
type ToolCall struct {
	// Index is set in streams only.
	Index    *int     `json:"index,omitempty"`
	ID       string   `json:"id,omitempty"`
	Type     string   `json:"type,omitempty"`
	Function Function `json:"function"`
}

// Function is what is called.
type Function struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

// Chunk is one event of a stream.
type Chunk struct {
	ID      string        `json:"id"`
	Object  string        `json:"object"`
	Created int64         `json:"created"`
	Model   string        `json:"model"`
	Choices []ChunkChoice `json:"choices"`
	// Usage is absent, or with include_usage null but in the last chunk.
	Usage   json.RawMessage     `json:"usage,omitempty"`
	Routing *generation.Routing `json:"routing,omitempty"`
}

// ChunkChoice is a part of one answer.
type ChunkChoice struct {
	Index        int       `json:"index"`
	Delta        Delta     `json:"delta"`
	Logprobs     *Logprobs `json:"logprobs"`
	FinishReason *string   `json:"finish_reason"`
	// Grounding comes with the last chunk of the answer.
	Grounding []GroundedPlace `json:"grounding,omitempty"`
}

// Delta is what a chunk adds to a message.
type Delta struct {
	Role             string     `json:"role,omitempty"`
	Content          *string    `json:"content,omitempty"`
	ReasoningContent *string    `json:"reasoning_content,omitempty"`
	Reasoning        *string    `json:"reasoning,omitempty"`
	ToolCalls        []ToolCall `json:"tool_calls,omitempty"`
}

// Logprobs are those of the content.
type Logprobs struct {
	Content []wire.TokenLogprob `json:"content"`
	Refusal []wire.TokenLogprob `json:"refusal"`
}

// ReasoningField says under which name reasoning is sent.
type ReasoningField string

// Names of the reasoning member.
const (
	ReasoningContent ReasoningField = "reasoning_content" // the default
	ReasoningShort   ReasoningField = "reasoning"
	ReasoningBoth    ReasoningField = "both"
)

// members gives text under the configured names.
func (f ReasoningField) members(text string) (content, short *string) {
	switch f {
	case ReasoningShort:
		return nil, &text
	case ReasoningBoth:
		return &text, &text
	default:
		return &text, nil
	}
}
