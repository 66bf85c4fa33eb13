package responses

import (
	"encoding/json"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/openai/wire"
	"github.com/qwenvld/qwenvld/engine"
)

const objectResponse = "response"

// Status is the state of a response or of one of its items.
type Status string

// The states. Items are in progress, completed or incomplete.
const (
	StatusQueued     Status = "queued"
	StatusInProgress Status = "in_progress"
	StatusCompleted  Status = "completed"
	StatusIncomplete Status = "incomplete"
	StatusFailed     Status = "failed"
	StatusCancelled  Status = "cancelled"
)

// Response is a response as clients see it.
type Response struct {
	ID                string              `json:"id"`
	Object            string              `json:"object"`
	CreatedAt         int64               `json:"created_at"` // Unix seconds
	CompletedAt       *int64              `json:"completed_at"`
	Status            Status              `json:"status"`
	Background        bool                `json:"background"`
	Error             *Error              `json:"error"`
	IncompleteDetails *IncompleteDetails  `json:"incomplete_details"`
	Instructions      *string             `json:"instructions"`
	MaxOutputTokens   *int                `json:"max_output_tokens"`
	MaxToolCalls      *int                `json:"max_tool_calls"`
	Model             string              `json:"model"`
	Output            []Item              `json:"output"`
	ParallelToolCalls bool                `json:"parallel_tool_calls"`
	PreviousID        *string             `json:"previous_response_id"`
	Reasoning         Reasoning           `json:"reasoning"`
	Store             bool                `json:"store"`
	Temperature       float64             `json:"temperature"`
	TopP              float64             `json:"top_p"`
	PresencePenalty   float64             `json:"presence_penalty"`
	FrequencyPenalty  float64             `json:"frequency_penalty"`
	TopLogprobs       int                 `json:"top_logprobs"`
	Text              TextFormat          `json:"text"`
	ToolChoice        json.RawMessage     `json:"tool_choice"`
	Tools             []json.RawMessage   `json:"tools"`
	Truncation        string              `json:"truncation"`
	ServiceTier       string              `json:"service_tier"`
	Usage             *Usage              `json:"usage"`
	Metadata          json.RawMessage     `json:"metadata"`
	User              *string             `json:"user"`
	PromptCacheKey    *string             `json:"prompt_cache_key"`
	SafetyIdentifier  *string             `json:"safety_identifier"`
	Routing           *generation.Routing `json:"routing"`
	// StoreError says why Store is false although the response was to be stored.
	StoreError *Error `json:"store_error,omitempty"`
}

// Error says why a response failed, or why it was not stored.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	// RequestID is that of the request for the response, where one failed.
	RequestID string `json:"request_id,omitempty"`
}

// IncompleteDetails say why a response is incomplete.
type IncompleteDetails struct {
	Reason string `json:"reason"`
}

// Reasoning repeats what the client asked of the thoughts.
type Reasoning struct {
	Effort  *string `json:"effort"`
	Summary *string `json:"summary"`
}

// TextFormat repeats what the answer was to look like.
type TextFormat struct {
	Format json.RawMessage `json:"format"`
}

// The types of output items.
const (
	itemMessage   = "message"
	itemReasoning = "reasoning"
	itemCall      = "function_call"
)

// Item is an item of a response's output: a message, a function_call or reasoning. Its type says which members it has.
type Item struct {
	Type   string `json:"type"`
	ID     string `json:"id"`
	Status Status `json:"status"`
	Role   string `json:"role,omitempty"`
	// Summary is that of reasoning: its text where a summary was asked for.
	Summary   *[]Part `json:"summary,omitempty"`
	Content   *[]Part `json:"content,omitempty"`
	CallID    string  `json:"call_id,omitempty"`
	Name      string  `json:"name,omitempty"`
	Arguments *string `json:"arguments,omitempty"`
}

// Part is a part of an item: output_text, reasoning_text or summary_text.
type Part struct {
	Type string `json:"type"`
	Text string `json:"text"`
	// Annotations are those of output_text, of which there are never any.
	Annotations *[]json.RawMessage   `json:"annotations,omitempty"`
	Logprobs    *[]wire.TokenLogprob `json:"logprobs,omitempty"`
}

// Usage is what a response took, in tokens.
type Usage struct {
	InputTokens   int                    `json:"input_tokens"`
	InputDetails  wire.PromptDetails     `json:"input_tokens_details"`
	OutputTokens  int                    `json:"output_tokens"`
	OutputDetails wire.CompletionDetails `json:"output_tokens_details"`
	TotalTokens   int                    `json:"total_tokens"`
}

func newUsage(u *engine.Usage) *Usage {
	common := wire.NewUsage(u)
	return &Usage{
		InputTokens: common.PromptTokens, InputDetails: common.Prompt,
		OutputTokens: common.CompletionTokens, OutputDetails: common.Completion, TotalTokens: common.TotalTokens,
	}
}

// Event is an event of a response's stream. Its type says which members it has.
type Event struct {
	Type         string               `json:"type"`
	Sequence     int                  `json:"sequence_number"`
	Response     *Response            `json:"response,omitempty"`
	OutputIndex  *int                 `json:"output_index,omitempty"`
	ItemID       string               `json:"item_id,omitempty"`
	ContentIndex *int                 `json:"content_index,omitempty"`
	SummaryIndex *int                 `json:"summary_index,omitempty"`
	Item         *Item                `json:"item,omitempty"`
	Part         *Part                `json:"part,omitempty"`
	Delta        *string              `json:"delta,omitempty"`
	Text         *string              `json:"text,omitempty"`
	Name         string               `json:"name,omitempty"`
	Arguments    *string              `json:"arguments,omitempty"`
	Logprobs     *[]wire.TokenLogprob `json:"logprobs,omitempty"`
}

// InputItems is a page of the items that a response was asked with.
type InputItems struct {
	Object  string            `json:"object"`
	Data    []json.RawMessage `json:"data"`
	First   *string           `json:"first_id"`
	Last    *string           `json:"last_id"`
	HasMore bool              `json:"has_more"`
}

// Deleted confirms a deletion.
type Deleted struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Deleted bool   `json:"deleted"`
}

// newResponse is a response that has not begun. What the answering weights say of it is filled in by the caller.
func newResponse(req *createRequest, id string) *Response {
	e := &req.echo
	r := &Response{
		ID: id, Object: objectResponse, Status: StatusInProgress, Output: []Item{},
		Background: req.Background, Store: req.Store != nil && *req.Store,
		Instructions: e.Instructions, MaxOutputTokens: e.MaxOutputTokens, TopLogprobs: req.TopLogprobs,
		Reasoning: Reasoning{e.Effort, e.Summary}, Text: TextFormat{json.RawMessage(`{"type":"text"}`)},
		ParallelToolCalls: e.Parallel, ToolChoice: json.RawMessage(`"auto"`), Tools: []json.RawMessage{},
		Truncation: "disabled", ServiceTier: "default", Metadata: json.RawMessage("{}"),
		User: e.User, PromptCacheKey: e.CacheKey, SafetyIdentifier: e.SafetyID,
	}
	if req.Previous != "" {
		r.PreviousID = &req.Previous
	}
	if e.Format != nil {
		r.Text.Format = e.Format
	}
	if e.ToolChoice != nil {
		r.ToolChoice = e.ToolChoice
	}
	if e.Tools != nil {
		r.Tools = e.Tools
	}
	if e.Metadata != nil {
		r.Metadata = e.Metadata
	}
	return r
}

// echoSampling shows how the tokens are drawn.
func (r *Response) echoSampling(s *engine.Sampling) {
	r.Temperature, r.TopP = s.Temperature, s.TopP
	r.PresencePenalty, r.FrequencyPenalty = s.PresencePenalty, s.FrequencyPenalty
}
