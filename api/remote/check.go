package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
)

// errForm is an answer that is not of the form that was asked for.
var errForm = errors.New("the answer is not of the form that was asked for")

// checks says whether an answer is looked at before any of it is sent: it has a form, and either the servers do not
// enforce forms or nobody watches it come.
func (p *prepared) checks() bool {
	req, can := p.decided.Request, p.backend.o.Cluster.Can()
	return !can.Verifies && (req.Form != nil && !req.Loose || req.Choice.Required) && (!can.Enforces || !req.Stream)
}

// checked opens an answer. One that has to be looked at is waited for, and asked for once more where it is not of its
// form.
func (p *prepared) checked(open func(again int) (engine.Stream, error)) (engine.Stream, error) {
	if !p.checks() {
		return open(0)
	}
	const times = 2
	for again := range times {
		stream, err := open(again)
		if err != nil {
			return nil, err
		}
		events, err := readAll(stream)
		if err != nil {
			return nil, err
		}
		if err = conforms(p.decided.Request, events); err == nil {
			return &replayed{events: events}, nil
		}
		p.backend.o.Logger.Info("an answer of a server is not of its form", "request_id", p.decided.Caller.ID, "times", again+1)
	}
	return nil, &fault.Error{
		Status: http.StatusInternalServerError, Type: fault.TypeServer, Code: fault.CodeUpstream,
		Message: "The server that has the model twice gave an answer that is not of the form that was asked for.", Cause: errForm,
	}
}

func readAll(s engine.Stream) (events []engine.Event, err error) {
	defer func() { _ = s.Close() }()
	for {
		ev, err := s.Next()
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return nil, err
		}
		events = append(events, ev)
	}
}

// replayed is an answer that has come.
type replayed struct{ events []engine.Event }

var _ engine.Stream = (*replayed)(nil)

// Next gives its events again.
func (r *replayed) Next() (engine.Event, error) {
	if len(r.events) == 0 {
		return engine.Event{}, io.EOF
	}
	ev := r.events[0]
	r.events = r.events[1:]
	return ev, nil
}

// Close has nothing to end.
func (*replayed) Close() error { return nil }

// conforms looks whether an answer is of the form that was asked for. One that was cut cannot be.
func conforms(req *request.Request, events []engine.Event) error {
	var text string
	var calls []string
	parser := prompt.NewParser(prompt.ParserOptions{ThinkOpen: events[0].Start.ThinkOpen, Tools: req.Callable})
	take := func(deltas []prompt.Delta) {
		for _, d := range deltas {
			if text += d.Content; d.ToolCall != nil && d.ToolCall.Name != "" {
				calls = append(calls, d.ToolCall.Name)
			}
		}
	}
	for i := range events {
		take(parser.Add(events[i].Text))
	}
	take(parser.Close())
	result := events[len(events)-1].Result
	if result.FinishReason != engine.FinishStop || result.StopString != "" {
		return nil
	}
	if req.Choice.Required {
		if len(calls) == 0 || req.Choice.Name != "" && slices.ContainsFunc(calls, func(c string) bool { return c != req.Choice.Name }) {
			return fmt.Errorf("%w: the call is missing", errForm)
		}
		return nil
	}
	if len(calls) > 0 {
		return nil
	}
	return hasForm(req.Form, text)
}

// hasForm looks at the whole text of an answer.
func hasForm(f *engine.Constraint, text string) error {
	switch {
	case f.Object:
		var object map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			return fmt.Errorf("%w: %w", errForm, err)
		}
	case f.Schema != nil:
		if err := generation.CheckSchema(f, []byte(text)); err != nil {
			return fmt.Errorf("%w: %w", errForm, err)
		}
	case f.Pattern != "":
		whole, err := regexp.Compile("^(?:" + f.Pattern + ")$")
		if err != nil {
			return fmt.Errorf("read the pattern: %w", err)
		}
		if !whole.MatchString(text) {
			return fmt.Errorf("%w: the pattern does not match", errForm)
		}
	case f.Choices != nil:
		if !slices.Contains(f.Choices, strings.TrimSpace(text)) {
			return fmt.Errorf("%w: it is none of the choices", errForm)
		}
	}
	return nil
}
