package fault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

var (
	// ErrShuttingDown is the cancellation cause of requests that outlive the drain deadline.
	ErrShuttingDown = errors.New("the server is shutting down")
	// ErrClientGone is the cancellation cause of requests whose client does not read any more.
	ErrClientGone = errors.New("the client is gone")
)

// Origin tells From what kind of request an error came from.
type Origin struct {
	// Prompt is the member of the request that carries the prompt: "messages" where it is empty.
	Prompt string
	// Counting says that no answer was asked for: the prompt is counted, or made tokens of.
	Counting bool
}

// From converts any error to the one that the client sees. Unknown errors become a 500 whose message says nothing about
// the inside. ctx is the request's: an error after its cancellation is told by the cancellation's cause.
func From(ctx context.Context, err error, o Origin) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	cause := context.Cause(ctx)
	switch {
	case errors.As(cause, &e):
		return e
	case errors.Is(cause, ErrShuttingDown), errors.Is(err, ErrShuttingDown):
		return ShuttingDown(err)
	case cause != nil, errors.Is(err, ErrClientGone):
		return &Error{
			Status: StatusClientGone, Type: TypeInvalidRequest, Code: CodeClientGone, Message: "The client closed the request.", Cause: err,
		}
	}
	o.Prompt = cmp.Or(o.Prompt, "messages")
	if e := fromRequest(err, o); e != nil {
		return e
	}
	if e := fromModel(err); e != nil {
		return e
	}
	return &Error{
		Status: http.StatusInternalServerError, Type: TypeServer, Code: CodeInternal,
		Message: "The server had an error while processing the request.", Cause: err,
	}
}

// fromRequest converts what engine and router refuse a request for; nil for any other error.
func fromRequest(err error, o Origin) *Error {
	var (
		length *engine.ContextLengthError
		field  *engine.RequestError
		budget *router.BudgetError
	)
	switch {
	case errors.As(err, &length):
		e := Field(o.Prompt, CodeContextLength, "%s", contextMessage(length, o.Counting))
		e.Cause = err
		return e
	case errors.As(err, &field):
		return Field(requestField(field.Field, o.Prompt), CodeInvalidValue, "%s", field.Message)
	case errors.As(err, &budget):
		param := string(budget.Source)
		if budget.Source == router.SourceThinking {
			param = "thinking.budget_tokens"
		}
		return Field(param, CodeInvalidValue, "%s", budget.Error())
	}
	return nil
}

// fromModel converts what keeps a model from answering; nil for any other error.
func fromModel(err error) *Error {
	switch {
	case errors.Is(err, engine.ErrUnavailable), errors.Is(err, router.ErrNothingLoaded):
		return NotLoaded("The model", err)
	case errors.Is(err, engine.ErrOverloaded):
		return Unavailable(CodeOverloaded, "Too many requests are waiting for the model.", err)
	case errors.Is(err, engine.ErrLate):
		return TooLate("Requests before this one took so long that its answer could not begin in time.", RetryAfter, err)
	case errors.Is(err, engine.ErrWorkerDied):
		return &Error{
			Status: http.StatusInternalServerError, Type: TypeServer, Code: CodeWorkerDied,
			Message: "The model process ended unexpectedly; it is being restarted.", Cause: err,
		}
	}
	return nil
}

func contextMessage(e *engine.ContextLengthError, counting bool) string {
	if e.Told != "" {
		return e.Told
	}
	if counting {
		return fmt.Sprintf("The text has %s tokens, which are too many to be counted. This model's context holds %d.",
			e.Prompt(), e.ContextSize)
	}
	return fmt.Sprintf("This model's context holds %d tokens. The prompt has %s tokens, which leaves no room for an answer.",
		e.ContextSize, e.Prompt())
}

// requestField maps a field of engine.Request to the parameter it came from.
func requestField(f, prompt string) string {
	if name, ok := strings.CutPrefix(f, "sampling."); ok && name != "" {
		return name
	}
	switch f {
	case "prompt", "pieces", "tokens":
		return prompt
	case "constraint": // of response_format, structured_outputs or a tool: the message says what is wrong with it
		return ""
	}
	return f
}

// NotLoaded refuses a request for a model whose weights are not ready, in words for its client. model begins the
// sentence.
func NotLoaded(model string, err error) *Error {
	e := Unavailable(CodeModelNotLoaded, fmt.Sprintf("%s %s.", model, whyNotLoaded(err)), err)
	var down *engine.UnavailableError
	if errors.As(err, &down) && down.RetryIn > e.RetryAfter {
		e.RetryAfter = down.RetryIn
	}
	return e
}

func whyNotLoaded(err error) string {
	var down *engine.UnavailableError
	if !errors.As(err, &down) {
		return "is not loaded at the moment"
	}
	why := ""
	if down.Reason != "" {
		why = ": " + WithoutFolders(down.Reason)
	}
	switch down.State {
	case engine.StateDownloading:
		return fmt.Sprintf("is being fetched (%.0f%%)", 100*down.Progress)
	case engine.StateUnloading:
		return "is being unloaded"
	case engine.StateLoading:
		return fmt.Sprintf("is being loaded (%.0f%%)", 100*down.Progress)
	case engine.StateRestarting:
		return "is being restarted"
	case engine.StateStalled:
		return "does not respond at the moment"
	case engine.StateFailed:
		if why == "" {
			why = "; the server's readiness says why"
		}
		return "could not be loaded" + why
	case engine.StateReady, engine.StateStopped, engine.StateUnloaded:
	}
	return "is not loaded at the moment" + why
}

// folders are the parts of a path before its last, quoted or not.
var folders = regexp.MustCompile(`"/(?:[^"/]+/)+|/(?:[^"/\s]+/)+`)

// WithoutFolders leaves the bare names of files in text.
func WithoutFolders(text string) string {
	return folders.ReplaceAllStringFunc(text, func(path string) string {
		if path[0] == '"' {
			return `"`
		}
		return ""
	})
}
