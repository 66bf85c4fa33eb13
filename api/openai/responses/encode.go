package responses

import (
	"encoding/json"
	"fmt"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/surface"
	"github.com/qwenvld/qwenvld/api/web"
)

// encoder turns the events of a run into the messages of a stream.
type encoder struct {
	builder *builder
	// told counts the events so far, which are numbered from 0.
	told int
}

var _ surface.Encoder = (*encoder)(nil)

// Event gives the messages of one event.
func (e *encoder) Event(ev *generation.Event) ([]web.Message, error) {
	before := e.told
	out, err := e.encode(e.builder.event(ev))
	if err != nil {
		e.told = before // nothing of it is sent
		return nil, err
	}
	return out, nil
}

// Failure ends the stream with the response as it failed.
func (e *encoder) Failure(failure *fault.Error, requestID string) []web.Message {
	out, err := e.encode(e.builder.fail(failure, requestID))
	if err == nil {
		return out
	}
	last, err := e.encode(e.builder.endWithoutOutput())
	if err != nil {
		return out // the rest of a response always encodes
	}
	return append(out, last...)
}

// encode numbers events and gives their messages, up to the first that cannot be encoded.
func (e *encoder) encode(events []Event) ([]web.Message, error) {
	out := make([]web.Message, 0, len(events))
	for i := range events {
		m, err := message(&events[i], e.told)
		if err != nil {
			return out, err
		}
		e.told++
		out = append(out, m)
	}
	return out, nil
}

// message is an event under its number.
func message(ev *Event, number int) (web.Message, error) {
	ev.Sequence = number
	data, err := json.Marshal(ev)
	if err != nil {
		return web.Message{}, fmt.Errorf("encode the event %s: %w", ev.Type, err)
	}
	return web.Message{Event: ev.Type, Data: data}, nil
}
