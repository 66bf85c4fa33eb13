// Package wire holds forms that OpenAI's surfaces have in common: usage, log-probabilities, and what a prompt takes.
//
// It must not decide anything, nor read requests.
package wire

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/media"
	"github.com/qwenvld/qwenvld/engine"
)

// Usage is OpenAI's, with what pictures take of a prompt.
type Usage struct {
	PromptTokens     int               `json:"prompt_tokens"`
	CompletionTokens int               `json:"completion_tokens"`
	TotalTokens      int               `json:"total_tokens"`
	Prompt           PromptDetails     `json:"prompt_tokens_details"`
	Completion       CompletionDetails `json:"completion_tokens_details"`
}

// PromptDetails say what a prompt consists of, in tokens.
type PromptDetails struct {
	CachedTokens int `json:"cached_tokens"`
	ImageTokens  int `json:"image_tokens"`
	VideoTokens  int `json:"video_tokens"`
}

// CompletionDetails say what a completion consists of, in tokens.
type CompletionDetails struct {
	ReasoningTokens int `json:"reasoning_tokens"`
	// Of a prediction's tokens those that were computed ahead, by whether the answer has them.
	AcceptedPrediction int `json:"accepted_prediction_tokens,omitempty"`
	RejectedPrediction int `json:"rejected_prediction_tokens,omitempty"`
}

// NewUsage puts u into OpenAI's form.
func NewUsage(u *engine.Usage) *Usage {
	return &Usage{
		PromptTokens: u.PromptTokens, CompletionTokens: u.CompletionTokens, TotalTokens: u.PromptTokens + u.CompletionTokens,
		Prompt:     PromptDetails{u.CachedTokens, u.ImageTokens, u.VideoTokens},
		Completion: CompletionDetails{u.ReasoningTokens, u.AcceptedPrediction, u.RejectedPrediction},
	}
}

// InputTokens is OpenAI's count of a prompt.
type InputTokens struct {
	Object      string        `json:"object"`
	InputTokens int           `json:"input_tokens"`
	Details     PromptDetails `json:"input_tokens_details"`
	// Images and Videos are what becomes of those of the request.
	Images []media.Seen      `json:"images,omitempty"`
	Videos []media.SeenVideo `json:"videos,omitempty"`
}

// NewInputTokens puts n into OpenAI's form.
func NewInputTokens(n generation.Count) *InputTokens {
	return &InputTokens{
		Object: "response.input_tokens", InputTokens: n.InputTokens,
		Details: PromptDetails{ImageTokens: n.ImageTokens, VideoTokens: n.VideoTokens}, Images: n.Images, Videos: n.Videos,
	}
}

// TokenLogprob is a token of the content with its alternatives.
type TokenLogprob struct {
	Token       string       `json:"token"`
	Logprob     float64      `json:"logprob"`
	Bytes       []int        `json:"bytes"`
	TopLogprobs []TopLogprob `json:"top_logprobs"`
}

// TopLogprob is an alternative.
type TopLogprob struct {
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

// NewLogprobs puts tokens into OpenAI's form. No tokens are an empty list.
func NewLogprobs(tokens []engine.Token) []TokenLogprob {
	out := make([]TokenLogprob, len(tokens))
	for i := range tokens {
		t := &tokens[i]
		out[i] = TokenLogprob{
			Token: TokenText(t.Bytes), Logprob: t.Logprob, Bytes: ByteList(t.Bytes), TopLogprobs: make([]TopLogprob, len(t.Top)),
		}
		for j := range t.Top {
			top := &t.Top[j]
			out[i].TopLogprobs[j] = TopLogprob{Token: TokenText(top.Bytes), Logprob: top.Logprob, Bytes: ByteList(top.Bytes)}
		}
	}
	return out
}

// TokenText shows a token that is part of a character as \xNN, like OpenAI does with "bytes:\xe2".
func TokenText(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	s.WriteString("bytes:")
	const hex = "0123456789abcdef"
	for _, c := range b {
		s.WriteString(`\x`)
		s.WriteByte(hex[c>>4])
		s.WriteByte(hex[c&15])
	}
	return s.String()
}

// ByteList is a []int because encoding/json writes []byte as base64.
func ByteList(b []byte) []int {
	out := make([]int, len(b))
	for i, c := range b {
		out[i] = int(c)
	}
	return out
}

// Null is a member that is there and null.
func Null() json.RawMessage { return json.RawMessage("null") }
