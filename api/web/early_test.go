package web

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/api/fault"
)

// serveOnce is the reply of a handler to a request for a path.
func serveOnce(t *testing.T, e *Edge, path string, h HandlerFunc) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(WithRecord(t.Context(), &Record{ID: "id"}), http.MethodPost, path, http.NoBody)
	e.Handle(h)(w, r)
	return w
}

func TestAStreamGoesOnFromWhatItWaitedFor(t *testing.T) {
	e := newEdge(&logged{}, nil)
	got := serveOnce(t, e, "/x", func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("X-Who", "thinking")
		for _, what := range []string{"loading 0%", "loading 50%"} {
			if err := e.Await(r.Context(), w, what); err != nil {
				return err
			}
		}
		s, err := e.NewStream(w, r, SSE)
		if err != nil {
			return err
		}
		if err := s.Send(Message{Data: []byte("hello")}); err != nil {
			return err
		}
		return s.Flush()
	})
	if got.Code != http.StatusOK || got.Header().Get("X-Who") != "thinking" || got.Header().Get("Content-Type") != "text/event-stream" {
		t.Errorf("%d %v", got.Code, got.Header())
	}
	if body := got.Body.String(); body != ": loading 0%\n\n: loading 50%\n\ndata: hello\n\n" {
		t.Errorf("%q", body)
	}
}

func TestAnErrorAfterWaitingEndsTheStream(t *testing.T) {
	for path, begins := range map[string]string{"/x": "data: {\"error\"", "/form/x": "event: oops\ndata: {\"in\":\"a form\"}"} {
		e := newEdge(&logged{}, nil)
		e.forms = []Form{{Prefix: "/form", Event: "oops", Body: func(*fault.Error, string) any { return map[string]string{"in": "a form"} }}}
		var rec *Record
		got := serveOnce(t, e, path, func(w http.ResponseWriter, r *http.Request) error {
			rec = RecordOf(r.Context())
			if err := e.Await(r.Context(), w, "loading"); err != nil {
				return err
			}
			return errors.New("it broke")
		})
		body := got.Body.String()
		if got.Code != http.StatusOK || !strings.HasPrefix(body, ": loading\n\n"+begins) || strings.Contains(body, "it broke") {
			t.Errorf("%d %q", got.Code, body)
		}
		if rec.Err == nil || rec.Err.Code != fault.CodeInternal {
			t.Errorf("the log is told %+v", rec.Err)
		}
	}
}
