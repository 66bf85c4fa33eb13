package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/tmaxmax/go-sse"
)

const pathChat = "/v1/chat/completions"

// Request is a chat completion's, as far as the terminal asks for it.
type Request struct {
	Model    string    `json:"model"`
	Messages []Message `json:"messages"`
	// Think forces thinking or its absence; nil leaves it to the router.
	Think     *bool `json:"enable_thinking,omitempty"`
	MaxTokens int   `json:"max_tokens,omitempty"`

	Stream  bool           `json:"stream,omitempty"`
	Options *streamOptions `json:"stream_options,omitempty"`
}

// streamOptions is stream_options of a chat request.
type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// Event is something new of an answer. Each is of what came last; Model and Routing are told at the beginning, Finish
// and Usage at the end.
type Event struct {
	Reasoning, Content string
	Model              string
	Routing            *Routing
	Finish             string
	Usage              *Usage
}

// Routing tells who answers and why.
type Routing struct {
	Variant   string   `json:"variant"`
	Source    string   `json:"source"`
	Score     float64  `json:"score"`
	Threshold float64  `json:"threshold"`
	Reasons   []string `json:"reasons"`
	ClosedBy  string   `json:"closed_by"`
}

// Usage counts tokens.
type Usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	Details          struct {
		ReasoningTokens int `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
	Prompt struct {
		CachedTokens int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

// Chat asks for an answer in one piece and returns the daemon's reply as it is.
func (c *Client) Chat(ctx context.Context, req *Request) (json.RawMessage, error) {
	whole := *req
	whole.Stream, whole.Options = false, nil
	resp, err := c.post(ctx, pathChat, &whole)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return body, nil
}

// chunk is an event of the stream.
type chunk struct {
	Model   string `json:"model"`
	Choices []struct {
		Delta struct {
			Content          string `json:"content"`
			ReasoningContent string `json:"reasoning_content"`
			Reasoning        string `json:"reasoning"`
		} `json:"delta"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Usage   *Usage     `json:"usage"`
	Routing *Routing   `json:"routing"`
	Error   *wireError `json:"error"`
}

// errCut is a stream that ended before the answer did.
var errCut = errors.New("the answer was cut: the connection ended")

// Stream asks for an answer and yields it as it comes. After an error nothing more comes.
func (c *Client) Stream(ctx context.Context, req *Request) iter.Seq2[Event, error] {
	streamed := *req
	streamed.Stream, streamed.Options = true, &streamOptions{IncludeUsage: true}
	return c.StreamBody(ctx, &streamed)
}

// StreamBody is Stream for a request of any form that asks for a stream, which becomes JSON as it is.
func (c *Client) StreamBody(ctx context.Context, body any) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		resp, err := c.post(ctx, pathChat, body)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer func() { _ = resp.Body.Close() }()
		for ev, err := range sse.Read(resp.Body, &sse.ReadConfig{MaxEventSize: maxReply}) {
			if err != nil {
				yield(Event{}, fmt.Errorf("read the answer: %w", err))
				return
			}
			if ev.Data == "[DONE]" {
				return
			}
			event, err := decodeEvent(ev.Data)
			if !yield(event, err) || err != nil {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Event{}, err)
			return
		}
		yield(Event{}, errCut)
	}
}

// decodeEvent reads one event of a stream.
func decodeEvent(data string) (Event, error) {
	var c chunk
	if err := json.Unmarshal([]byte(data), &c); err != nil {
		return Event{}, fmt.Errorf("read the answer: %w", err)
	}
	if c.Error != nil {
		return Event{}, c.Error.unpack(0)
	}
	e := Event{Model: c.Model, Routing: c.Routing, Usage: c.Usage}
	for _, choice := range c.Choices {
		d := choice.Delta
		e.Content += d.Content
		// A daemon may send the reasoning under both names.
		if e.Reasoning += d.ReasoningContent; d.ReasoningContent == "" {
			e.Reasoning += d.Reasoning
		}
		e.Finish = choice.FinishReason
	}
	return e, nil
}
