package api

import (
	"encoding/json"
	"math"

	"github.com/qwenvld/qwenvld/engine"
)

const (
	objectCompletion = "chat.completion"
	objectChunk      = "chat.completion.chunk"
	// finishToolCalls replaces engine.FinishStop when the answer holds tool calls.
	finishToolCalls = "tool_calls"
)

// completion is the JSON reply.
type completion struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Created int64    `json:"created"` // Unix seconds
	Model   string   `json:"model"`
	Choices []choice `json:"choices"`
	Usage   *usage   `json:"usage"`
	Routing *routing `json:"routing"`
}

type choice struct {
	Index        int           `json:"index"`
	Message      replyMessage  `json:"message"`
	Logprobs     *wireLogprobs `json:"logprobs"`
	FinishReason string        `json:"finish_reason"`
}

// replyMessage is the assistant's turn. Content is null when there are only tool calls.
type replyMessage struct {
	Role             string         `json:"role"`
	Content          *string        `json:"content"`
	ReasoningContent *string        `json:"reasoning_content,omitempty"`
	Reasoning        *string        `json:"reasoning,omitempty"`
	Refusal          *string        `json:"refusal"` // always null: the model refuses in words
	ToolCalls        []wireToolCall `json:"tool_calls,omitempty"`
}

type wireToolCall struct {
	// Index is set in streams only.
	Index    *int         `json:"index,omitempty"`
	ID       string       `json:"id,omitempty"`
	Type     string       `json:"type,omitempty"`
	Function wireFunction `json:"function"`
}

type wireFunction struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

// chunk is one event of a stream.
type chunk struct {
	ID      string        `json:"id"`
	Object  string        `json:"object"`
	Created int64         `json:"created"`
	Model   string        `json:"model"`
	Choices []chunkChoice `json:"choices"`
	// Usage is absent, or with include_usage null but in the last chunk.
	Usage   json.RawMessage `json:"usage,omitempty"`
	Routing *routing        `json:"routing,omitempty"`
}

type chunkChoice struct {
	Index        int           `json:"index"`
	Delta        wireDelta     `json:"delta"`
	Logprobs     *wireLogprobs `json:"logprobs"`
	FinishReason *string       `json:"finish_reason"`
}

type wireDelta struct {
	Role             string         `json:"role,omitempty"`
	Content          *string        `json:"content,omitempty"`
	ReasoningContent *string        `json:"reasoning_content,omitempty"`
	Reasoning        *string        `json:"reasoning,omitempty"`
	ToolCalls        []wireToolCall `json:"tool_calls,omitempty"`
}

type wireLogprobs struct {
	Content []tokenLogprob `json:"content"`
	Refusal []tokenLogprob `json:"refusal"`
}

type tokenLogprob struct {
	Token       string       `json:"token"`
	Logprob     float64      `json:"logprob"`
	Bytes       []int        `json:"bytes"`
	TopLogprobs []topLogprob `json:"top_logprobs"`
}

type topLogprob struct {
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

type usage struct {
	PromptTokens     int               `json:"prompt_tokens"`
	CompletionTokens int               `json:"completion_tokens"`
	TotalTokens      int               `json:"total_tokens"`
	Prompt           promptDetails     `json:"prompt_tokens_details"`
	Completion       completionDetails `json:"completion_tokens_details"`
}

type promptDetails struct {
	CachedTokens int `json:"cached_tokens"`
	ImageTokens  int `json:"image_tokens"`
	VideoTokens  int `json:"video_tokens"`
}

type completionDetails struct {
	ReasoningTokens int `json:"reasoning_tokens"`
}

func newUsage(u engine.Usage) *usage {
	return &usage{
		PromptTokens:     u.PromptTokens,
		CompletionTokens: u.CompletionTokens,
		TotalTokens:      u.PromptTokens + u.CompletionTokens,
		Prompt:           promptDetails{u.CachedTokens, u.ImageTokens, u.VideoTokens},
		Completion:       completionDetails{u.ReasoningTokens},
	}
}

// routing tells the client who answers and why.
type routing struct {
	Variant        string   `json:"variant"`
	Source         string   `json:"source"`
	Score          float64  `json:"score"`
	Threshold      float64  `json:"threshold"`
	Reasons        []string `json:"reasons"`
	ThinkingBudget int      `json:"thinking_budget"` // tokens, 0 without thinking
	// MaxTokens is how long the completion may get where more was asked for than the context leaves.
	MaxTokens int `json:"max_tokens,omitempty"`
	// Kind is what the request is about, Version names the router's weights.
	Kind    string `json:"kind"`
	Version string `json:"version"`
	// Uncertain says that the router could as well have chosen the other variant.
	Uncertain bool `json:"uncertain"`
	// ClosedBy says what ended the think block; it is known at the end only.
	ClosedBy string `json:"closed_by,omitempty"`
	// DiscardedTokens counts those of an answer that was given again; usage does not.
	DiscardedTokens int `json:"discarded_tokens,omitempty"`
}

// newRouting describes p's decision, and where it is known how the think block ended. The result is nil until then.
func (s *Server) newRouting(p *plan, result *engine.Result) *routing {
	d := &p.decision
	out := &routing{
		Variant: string(d.Variant), Source: string(d.Source), Score: rounded(d.Score), Threshold: rounded(d.Threshold), Reasons: d.Reasons,
		ThinkingBudget: d.ThinkingBudget, Kind: d.Kind, Version: s.cfg.RouterVersion, Uncertain: d.Uncertain, DiscardedTokens: p.discarded,
	}
	if out.Reasons == nil {
		out.Reasons = []string{}
	}
	if s := p.begun; s != nil {
		out.ThinkingBudget, out.MaxTokens = s.ThinkingBudget, cutTo(p.req.MaxTokens, s)
	}
	if result != nil {
		out.ClosedBy = result.ThinkingClosedBy
		if result.Repetition {
			out.ClosedBy = closedByRepetition
		}
	}
	return out
}

// closedByRepetition stands for an answer that was ended because it only repeated itself.
const closedByRepetition = "repetition"

// cutTo is how long a completion may get where more was asked for, 0 otherwise.
func cutTo(asked *int, s *engine.Start) int {
	if asked == nil || s == nil || s.MaxTokens >= *asked {
		return 0
	}
	return s.MaxTokens
}

// rounded cuts a score to what is worth reading.
func rounded(x float64) float64 { return math.Round(x*1e4) / 1e4 }

// routeReply answers POST /v1/route.
type routeReply struct {
	Routing *routing `json:"routing"`
}

type modelList struct {
	Object string      `json:"object"`
	Data   []modelCard `json:"data"`
}

type modelCard struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
	// What follows is known once the weights are loaded.
	MaxModelLen  int           `json:"max_model_len,omitempty"` // tokens, the smallest of the variants'
	Modalities   []string      `json:"input_modalities,omitempty"`
	Variants     []variantCard `json:"variants"`
	Capabilities []string      `json:"capabilities"`
}

// variantCard tells of one set of weights behind a model id.
type variantCard struct {
	ID          string `json:"id"`
	Variant     string `json:"variant"`
	Loaded      bool   `json:"loaded"`
	Status      string `json:"status"`          // as in the readiness
	Error       string `json:"error,omitempty"` // why it is not ready
	Name        string `json:"name,omitempty"`  // the model file's own
	MaxModelLen int    `json:"max_model_len,omitempty"`
}

type liveReply struct {
	Status string `json:"status"`
}
