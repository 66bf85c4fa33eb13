package dialect

import (
	"encoding/json"
	"fmt"

	"github.com/qwenvld/qwenvld/engine"
)

// Chat is a request for an answer to a conversation.
type Chat struct {
	// ID names the request in the logs of both sides.
	ID       string
	Model    string
	Messages []Message
	// Begun says that the last message is the beginning of the answer.
	Begun bool

	Tools  []json.RawMessage
	Choice Choice
	// Form is what the answer must look like, nil for free text.
	Form *engine.Constraint

	// Thinks says that the weights think. Budget is then how many tokens they may; 0 is not at all.
	Thinks bool
	Budget int

	// MaxTokens bounds the answer, thoughts included; 0 is no bound.
	MaxTokens   int
	Sampling    engine.Sampling
	Logprobs    bool
	TopLogprobs int
	MayRepeat   bool
	CacheSalt   string
	VisionID    bool
	// MinPixels has pictures stay as small as they are sent; 0 leaves that to the server.
	MinPixels int
	// Prediction is text that the answer is expected to have much of. It is sent to kinds that take one. Others lack
	// nothing, since it changes no answer.
	Prediction string
	// Tier is OpenAI's service_tier, where the client chose one that means something here.
	Tier string
}

// Choice says how tools may be called.
type Choice struct {
	// Off says that none may be, Required that one must; Name is the one that must.
	Off, Required bool
	Name          string
	// Single allows one call only.
	Single bool
}

// Message is one message of a conversation.
type Message struct {
	Role  string
	Parts []Part
	// Thoughts are what the assistant thought before it answered.
	Thoughts *string
	Calls    []Call
	CallID   string
}

// Part is a part of a message: a text, or one of the others.
type Part struct {
	Text string
	// Image is a data URI.
	Image string
	// Video is a video with its options, as qwenvld takes it.
	Video *Video
}

// Video is a video as qwenvld takes it.
type Video struct {
	// URL is a data URI, or Frames are, in their order.
	URL     string
	Frames  []string
	Options map[string]any
}

// Call is a call of a tool that the assistant made. Arguments are a JSON object, or a string that holds one's text, as
// the client wrote them.
type Call struct {
	ID, Name  string
	Arguments json.RawMessage
}

// Text is a request to continue a text without a chat template.
type Text struct {
	ID, Model string
	Prompt    string
	// Tokens stand for Prompt where they are not nil.
	Tokens      []int32
	Form        *engine.Constraint
	MaxTokens   int
	Sampling    engine.Sampling
	Logprobs    bool
	TopLogprobs int
	CacheSalt   string
	MayRepeat   bool
	Tier        string
}

// body is a request's body before it is written. Keys are sorted when it is.
type body map[string]any

// Chat writes the body of a request for an answer.
func (d *Dialect) Chat(c *Chat) ([]byte, error) {
	b := body{"model": c.Model, "messages": d.messages(c.Messages)}
	common(b, &c.Sampling, c.MaxTokens)
	if c.Logprobs {
		b["logprobs"], b["top_logprobs"] = true, c.TopLogprobs
	}
	if len(c.Tools) > 0 {
		b["tools"] = c.Tools
		b["tool_choice"] = toolChoice(&c.Choice)
		if c.Choice.Single {
			b["parallel_tool_calls"] = false
		}
	}
	if f := c.Form; f != nil {
		switch {
		case f.Object:
			b["response_format"] = map[string]any{"type": "json_object"}
		case f.Schema != nil:
			b["response_format"] = map[string]any{
				"type": "json_schema", "json_schema": map[string]any{"name": "answer", "schema": f.Schema, "strict": f.Strict},
			}
		}
	}
	d.extend(b, c)
	if c.Begun {
		d.continued(b, c)
	}
	return write(b)
}

// Text writes the body of a request to continue a text.
func (d *Dialect) Text(t *Text) ([]byte, error) {
	b := body{"model": t.Model, "prompt": t.Prompt}
	if t.Tokens != nil {
		b["prompt"] = t.Tokens
	}
	common(b, &t.Sampling, t.MaxTokens)
	if t.Logprobs {
		b["logprobs"] = t.TopLogprobs
	}
	d.text(b, t)
	return write(b)
}

func write(b body) ([]byte, error) {
	out, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("write the request: %w", err)
	}
	return out, nil
}

// common are the members that all kinds know.
func common(b body, s *engine.Sampling, maxTokens int) {
	b["stream"], b["stream_options"] = true, map[string]any{"include_usage": true}
	if maxTokens > 0 {
		b["max_tokens"] = maxTokens
	}
	b["temperature"] = s.Temperature
	if s.TopP > 0 && s.TopP < 1 {
		b["top_p"] = s.TopP
	}
	if s.PresencePenalty != 0 {
		b["presence_penalty"] = s.PresencePenalty
	}
	if s.FrequencyPenalty != 0 {
		b["frequency_penalty"] = s.FrequencyPenalty
	}
	if s.Seed != nil {
		b["seed"] = int64(*s.Seed) // the two's complement keeps different seeds different
	}
	if len(s.LogitBias) > 0 {
		b["logit_bias"] = s.LogitBias
	}
}

// drawing are the ways of drawing tokens that vLLM brought; penalty is the name of the repetition penalty.
func drawing(b body, s *engine.Sampling, penalty string) {
	if s.TopK > 0 {
		b["top_k"] = s.TopK
	}
	if s.MinP > 0 {
		b["min_p"] = s.MinP
	}
	if s.RepetitionPenalty > 0 && s.RepetitionPenalty != 1 {
		b[penalty] = s.RepetitionPenalty
	}
}

func prediction(b body, c *Chat) {
	if c.Prediction != "" {
		b["prediction"] = body{"type": "content", "content": c.Prediction}
	}
}

func runningUsage(b body) {
	b["stream_options"] = map[string]any{"include_usage": true, "continuous_usage_stats": true}
}

func toolChoice(c *Choice) any {
	switch {
	case c.Off:
		return "none"
	case c.Name != "":
		return map[string]any{"type": "function", "function": map[string]any{"name": c.Name}}
	case c.Required:
		return "required"
	}
	return "auto"
}

func (d *Dialect) messages(all []Message) []body {
	out := make([]body, len(all))
	for i := range all {
		m := &all[i]
		b := body{"role": m.Role, "content": parts(m.Parts)}
		if m.Thoughts != nil && d.thoughts != "" {
			b[d.thoughts] = *m.Thoughts
		}
		if m.CallID != "" {
			b["tool_call_id"] = m.CallID
		}
		var calls []body
		for _, c := range m.Calls {
			function := body{"name": c.Name, "arguments": d.arguments(c.Arguments)}
			calls = append(calls, body{"id": c.ID, "type": "function", "function": function})
		}
		if calls != nil {
			b["tool_calls"] = calls
		}
		out[i] = b
	}
	return out
}

// arguments are a call's as a kind takes them: all but qwenvld want the text of an object.
func (d *Dialect) arguments(raw json.RawMessage) any {
	var text string
	if d.Kind == Qwenvld || json.Unmarshal(raw, &text) == nil {
		return raw
	}
	return string(raw)
}

// parts are the content of a message: a text by itself as a string, which every kind takes.
func parts(all []Part) any {
	if len(all) == 0 {
		return ""
	}
	if len(all) == 1 && all[0].Image == "" && all[0].Video == nil {
		return all[0].Text
	}
	out := make([]body, len(all))
	for i := range all {
		switch p := &all[i]; {
		case p.Image != "":
			out[i] = body{"type": "image_url", "image_url": body{"url": p.Image}}
		case p.Video != nil:
			out[i] = video(p.Video)
		default:
			out[i] = body{"type": "text", "text": p.Text}
		}
	}
	return out
}
