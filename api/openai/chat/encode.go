package chat

import (
	"encoding/json"
	"slices"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/openai/wire"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/api/surface"
	"github.com/qwenvld/qwenvld/api/web"
	"github.com/qwenvld/qwenvld/engine"
)

const (
	roleAssistant = "assistant"
	callPrefix    = "call_"
)

// head is what every chunk of a stream, and the reply in one piece, begin with.
type head struct {
	id      string
	created int64 // Unix seconds
	model   string
}

// encoder turns the events of a run into chunks.
type encoder struct {
	head
	request *request.Request
	field   ReasoningField
	// routed is set once a chunk has told the decision.
	routed bool
	// untold are tokens of content, by answer, that no text has followed yet.
	untold map[int][]engine.Token
	// places are what answers point at, where that is asked for.
	places groundings
}

var _ surface.Encoder = (*encoder)(nil)

// Event gives the chunks of one event.
func (e *encoder) Event(ev *generation.Event) ([]web.Message, error) {
	if e.request.Grounding {
		e.places.note(ev)
	}
	switch ev.Kind {
	case generation.Started:
		return wire.Messages(e.first(ev))
	case generation.BlockOpen:
		if ev.Block.Kind != generation.Call {
			return nil, nil
		}
		call := ToolCall{
			Index: &ev.Block.Call, ID: callPrefix + ev.Block.ID, Type: "function", Function: Function{Name: ev.Block.Name},
		}
		return wire.Messages(e.chunk(ev, Delta{ToolCalls: []ToolCall{call}}))
	case generation.BlockText:
		return wire.Messages(e.text(ev))
	case generation.BlockClose:
		e.keep(ev)
		return nil, nil
	case generation.AnswerEnd:
		return wire.Messages(e.last(ev))
	case generation.End:
		return e.end(ev)
	default:
		return nil, nil
	}
}

// first is the chunk that begins an answer. A text begins with an empty one, as OpenAI's do; calls begin without.
func (e *encoder) first(ev *generation.Event) *Chunk {
	d := Delta{Role: roleAssistant}
	if !e.request.ShowsTools() {
		d.Content = new("")
	}
	c := e.chunk(ev, d)
	if !e.routed {
		e.routed, c.Routing = true, ev.Routing
	}
	return c
}

func (e *encoder) text(ev *generation.Event) *Chunk {
	var d Delta
	switch ev.Block.Kind {
	case generation.Reasoning:
		d.ReasoningContent, d.Reasoning = e.field.members(ev.Text)
	case generation.Call:
		d.ToolCalls = []ToolCall{{Index: &ev.Block.Call, Function: Function{Arguments: ev.Text}}}
	case generation.Content:
		d.Content = &ev.Text
	}
	c := e.chunk(ev, d)
	if ev.Block.Kind == generation.Content && e.request.Logprobs {
		c.Choices[0].Logprobs = e.logprobs(ev)
	}
	return c
}

// last says why an answer ended.
func (e *encoder) last(ev *generation.Event) *Chunk {
	c := e.chunk(ev, Delta{})
	c.Choices[0].FinishReason = new(string(ev.Ending.Finish))
	c.Choices[0].Grounding = e.places.of(ev.Choice)
	if ev.Choice == 0 && ev.Ending.Told {
		c.Routing = ev.Routing
	}
	if rest := e.logprobs(ev); len(rest.Content) > 0 {
		c.Choices[0].Logprobs = rest
	}
	return c
}

// end sends the usage if it was asked for, and [DONE].
func (e *encoder) end(ev *generation.Event) ([]web.Message, error) {
	var out []web.Message
	if e.request.IncludeUsage {
		c := e.chunk(ev, Delta{})
		c.Choices, c.Usage = []ChunkChoice{}, encodeUsage(&ev.Usage)
		var err error
		if out, err = wire.Messages(c); err != nil {
			return nil, err
		}
	}
	return append(out, wire.Done()), nil
}

// keep holds tokens back for the next chunk of their answer that has log-probabilities.
func (e *encoder) keep(ev *generation.Event) {
	if len(ev.Tokens) == 0 {
		return
	}
	if e.untold == nil {
		e.untold = map[int][]engine.Token{}
	}
	e.untold[ev.Choice] = append(e.untold[ev.Choice], ev.Tokens...)
}

// logprobs are those of the tokens that were kept and of ev's.
func (e *encoder) logprobs(ev *generation.Event) *Logprobs {
	tokens := slices.Concat(e.untold[ev.Choice], ev.Tokens)
	delete(e.untold, ev.Choice)
	return &Logprobs{Content: wire.NewLogprobs(tokens)}
}

// chunk is a chunk of one answer with no finish reason.
func (e *encoder) chunk(ev *generation.Event, d Delta) *Chunk {
	c := &Chunk{
		ID: e.id, Object: objectChunk, Created: e.created, Model: e.model, Choices: []ChunkChoice{{Index: ev.Choice, Delta: d}},
	}
	switch {
	case ev.Running != nil:
		c.Usage = encodeUsage(ev.Running)
	case e.request.IncludeUsage:
		c.Usage = wire.Null()
	}
	return c
}

func encodeUsage(u *engine.Usage) json.RawMessage {
	out, err := json.Marshal(wire.NewUsage(u))
	if err != nil {
		return wire.Null() // numbers always encode
	}
	return out
}

// Failure is OpenAI's error as the last event.
func (e *encoder) Failure(failure *fault.Error, requestID string) []web.Message {
	return wire.Failure(failure, requestID)
}

// whole is the reply in one piece.
func (e *encoder) whole(w *generation.Whole) any {
	out := &Completion{
		ID: e.id, Object: objectCompletion, Created: e.created, Model: e.model, Choices: make([]Choice, len(w.Answers)),
		Usage: wire.NewUsage(&w.Usage), Routing: w.Routing,
	}
	for i := range w.Answers {
		out.Choices[i] = e.choice(i, &w.Answers[i])
		if e.request.Grounding {
			out.Choices[i].Grounding = grounded(w.Answers[i].Text(generation.Content), w.Routing)
		}
	}
	return out
}

func (e *encoder) choice(i int, a *generation.WholeAnswer) Choice {
	m := Message{Role: roleAssistant}
	for _, b := range a.Calls() {
		m.ToolCalls = append(m.ToolCalls, ToolCall{
			ID: callPrefix + b.ID, Type: "function", Function: Function{Name: b.Name, Arguments: b.Text},
		})
	}
	if text := a.Text(generation.Content); text != "" || len(m.ToolCalls) == 0 {
		m.Content = &text
	}
	if thoughts := a.Text(generation.Reasoning); thoughts != "" {
		m.ReasoningContent, m.Reasoning = e.field.members(thoughts)
	}
	c := Choice{Index: i, Message: m, FinishReason: string(a.Ending.Finish)}
	if e.request.Logprobs {
		c.Logprobs = &Logprobs{Content: wire.NewLogprobs(a.Tokens)}
	}
	return c
}
