package web

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestRequestIDsAreTakenOverWhereTheyAreHarmless(t *testing.T) {
	e := newEdge(&logged{}, nil)
	for sent, want := range map[string]string{
		"": "req_id", "abc-1_2.3:Z": "abc-1_2.3:Z", strings.Repeat("x", 128): strings.Repeat("x", 128), strings.Repeat("x", 129): "req_id",
		"a b": "req_id", "a\"b": "req_id", "ä": "req_id",
	} {
		var inside string
		h := e.Identify(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { inside = RecordOf(r.Context()).ID }))
		r := get("/")
		r.Header.Set(HeaderRequestID, sent)
		if got := answer(h, r).Header().Get(HeaderRequestID); got != want || inside != want {
			t.Errorf("%q: %q in the header, %q in the record", sent, got, inside)
		}
	}
}

// reader is a writer whose deadline of reads is looked at.
type reader struct {
	writer
	deadline time.Time
}

func (r *reader) SetReadDeadline(t time.Time) error { r.deadline = t; return nil }

func TestDeadlinesAreSetAnewForEachRequest(t *testing.T) {
	now := time.Unix(1000, 0)
	e := New(Options{Now: func() time.Time { return now }, Grace: 10 * time.Second})
	for body, want := range map[string]time.Time{"": {}, "{": now.Add(10 * time.Second)} {
		var w reader
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		e.Identify(http.NotFoundHandler()).ServeHTTP(&w, r)
		if !w.deadline.Equal(want) {
			t.Errorf("with the body %q reads have until %v", body, w.deadline)
		}
		if len(w.deadlines) == 0 || !w.deadlines[0].IsZero() {
			t.Errorf("an earlier deadline is left: %v", w.deadlines)
		}
	}
}

func TestPanicsBecomeErrors(t *testing.T) {
	var log logged
	counter := newCounted()
	e := newEdge(&log, func(o *Options) { o.Counter = counter })
	got := answer(around(e, func(http.ResponseWriter, *http.Request) error { panic("oh") }), get("/"))
	if got.Code != http.StatusInternalServerError || code(t, got) != "internal_error" || strings.Contains(got.Body.String(), "oh") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	for _, want := range []string{"handler panicked", "request_id=req_id panic=oh stack=", "level=ERROR msg=request", `error="The server had an error`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s is not in %s", want, log.String())
		}
	}
	if got := counter.String(); got != "failed internal_error, requested  500" {
		t.Errorf("%s", got)
	}
}

func TestPanicsInAReplyEndTheConnection(t *testing.T) {
	for name, tc := range map[string]struct {
		handler HandlerFunc
		counts  string
	}{
		"after the first byte": {func(w http.ResponseWriter, _ *http.Request) error {
			_, _ = w.Write([]byte("x"))
			panic("oh")
		}, "failed internal_error, requested  500"},
		"on purpose": {func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) }, "requested  200"},
	} {
		counter := newCounted()
		e := newEdge(&logged{}, func(o *Options) { o.Counter = counter })
		func() {
			defer func() {
				if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
					t.Errorf("%s: net/http is not told: %v", name, err)
				}
			}()
			answer(around(e, tc.handler), get("/"))
		}()
		if got := counter.String(); got != tc.counts {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestLongHeadersAreRefused(t *testing.T) {
	e := newEdge(&logged{}, nil)
	h := around(e, func(http.ResponseWriter, *http.Request) error { return nil })
	for size, status := range map[int]int{maxHeader - 100: http.StatusOK, maxHeader: http.StatusRequestHeaderFieldsTooLarge} {
		r := get("/")
		r.Header.Set("X-Long", strings.Repeat("x", size/2))
		r.Header.Add("X-Long", strings.Repeat("x", size/2))
		got := answer(h, r)
		if got.Code != status {
			t.Errorf("%d bytes: %d", size, got.Code)
		}
		if status != http.StatusOK && (code(t, got) != "header_too_large" || got.Header().Get("Connection") != "close") {
			t.Errorf("%s %v", got.Body, got.Header())
		}
	}
}
