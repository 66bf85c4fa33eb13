package anthropic

import (
	"encoding/json"
	"fmt"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/surface"
	"github.com/qwenvld/qwenvld/api/web"
	"github.com/qwenvld/qwenvld/engine"
)

// Kinds of blocks.
const (
	blockText     = "text"
	blockThinking = "thinking"
	blockToolUse  = "tool_use"
)

// encoder turns the events of a run into a stream's events. A message has one answer.
type encoder struct {
	// id and model are the message's.
	id, model string
	// index is that of the open block, or of the last one; -1 before the first.
	index int
}

var _ surface.Encoder = (*encoder)(nil)

func newEncoder(id, model string) *encoder {
	return &encoder{id: "msg_" + id, model: model, index: -1}
}

// Event gives the messages of one event.
func (e *encoder) Event(ev *generation.Event) ([]web.Message, error) {
	switch ev.Kind {
	case generation.Started:
		m := e.message()
		m.Content, m.Usage, m.Routing = []Block{}, newUsage(&ev.Start.Usage), ev.Routing
		return send(&Event{Type: "message_start", Message: m})
	case generation.BlockOpen:
		e.index++
		return e.send(&Event{Type: "content_block_start", ContentBlock: newBlock(&ev.Block, "")})
	case generation.BlockText:
		if ev.Text == "" {
			return nil, nil
		}
		return e.send(&Event{Type: "content_block_delta", Delta: newDelta(ev)})
	case generation.BlockClose:
		return e.send(&Event{Type: "content_block_stop"})
	case generation.AnswerEnd:
		return send(end(ev))
	case generation.End:
		return send(&Event{Type: "message_stop"})
	default:
		return nil, nil
	}
}

// end says why the message ended.
func end(ev *generation.Event) *Event {
	reason, sequence := stopReason(ev.Ending)
	usage := newUsage(&ev.Ending.Usage)
	out := &Event{Type: "message_delta", Usage: &usage, Delta: MessageDelta{StopReason: reason, StopSequence: sequence}}
	if ev.Ending.Told {
		out.Routing = ev.Routing
	}
	return out
}

// stopReason names in Anthropic's words why an answer ended, and the stop sequence where one did it.
func stopReason(e *generation.Ending) (reason string, sequence *string) {
	switch {
	case e.Finish == engine.FinishLength:
		return "max_tokens", nil
	case e.StopString != "":
		return "stop_sequence", &e.StopString
	case e.Finish == generation.FinishToolCalls:
		return "tool_use", nil
	}
	return "end_turn", nil
}

// newBlock is a block with its text; one that a stream begins has none yet.
func newBlock(b *generation.Block, text string) *Block {
	switch b.Kind {
	case generation.Call:
		out := &Block{Type: blockToolUse, ID: "toolu_" + b.ID, Name: b.Name, Input: json.RawMessage("{}")}
		if json.Valid([]byte(text)) {
			out.Input = json.RawMessage(text)
		}
		return out
	case generation.Reasoning:
		signature := ""
		return &Block{Type: blockThinking, Thinking: &text, Signature: &signature}
	default:
		return &Block{Type: blockText, Text: &text}
	}
}

func newDelta(ev *generation.Event) BlockDelta {
	switch ev.Block.Kind {
	case generation.Call:
		return BlockDelta{Type: "input_json_delta", PartialJSON: ev.Text}
	case generation.Reasoning:
		return BlockDelta{Type: "thinking_delta", Thinking: ev.Text}
	default:
		return BlockDelta{Type: "text_delta", Text: ev.Text}
	}
}

// send sends an event about the open block.
func (e *encoder) send(ev *Event) ([]web.Message, error) {
	index := e.index
	ev.Index = &index
	return send(ev)
}

// send sends an event under its type.
func send(ev *Event) ([]web.Message, error) {
	data, err := json.Marshal(ev)
	if err != nil {
		return nil, fmt.Errorf("encode a %s event: %w", ev.Type, err)
	}
	return []web.Message{{Event: ev.Type, Data: data}}, nil
}

// EventError is the type of the event that is an error in a stream.
const EventError = "error"

// Failure is an error event, the last one.
func (e *encoder) Failure(failure *fault.Error, requestID string) []web.Message {
	data, err := json.Marshal(ErrorBody(failure, requestID))
	if err != nil {
		return nil // texts always encode
	}
	return []web.Message{{Event: EventError, Data: data}}
}

// message is what all messages have.
func (e *encoder) message() *Message {
	return &Message{ID: e.id, Type: "message", Role: "assistant", Model: e.model}
}

// whole is the reply in one piece.
func (e *encoder) whole(w *generation.Whole) any {
	a := &w.Answers[0]
	m := e.message()
	m.Content = make([]Block, len(a.Blocks))
	for i := range a.Blocks {
		m.Content[i] = *newBlock(&a.Blocks[i].Block, a.Blocks[i].Text)
	}
	reason, sequence := stopReason(a.Ending)
	m.StopReason, m.StopSequence, m.Usage, m.Routing = &reason, sequence, newUsage(&w.Usage), w.Routing
	return m
}
