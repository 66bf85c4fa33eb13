package web

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/engine"
)

func TestErrorsOfHandlersBecomeResponses(t *testing.T) {
	left, leave := context.WithCancel(t.Context())
	leave()
	for name, tc := range map[string]struct {
		err      error
		ctx      context.Context
		counting bool
		status   int
		code     string
		says     string
	}{
		"of the API":    {err: fault.Field("a.b", fault.CodeMissing, "b is missing"), status: 400, code: "missing_required_parameter", says: `"param":"a.b"`},
		"wrapped":       {err: fmt.Errorf("x: %w", fault.ShuttingDown(nil)), status: 503, code: "shutting_down"},
		"unknown":       {err: errors.New("secret"), status: 500, code: "internal_error", says: "The server had an error"},
		"of the engine": {err: &engine.ContextLengthError{ContextSize: 10}, status: 400, code: "context_length_exceeded", says: `"param":"input"`},
		"of a count":    {err: &engine.ContextLengthError{ContextSize: 10}, counting: true, status: 400, code: "context_length_exceeded", says: "too many to be counted"},
		"client gone":   {err: context.Canceled, ctx: left, status: 499, code: "client_closed_request"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEdge(&logged{}, nil)
			h := around(e, func(_ http.ResponseWriter, r *http.Request) error {
				RecordOf(r.Context()).Prompt, RecordOf(r.Context()).Counting = "input", tc.counting
				return tc.err
			})
			r := get("/")
			if tc.ctx != nil {
				r = r.WithContext(tc.ctx)
			}
			got := answer(h, r)
			if got.Code != tc.status || code(t, got) != tc.code || !strings.Contains(got.Body.String(), tc.says) {
				t.Errorf("%d %s", got.Code, got.Body)
			}
			if strings.Contains(got.Body.String(), "secret") {
				t.Errorf("the cause is told: %s", got.Body)
			}
		})
	}
}

func TestErrorsHaveTheFormOfTheirPath(t *testing.T) {
	form := Form{Prefix: "/v1/messages", Body: func(e *fault.Error, id string) any { return e.Code + " of " + id }}
	e := newEdge(&logged{}, func(o *Options) { o.Forms = []Form{form} })
	h := around(e, func(http.ResponseWriter, *http.Request) error { return fault.ShuttingDown(nil) })
	for path, own := range map[string]bool{
		"/v1/messages": true, "/v1/messages/a/b": true, "/v1/messagesx": false, "/v1/chat": false,
	} {
		got := answer(h, get(path))
		want := `{"error":{"message":"The server is shutting down.","type":"server_error","param":null,"code":"shutting_down"},"request_id":"req_id"}`
		if own {
			want = `"shutting_down of req_id"`
		}
		if got.Body.String() != want || got.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s %v", path, got.Body, got.Header())
		}
	}
}

func TestRefusalsSayWhenToComeAgain(t *testing.T) {
	e := newEdge(&logged{}, func(o *Options) { o.RetryIn = func() time.Duration { return 6500 * time.Millisecond } })
	for name, tc := range map[string]struct {
		err    *fault.Error
		wait   string
		closes string
	}{
		"overloaded":  {fault.Overloaded(nil), "7", ""},
		"unavailable": {fault.ShuttingDown(nil), "2", ""},
		"parts":       {&fault.Error{Status: 429, RetryAfter: time.Millisecond}, "1", ""},
		"for good":    {&fault.Error{Status: 400, Closes: true}, "", "close"},
	} {
		before := *tc.err
		got := answer(around(e, func(http.ResponseWriter, *http.Request) error { return tc.err }), get("/")).Header()
		if got.Get("Retry-After") != tc.wait || got.Get("Connection") != tc.closes {
			t.Errorf("%s: %v", name, got)
		}
		if *tc.err != before {
			t.Errorf("%s: the error was changed", name)
		}
	}
	var w writer
	New(Options{}).Refuse(&w, get("/"), fault.Overloaded(nil))
	if got := w.header.Get("Retry-After"); got != "2" {
		t.Errorf("without an estimate: %q", got)
	}
}

func TestJSONIsSentWithinTheTimeout(t *testing.T) {
	now := time.Unix(1000, 0)
	var w writer
	New(Options{Now: func() time.Time { return now }, WriteTimeout: 30 * time.Second}).WriteJSON(&w, http.StatusAccepted, map[string]int{"a": 1})
	if w.status != http.StatusAccepted || w.text.String() != `{"a":1}` || w.header.Get("Content-Length") != "7" {
		t.Errorf("%d %s %v", w.status, &w.text, w.header)
	}
	if len(w.deadlines) != 1 || !w.deadlines[0].Equal(now.Add(30*time.Second)) {
		t.Errorf("%v", w.deadlines)
	}
	w = writer{}
	w.Header().Set(HeaderRequestID, "req_id")
	New(Options{}).WriteJSON(&w, http.StatusOK, math.NaN())
	const failed = `{"error":{"message":"encoding failed","type":"server_error","param":null,"code":null},"request_id":"req_id"}`
	if w.status != http.StatusInternalServerError || w.text.String() != failed || len(w.deadlines) > 0 {
		t.Errorf("what cannot be encoded: %d %s %v", w.status, &w.text, w.deadlines)
	}
}

func TestRandomIDsDiffer(t *testing.T) {
	a, b := RandomID(), RandomID()
	if a == b || len(a) != 24 || !isHarmlessID(a) {
		t.Errorf("%s, %s", a, b)
	}
}
