package web

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/qwenvld/qwenvld/api/fault"
)

// Work is what was decided and made for a request.
type Work interface {
	// Attrs are what the log says of it: never prompts, answers or pixels.
	Attrs() []slog.Attr
	// Tokens are how many it took, or has taken so far, for its client's account.
	Tokens() int
}

// Record collects what the access log says of a request. Only the request's own goroutine touches it.
type Record struct {
	ID string
	// Key is the name of the API key.
	Key string
	// Trace is the id of the trace that the request is a part of, empty where it is not traced.
	Trace string
	// Prompt is the member of the body that carries the prompt, "messages" where it is empty.
	Prompt string
	// Stream says that the answer is streamed, Background that it is made after the request is over.
	Stream, Background bool
	// Detached is set where the work goes on when the request is over, and gives back what the request holds.
	Detached bool
	// Stranger is set for a request without a key, which is not counted for its route.
	Stranger bool
	// Counting says that no answer was asked for: the prompt is counted, or made tokens of.
	Counting bool
	// Unstored is set where a response was to be stored and was not.
	Unstored bool
	// Err is why the request was refused or its answer broke off.
	Err *fault.Error
	// Skipped are the kinds of tools that were left out.
	Skipped []string
	// Work is nil before anything is decided.
	Work Work
	// early is the reply, where it has begun before it is known what it will hold.
	early *Stream
}

// Fail notes why the request was refused or its answer broke off.
func (r *Record) Fail(e *fault.Error) { r.Err = e }

// Tokens are what the request took; of one that was broken off, about what it had produced.
func (r *Record) Tokens() int {
	if r.Work == nil {
		return 0
	}
	return r.Work.Tokens()
}

// Origin says what kind of request an error came from.
func (r *Record) Origin() fault.Origin { return fault.Origin{Prompt: r.Prompt, Counting: r.Counting} }

func (r *Record) level() slog.Level {
	if r.Err != nil && r.Err.Status >= http.StatusInternalServerError {
		return slog.LevelError
	}
	return slog.LevelInfo
}

func (r *Record) attrs(words vocabulary) []slog.Attr {
	var a []slog.Attr
	if r.Key != "" {
		a = append(a, slog.String("key", r.Key))
	}
	if r.Trace != "" {
		a = append(a, slog.String("trace_id", r.Trace))
	}
	if r.Work != nil {
		a = append(append(a, slog.Bool("stream", r.Stream)), r.Work.Attrs()...)
	}
	if len(r.Skipped) > 0 {
		a = append(a, slog.Any("skipped_tools", r.Skipped))
	}
	if r.Unstored {
		a = append(a, slog.Bool("stored", false))
	}
	if r.Err != nil {
		a = append(a, slog.String("error_code", r.Err.Code), slog.String("error_param", words.path(r.Err.Param)))
		// The text of a 4xx may quote the request; causes of server errors are our own.
		if r.Err.Status >= http.StatusInternalServerError {
			a = append(a, slog.String("error", r.Err.Error()))
		}
	}
	return a
}

// recordKey is the key of a request's record in its context.
type recordKey struct{}

// RecordOf returns the request's record, or one that nobody reads outside of requests.
func RecordOf(ctx context.Context) *Record {
	if r, ok := ctx.Value(recordKey{}).(*Record); ok {
		return r
	}
	return &Record{}
}

// WithRecord returns a context that carries r.
func WithRecord(ctx context.Context, r *Record) context.Context {
	return context.WithValue(ctx, recordKey{}, r)
}
