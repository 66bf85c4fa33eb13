package ollama

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/surface"
	"github.com/qwenvld/qwenvld/api/web"
	"github.com/qwenvld/qwenvld/engine"
)

// Reply is a reply in one piece, or a line of a stream.
type Reply struct {
	Model      string    `json:"model"`
	CreatedAt  time.Time `json:"created_at"`
	Message    Message   `json:"message"`
	DoneReason string    `json:"done_reason,omitempty"`
	Done       bool      `json:"done"`
	// Metrics and Routing are of the last line only.
	*Metrics
	Routing *generation.Routing `json:"routing,omitempty"`
}

// Message is the assistant's, or a part of it.
type Message struct {
	Role      string     `json:"role"`
	Content   string     `json:"content"`
	Thinking  string     `json:"thinking,omitempty"`
	ToolCalls []ToolCall `json:"tool_calls,omitempty"`
}

// ToolCall is a call of a function. In a stream it comes whole.
type ToolCall struct {
	ID       string   `json:"id"`
	Function Function `json:"function"`
}

// Function is what is called. Its arguments are an object.
type Function struct {
	Index     int             `json:"index"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

// Metrics say what an answer took. Durations are sent in nanoseconds, counts are of tokens. Loading takes no time:
// weights are loaded before anything is asked. What the prompt took is the time from the request to the first token.
type Metrics struct {
	TotalDuration      time.Duration `json:"total_duration"`
	LoadDuration       time.Duration `json:"load_duration"`
	PromptEvalCount    int           `json:"prompt_eval_count"`
	PromptEvalDuration time.Duration `json:"prompt_eval_duration"`
	EvalCount          int           `json:"eval_count"`
	EvalDuration       time.Duration `json:"eval_duration"`
}

// encoder turns the events of a run into lines.
type encoder struct {
	model string
	// asked is when the request came. first is how long the first token took since then, 0 while there is none.
	asked time.Time
	now   func() time.Time
	first func() time.Duration
	// arguments are those of the open call so far: a call is sent whole.
	arguments strings.Builder
}

var _ surface.Encoder = (*encoder)(nil)

// Event gives the lines of one event.
func (e *encoder) Event(ev *generation.Event) ([]web.Message, error) {
	var m Message
	switch ev.Kind {
	case generation.BlockOpen:
		e.arguments.Reset()
	case generation.BlockText:
		if ev.Block.Kind != generation.Call {
			m.add(&ev.Block, ev.Text)
			return line(e.reply(m))
		}
		e.arguments.WriteString(ev.Text)
	case generation.BlockClose:
		if ev.Block.Kind == generation.Call && m.add(&ev.Block, e.arguments.String()) {
			return line(e.reply(m))
		}
	case generation.AnswerEnd:
		return line(e.last(m, ev.Ending, ev.Routing))
	case generation.Started, generation.End, generation.Progress:
	}
	return nil, nil
}

// add adds what a block holds. A call whose arguments are no object, as where the answer ended in the middle of it, is
// left out: no client could make it.
func (m *Message) add(b *generation.Block, text string) bool {
	switch b.Kind {
	case generation.Reasoning:
		m.Thinking += text
	case generation.Content:
		m.Content += text
	case generation.Call:
		var object map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &object) != nil || object == nil {
			return false
		}
		f := Function{Index: b.Call, Name: b.Name, Arguments: json.RawMessage(text)}
		m.ToolCalls = append(m.ToolCalls, ToolCall{ID: "call_" + b.ID, Function: f})
	}
	return true
}

func (e *encoder) reply(m Message) *Reply {
	m.Role = "assistant"
	return &Reply{Model: e.model, CreatedAt: e.now().UTC(), Message: m}
}

// last is the reply that ends an answer.
func (e *encoder) last(m Message, end *generation.Ending, routing *generation.Routing) *Reply {
	out := e.reply(m)
	out.Done, out.DoneReason, out.Routing = true, string(engine.FinishStop), routing
	if end.Finish == engine.FinishLength {
		out.DoneReason = string(engine.FinishLength)
	}
	total := e.now().Sub(e.asked)
	first := cmp.Or(e.first(), total) // there is no first token where it ended without any
	out.Metrics = &Metrics{
		TotalDuration: total, PromptEvalCount: end.Usage.PromptTokens, PromptEvalDuration: first,
		EvalCount: end.Usage.CompletionTokens, EvalDuration: total - first,
	}
	return out
}

func line(v any) ([]web.Message, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode a line: %w", err)
	}
	return []web.Message{{Data: data}}, nil
}

// Failure is the error as the last line.
func (e *encoder) Failure(failure *fault.Error, requestID string) []web.Message {
	out, _ := line(ErrorBody(failure, requestID)) // texts always encode
	return out
}

// whole is the reply in one piece.
func (e *encoder) whole(w *generation.Whole) any {
	a := &w.Answers[0]
	var m Message
	for i := range a.Blocks {
		m.add(&a.Blocks[i].Block, a.Blocks[i].Text)
	}
	return e.last(m, a.Ending, w.Routing)
}

// ErrorBody is e in Ollama's form, for a web.Form: a text, which names the field at fault too, and beside it the
// request's id. Of a model that does not exist the message says so.
func ErrorBody(e *fault.Error, requestID string) any {
	text := e.Message
	if e.Param != "" && e.Status != http.StatusNotFound {
		text = e.Param + ": " + text
	}
	return map[string]string{"error": text, "request_id": requestID}
}
