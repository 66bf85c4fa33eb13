package ollama

import (
	"encoding/json"
	"time"

	"github.com/qwenvld/qwenvld/api/generation"
)

// Reply is a reply in one piece, or a line of a stream.
type Reply struct {
	Model      string    `json:"model"`
	CreatedAt  time.Time `json:"created_at"`
	Message    Message   `json:"message"`
	DoneReason string    `json:"done_reason,omitempty"`
	Done       bool      `json:"done"`
	// Metrics and Routing are of the last line only.
	*Metrics
	Routing *generation.Routing `json:"routing,omitempty"`
}

// Message is the assistant's, or a part of it.
type Message struct {
	Role      string     `json:"role"`
	Content   string     `json:"content"`
	Thinking  string     `json:"thinking,omitempty"`
	ToolCalls []ToolCall `json:"tool_calls,omitempty"`
}

// ToolCall is a call of a function. In a stream it comes whole.
type ToolCall struct {
	ID       string   `json:"id"`
	Function Function `json:"function"`
}

// Function is what is called. Its arguments are an object.
type Function struct {
	Index     int             `json:"index"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

// Metrics say what an answer took. Durations are sent in nanoseconds, counts are of tokens. Loading takes no time:
// weights are loaded before anything is asked. What the prompt took is the time from the request to the first token.
type Metrics struct {
	TotalDuration      time.Duration `json:"total_duration"`
	LoadDuration       time.Duration `json:"load_duration"`
	PromptEvalCount    int           `json:"prompt_eval_count"`
	PromptEvalDuration time.Duration `json:"prompt_eval_duration"`
	EvalCount          int           `json:"eval_count"`
	EvalDuration       time.Duration `json:"eval_duration"`
}

// Tags is the list of models.
type Tags struct {
	Models []Tag `json:"models"`
}

// Tag is a model in the list.
type Tag struct {
	Name       string    `json:"name"`
	Model      string    `json:"model"`
	ModifiedAt time.Time `json:"modified_at"`
	Size       int64     `json:"size"`
	Digest     string    `json:"digest"` // that of the name: clients want some to cut and to compare
	Details    Details   `json:"details"`
}

// Details say what kind of weights a model has.
type Details struct {
	Format   string   `json:"format"`
	Family   string   `json:"family"`
	Families []string `json:"families"`
}

// Show describes a model.
type Show struct {
	Details      Details        `json:"details"`
	ModelInfo    map[string]any `json:"model_info"`
	Capabilities []string       `json:"capabilities"`
	ModifiedAt   time.Time      `json:"modified_at"`
}
