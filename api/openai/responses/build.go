package responses

import (
	"net/http"
	"strings"
	"time"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/openai/wire"
	"github.com/qwenvld/qwenvld/engine"
)

// builder makes a response object of a run's events, and the events of the API that tell of it. It is made for one run.
type builder struct {
	response *Response
	now      func() time.Time
	// keep, unless nil, is called once with the complete response, before the client is told of its end.
	keep func(*Response)
	item openItem
}

// openItem is what a builder knows of the output item that is being written.
type openItem struct {
	// kind is empty between items.
	kind generation.BlockKind
	text strings.Builder
	// logprobs are those of its part so far.
	logprobs []wire.TokenLogprob
}

// tell makes an event about the response as a whole.
func (b *builder) tell(name Status) Event {
	snapshot := *b.response
	return Event{Type: "response." + string(name), Response: &snapshot}
}

// announce makes the events that tell of a response that has not begun.
func (b *builder) announce() []Event {
	b.response.Status = StatusQueued
	return []Event{b.tell(statusCreated), b.tell(StatusQueued)}
}

// statusCreated names an event, though no response is ever in that state.
const statusCreated Status = "created"

// event takes an event of the run and makes those that tell of it. They must be encoded before the next is taken.
func (b *builder) event(ev *generation.Event) []Event {
	switch ev.Kind {
	case generation.Started:
		return b.begin(ev)
	case generation.BlockOpen:
		return b.open(&ev.Block)
	case generation.BlockText:
		return b.add(ev)
	case generation.BlockClose:
		b.addLogprobs(ev.Tokens)
		if ev.Cut {
			return b.close(StatusIncomplete)
		}
		return b.close(StatusCompleted)
	case generation.AnswerEnd:
		b.end(ev)
		return nil
	case generation.End:
		b.response.Usage = newUsage(&ev.Usage)
		if b.keep != nil {
			b.keep(b.response)
		}
		return []Event{b.tellEnd()}
	default:
		return nil
	}
}

func (b *builder) begin(ev *generation.Event) []Event {
	b.response.Routing = ev.Routing
	var out []Event
	if !b.response.Background { // else it was announced
		out = append(out, b.tell(statusCreated))
	}
	b.response.Status = StatusInProgress
	return append(out, b.tell(StatusInProgress))
}

// end notes how the answer ended.
func (b *builder) end(ev *generation.Event) {
	b.response.Routing, b.response.Status = ev.Routing, StatusCompleted
	if ev.Ending.Finish == engine.FinishLength {
		b.response.Status, b.response.IncompleteDetails = StatusIncomplete, &IncompleteDetails{"max_output_tokens"}
	}
	b.response.CompletedAt = new(b.now().Unix())
}

// tellEnd makes the last event. OpenAI has none for a cancelled response: its stream ends with the response as it is.
func (b *builder) tellEnd() Event {
	if b.response.Status == StatusCancelled {
		return b.tell(StatusIncomplete)
	}
	return b.tell(b.response.Status)
}

// cancel ends a response that its client does not want any more.
func (b *builder) cancel() []Event {
	out := b.close(StatusIncomplete)
	b.response.Status = StatusCancelled
	return append(out, b.tellEnd())
}

// fail ends the response with what went wrong with its request. What was written so far stays, as incomplete.
func (b *builder) fail(failure *fault.Error, requestID string) []Event {
	out := b.close(StatusIncomplete)
	code := "server_error"
	if failure.Status < http.StatusInternalServerError {
		code = "invalid_prompt"
	}
	b.response.Status, b.response.Error = StatusFailed, &Error{Code: code, Message: failure.Message, RequestID: requestID}
	return append(out, b.tellEnd())
}

// endWithoutOutput tells the end of a response whose output cannot be encoded, which may be what went wrong. That it
// ended can still be told.
func (b *builder) endWithoutOutput() []Event {
	b.item.kind, b.response.Output = "", []Item{}
	return []Event{b.tellEnd()}
}
