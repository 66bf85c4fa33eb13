package api

import (
	"encoding/json"

	"github.com/qwenvld/qwenvld/engine"
)

const objectResponse = "response"

// States of a response and of its items.
const (
	statusQueued     = "queued"
	statusInProgress = "in_progress"
	statusCompleted  = "completed"
	statusIncomplete = "incomplete"
	statusFailed     = "failed"
	statusCancelled  = "cancelled"
)

// responseObject is a response as clients see it.
type responseObject struct {
	ID                string             `json:"id"`
	Object            string             `json:"object"`
	CreatedAt         int64              `json:"created_at"` // Unix seconds
	CompletedAt       *int64             `json:"completed_at"`
	Status            string             `json:"status"`
	Background        bool               `json:"background"`
	Error             *responseError     `json:"error"`
	IncompleteDetails *incompleteDetails `json:"incomplete_details"`
	Instructions      *string            `json:"instructions"`
	MaxOutputTokens   *int               `json:"max_output_tokens"`
	MaxToolCalls      *int               `json:"max_tool_calls"`
	Model             string             `json:"model"`
	Output            []outputItem       `json:"output"`
	ParallelToolCalls bool               `json:"parallel_tool_calls"`
	PreviousID        *string            `json:"previous_response_id"`
	Reasoning         responseReasoning  `json:"reasoning"`
	Store             bool               `json:"store"`
	Temperature       float64            `json:"temperature"`
	TopP              float64            `json:"top_p"`
	PresencePenalty   float64            `json:"presence_penalty"`
	FrequencyPenalty  float64            `json:"frequency_penalty"`
	TopLogprobs       int                `json:"top_logprobs"`
	Text              responseFormat     `json:"text"`
	ToolChoice        json.RawMessage    `json:"tool_choice"`
	Tools             []json.RawMessage  `json:"tools"`
	Truncation        string             `json:"truncation"`
	ServiceTier       string             `json:"service_tier"`
	Usage             *responseUsage     `json:"usage"`
	Metadata          json.RawMessage    `json:"metadata"`
	User              *string            `json:"user"`
	PromptCacheKey    *string            `json:"prompt_cache_key"`
	SafetyIdentifier  *string            `json:"safety_identifier"`
	Routing           *routing           `json:"routing"`
	// StoreError says why Store is false although the response was to be stored.
	StoreError *responseError `json:"store_error,omitempty"`
}

type responseError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type incompleteDetails struct {
	Reason string `json:"reason"`
}

type responseReasoning struct {
	Effort  *string `json:"effort"`
	Summary *string `json:"summary"`
}

type responseFormat struct {
	Format json.RawMessage `json:"format"`
}

// outputItem is a message, a function_call or reasoning; its type says which members it has.
type outputItem struct {
	Type      string        `json:"type"`
	ID        string        `json:"id"`
	Status    string        `json:"status"`
	Role      string        `json:"role,omitempty"`
	Summary   *[]outputPart `json:"summary,omitempty"` // of reasoning: its text where a summary was asked for
	Content   *[]outputPart `json:"content,omitempty"`
	CallID    string        `json:"call_id,omitempty"`
	Name      string        `json:"name,omitempty"`
	Arguments *string       `json:"arguments,omitempty"`
}

// outputPart is output_text, reasoning_text or summary_text.
type outputPart struct {
	Type        string             `json:"type"`
	Text        string             `json:"text"`
	Annotations *[]json.RawMessage `json:"annotations,omitempty"` // of output_text, always empty
	Logprobs    *[]tokenLogprob    `json:"logprobs,omitempty"`
}

type responseUsage struct {
	InputTokens   int           `json:"input_tokens"`
	InputDetails  promptDetails `json:"input_tokens_details"`
	OutputTokens  int           `json:"output_tokens"`
	OutputDetails struct {
		ReasoningTokens int `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
	TotalTokens int `json:"total_tokens"`
}

func newResponseUsage(u *engine.Usage) *responseUsage {
	out := &responseUsage{
		InputTokens: u.PromptTokens, InputDetails: newUsage(*u).Prompt, OutputTokens: u.CompletionTokens,
		TotalTokens: u.PromptTokens + u.CompletionTokens,
	}
	out.OutputDetails.ReasoningTokens = u.ReasoningTokens
	return out
}

// responseEvent is an event of a response's stream; its type says which members it has.
type responseEvent struct {
	Type         string          `json:"type"`
	Sequence     int             `json:"sequence_number"`
	Response     *responseObject `json:"response,omitempty"`
	OutputIndex  *int            `json:"output_index,omitempty"`
	ItemID       string          `json:"item_id,omitempty"`
	ContentIndex *int            `json:"content_index,omitempty"`
	SummaryIndex *int            `json:"summary_index,omitempty"`
	Item         *outputItem     `json:"item,omitempty"`
	Part         *outputPart     `json:"part,omitempty"`
	Delta        *string         `json:"delta,omitempty"`
	Text         *string         `json:"text,omitempty"`
	Name         string          `json:"name,omitempty"`
	Arguments    *string         `json:"arguments,omitempty"`
	Logprobs     *[]tokenLogprob `json:"logprobs,omitempty"`
}

// newResponse is a response to p that has not begun.
func (s *Server) newResponse(p *plan, req *responseRequest, id string) *responseObject {
	e := &req.echo
	sampling := &p.requests[0].Sampling
	r := &responseObject{
		ID: id, Object: objectResponse, CreatedAt: p.created, Status: statusInProgress, Background: req.Background,
		Instructions: e.Instructions, MaxOutputTokens: e.MaxOutputTokens, Model: p.model, Output: []outputItem{},
		ParallelToolCalls: e.Parallel, Reasoning: responseReasoning{e.Effort, e.Summary}, Store: req.Store != nil && *req.Store,
		Temperature: sampling.Temperature, TopP: sampling.TopP, TopLogprobs: e.TopLogprobs,
		PresencePenalty: sampling.PresencePenalty, FrequencyPenalty: sampling.FrequencyPenalty,
		Text: responseFormat{json.RawMessage(`{"type":"text"}`)}, ToolChoice: json.RawMessage(`"auto"`), Tools: []json.RawMessage{},
		Truncation: "disabled", ServiceTier: "default", Metadata: json.RawMessage("{}"), User: e.User, PromptCacheKey: e.CacheKey,
		SafetyIdentifier: e.SafetyID, Routing: s.newRouting(p, nil),
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

// noJSON is an empty list that is written as one.
func noJSON() *[]json.RawMessage { return &[]json.RawMessage{} }
