package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/qwenvld/qwenvld/api/fault"
)

// Await tells the client of a request, whose reply will be a stream of server-sent events, what its answer waits for:
// as a comment, with which the reply begins. What w was given before are its headers. The stream that NewStream makes
// later goes on from there, and an error in its place ends it.
func (e *Edge) Await(ctx context.Context, w http.ResponseWriter, what string) error {
	rec := RecordOf(ctx)
	if rec.early == nil {
		early, err := e.NewStream(w, &http.Request{}, SSE)
		if err != nil {
			return err
		}
		rec.early = early
	}
	return rec.early.comment(what)
}

// endEarly ends a reply that has begun with comments; false where none has.
func (e *Edge) endEarly(r *http.Request, failure *fault.Error) bool {
	rec := RecordOf(r.Context())
	if rec.early == nil || !rec.early.Begun() {
		return false
	}
	rec.Fail(failure)
	if failure.Status == fault.StatusClientGone {
		return true
	}
	m := Message{Event: e.formOf(r.URL.Path).Event}
	m.Data, _ = json.Marshal(e.errorBody(r.URL.Path, failure, rec.ID)) // texts always encode
	if rec.early.Send(m) == nil {
		_ = rec.early.Flush() // the client left
	}
	return true
}

// formOf is the form of errors at a path; the zero value is OpenAI's.
func (e *Edge) formOf(path string) Form {
	for _, f := range e.forms {
		if path == f.Prefix || strings.HasPrefix(path, f.Prefix+"/") {
			return f
		}
	}
	return Form{}
}
