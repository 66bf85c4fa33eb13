package dialect

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/qwenvld/qwenvld/engine"
)

// Delta is what one event of a stream adds to an answer.
type Delta struct {
	// Thoughts come before Text, Text before Calls.
	Thoughts, Text string
	Calls          []CallDelta
	// Finish is OpenAI's finish_reason, "" before the end.
	Finish string
	// Tokens are those whose log-probabilities came.
	Tokens []engine.Token
	// ClosedBy is what ended the thoughts, MaxTokens how long the answer may get where more was asked for than the
	// context leaves. Only a qwenvld tells.
	ClosedBy  string
	MaxTokens int
	// Usage is what was used so far, or at the end; nil where the event has none.
	Usage *engine.Usage
}

// CallDelta is what an event adds to a call. The first of a call has the name.
type CallDelta struct {
	Index           int
	Name, Arguments string
}

// StreamError is an error that a server tells in a stream that has begun.
type StreamError struct{ Message string }

func (e *StreamError) Error() string { return "the server ended its stream: " + e.Message }

// Done is the data of the last event of a stream.
const Done = "[DONE]"

// chunk is an event's data, of chats and of texts, of all kinds together.
type chunk struct {
	Choices []struct {
		Delta struct {
			Content          string      `json:"content"`
			Reasoning        string      `json:"reasoning"`         // vLLM, Ollama
			ReasoningContent string      `json:"reasoning_content"` // SGLang, llama-server, qwenvld
			ToolCalls        []chunkCall `json:"tool_calls"`
		} `json:"delta"`
		Text         string          `json:"text"`
		FinishReason string          `json:"finish_reason"`
		Logprobs     *chunkLogprobs  `json:"logprobs"`
		Error        json.RawMessage `json:"error"`
	} `json:"choices"`
	Usage   *chunkUsage   `json:"usage"`
	Timings *chunkTimings `json:"timings"` // llama-server
	Error   *chunkError   `json:"error"`
	Routing *struct {
		ClosedBy  string `json:"closed_by"`
		MaxTokens int    `json:"max_tokens"`
	} `json:"routing"` // qwenvld
	// SGLang's errors stand by themselves.
	Object  string `json:"object"`
	Message string `json:"message"`
}

// chunkCall is a part of a call.
type chunkCall struct {
	Index    int `json:"index"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// chunkUsage is usage in the places where the kinds have it.
type chunkUsage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	PromptDetails    struct {
		CachedTokens int `json:"cached_tokens"`
		ImageTokens  int `json:"image_tokens"` // qwenvld
		VideoTokens  int `json:"video_tokens"` // qwenvld
	} `json:"prompt_tokens_details"`
	CompletionDetails struct {
		ReasoningTokens    int `json:"reasoning_tokens"`
		AcceptedPrediction int `json:"accepted_prediction_tokens"`
		RejectedPrediction int `json:"rejected_prediction_tokens"`
	} `json:"completion_tokens_details"`
	ReasoningTokens int `json:"reasoning_tokens"` // SGLang
}

// chunkTimings are what llama-server tells with each token.
type chunkTimings struct {
	CacheN     int `json:"cache_n"`
	PromptN    int `json:"prompt_n"`
	PredictedN int `json:"predicted_n"`
}

// chunkError is an error's object, or a text where a proxy made it.
type chunkError struct{ Message string }

// UnmarshalJSON takes both.
func (e *chunkError) UnmarshalJSON(data []byte) error {
	var o struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(data, &e.Message) == nil {
		return nil
	}
	if err := json.Unmarshal(data, &o); err != nil {
		return err
	}
	e.Message = o.Message
	return nil
}

// chunkLogprobs are those of chats (Content) and of texts (the rest).
type chunkLogprobs struct {
	Content []struct {
		chunkToken

		Top []chunkToken `json:"top_logprobs"`
	} `json:"content"`
	Tokens   []string             `json:"tokens"`
	Logprobs []float64            `json:"token_logprobs"`
	Top      []map[string]float64 `json:"top_logprobs"`
}

// chunkToken is a token with its log-probability.
type chunkToken struct {
	ID      int32   `json:"id"` // llama-server
	Token   string  `json:"token"`
	Bytes   []int   `json:"bytes"`
	Logprob float64 `json:"logprob"`
}

func (t *chunkToken) bytes() []byte {
	if t.Bytes == nil {
		return []byte(t.Token)
	}
	out := make([]byte, len(t.Bytes))
	for i, b := range t.Bytes {
		out[i] = byte(b) // anything else is no byte
	}
	return out
}

// AnswerID reads the id that an event's data gives its answer, "" where it has none.
func AnswerID(data []byte) string {
	var c struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(data, &c) != nil {
		return ""
	}
	return c.ID
}

// Read reads the data of one event, which is not Done.
func Read(data []byte) (Delta, error) {
	var c chunk
	if err := json.Unmarshal(data, &c); err != nil {
		return Delta{}, fmt.Errorf("an event is not to be read: %w", err)
	}
	if c.Error != nil {
		return Delta{}, &StreamError{c.Error.Message}
	}
	if c.Object == "error" {
		return Delta{}, &StreamError{c.Message}
	}
	var d Delta
	if len(c.Choices) > 0 {
		ch := &c.Choices[0]
		if len(ch.Error) > 0 && !bytes.Equal(ch.Error, []byte("null")) {
			return Delta{}, &StreamError{string(ch.Error)}
		}
		d.Thoughts = ch.Delta.Reasoning
		if d.Thoughts == "" { // qwenvld may be told to send both, which are the same
			d.Thoughts = ch.Delta.ReasoningContent
		}
		d.Text, d.Finish = ch.Delta.Content+ch.Text, ch.FinishReason
		for _, call := range ch.Delta.ToolCalls {
			d.Calls = append(d.Calls, CallDelta{call.Index, call.Function.Name, call.Function.Arguments})
		}
		d.Tokens = ch.Logprobs.tokens()
	}
	if c.Routing != nil {
		d.ClosedBy, d.MaxTokens = c.Routing.ClosedBy, c.Routing.MaxTokens
	}
	d.Usage = c.usage()
	return d, nil
}

func (c *chunk) usage() *engine.Usage {
	switch u := c.Usage; {
	case u != nil:
		return &engine.Usage{
			PromptTokens: u.PromptTokens, CompletionTokens: u.CompletionTokens, CachedTokens: u.PromptDetails.CachedTokens,
			ImageTokens: u.PromptDetails.ImageTokens, VideoTokens: u.PromptDetails.VideoTokens,
			ReasoningTokens:    max(u.CompletionDetails.ReasoningTokens, u.ReasoningTokens),
			AcceptedPrediction: u.CompletionDetails.AcceptedPrediction,
			RejectedPrediction: u.CompletionDetails.RejectedPrediction,
		}
	case c.Timings != nil:
		t := c.Timings
		return &engine.Usage{PromptTokens: t.CacheN + t.PromptN, CompletionTokens: t.PredictedN, CachedTokens: t.CacheN}
	}
	return nil
}

func (l *chunkLogprobs) tokens() []engine.Token {
	if l == nil {
		return nil
	}
	var out []engine.Token
	for i := range l.Content {
		t := &l.Content[i]
		token := engine.Token{ID: t.ID, Bytes: t.bytes(), Logprob: t.Logprob}
		for j := range t.Top {
			token.Top = append(token.Top, engine.TopToken{ID: t.Top[j].ID, Bytes: t.Top[j].bytes(), Logprob: t.Top[j].Logprob})
		}
		out = append(out, token)
	}
	for i := range min(len(l.Tokens), len(l.Logprobs)) {
		token := engine.Token{Bytes: spelled(l.Tokens[i]), Logprob: l.Logprobs[i]}
		if i < len(l.Top) {
			for text, logprob := range l.Top[i] {
				token.Top = append(token.Top, engine.TopToken{Bytes: spelled(text), Logprob: logprob})
			}
			sortByLogprob(token.Top)
		}
		out = append(out, token)
	}
	return out
}
