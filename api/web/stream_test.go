package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/api/fault"
)

func newStream(t *testing.T, w http.ResponseWriter, framing Framing, edit func(*Options)) *Stream {
	t.Helper()
	s, err := newEdge(&logged{}, edit).NewStream(w, get("/"), framing)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMessagesAreFramed(t *testing.T) {
	messages := []Message{{Data: []byte(`{"a":1}`)}, {Event: "ping", Data: []byte("{}")}, {Data: []byte("[DONE]")}}
	for framing, want := range map[Framing]struct{ text, kind string }{
		SSE:   {"data: {\"a\":1}\n\nevent: ping\ndata: {}\n\ndata: [DONE]\n\n", "text/event-stream"},
		Lines: {"{\"a\":1}\n{}\n[DONE]\n", "application/x-ndjson"},
	} {
		var w writer
		s := newStream(t, &w, framing, nil)
		if err := errors.Join(s.Send(messages[:2]...), s.Send(messages[2]), s.Flush()); err != nil {
			t.Fatal(err)
		}
		if w.sent() != want.text || w.status != http.StatusOK {
			t.Errorf("%d %q", w.status, w.sent())
		}
		h := w.header
		if h.Get("Content-Type") != want.kind || h.Get("Cache-Control") != "no-cache" || h.Get("X-Accel-Buffering") != "no" {
			t.Errorf("%v", h)
		}
	}
}

func TestAStreamBeginsWithItsFirstMessage(t *testing.T) {
	for name, begin := range map[string]func(s *Stream) error{
		"Begin":     func(s *Stream) error { s.Begin(); s.Begin(); return nil },
		"Send":      func(s *Stream) error { return s.Send(Message{Data: []byte("x")}) },
		"KeepAlive": (*Stream).KeepAlive,
	} {
		var w writer
		s := newStream(t, &w, SSE, nil)
		if err := errors.Join(s.Flush(), s.Send()); err != nil || s.Begun() || w.status != 0 || w.flushes > 0 {
			t.Errorf("%s: begun by nothing: %v", name, err)
		}
		if err := begin(s); err != nil || !s.Begun() || w.status != http.StatusOK {
			t.Errorf("%s: %v, begun %t, status %d", name, err, s.Begun(), w.status)
		}
	}
}

func TestHeadersLeaveBeforeTheFirstMessage(t *testing.T) {
	for _, framing := range []Framing{SSE, Lines} {
		var w writer
		s := newStream(t, &w, framing, nil)
		s.Begin()
		if err := s.Flush(); err != nil || w.flushes == 0 {
			t.Errorf("%v, %d flushes", err, w.flushes)
		}
		before := w.flushes
		if err := s.Flush(); err != nil || w.flushes != before {
			t.Errorf("%v: nothing is flushed", err)
		}
	}
}

func TestEveryWriteHasADeadline(t *testing.T) {
	now := time.Unix(1000, 0)
	var w writer
	s := newStream(t, &w, SSE, func(o *Options) { o.Now, o.WriteTimeout = func() time.Time { return now }, 30*time.Second })
	for _, write := range []func() error{
		func() error { return s.Send(Message{Data: []byte("x")}) }, s.Flush, s.KeepAlive,
	} {
		now = now.Add(time.Hour)
		if err := write(); err != nil {
			t.Fatal(err)
		}
		if got := w.deadlines[len(w.deadlines)-1]; !got.Equal(now.Add(30 * time.Second)) {
			t.Errorf("at %v the deadline is %v", now, got)
		}
	}
}

func TestAClientThatIsGoneIsToldOnce(t *testing.T) {
	broken := errors.New("broken pipe")
	for name, write := range map[string]func(s *Stream) error{
		"Send":      func(s *Stream) error { return s.Send(Message{Data: []byte("x")}) },
		"Flush":     func(s *Stream) error { s.Begin(); return s.Flush() },
		"KeepAlive": (*Stream).KeepAlive,
	} {
		for _, framing := range []Framing{SSE, Lines} {
			var w writer
			w.breaks(broken)
			s := newStream(t, &w, framing, nil)
			var told []error
			s.OnGone = func(err error) { told = append(told, err) }
			err := write(s)
			if framing == Lines && name == "KeepAlive" {
				if err != nil {
					t.Errorf("lines have no comments: %v", err)
				}
				continue
			}
			w.breaks(nil)
			again := errors.Join(s.Send(Message{Data: []byte("x")}))
			if !errors.Is(err, fault.ErrClientGone) || !errors.Is(err, broken) || !errors.Is(again, fault.ErrClientGone) {
				t.Errorf("%s: %v, then %v", name, err, again)
			}
			if len(told) != 1 || !errors.Is(told[0], broken) {
				t.Errorf("%s: told %v", name, told)
			}
			if w.text.Len() > 0 {
				t.Errorf("%s: written to a client that is gone: %q", name, &w.text)
			}
		}
	}
}

func TestWritersThatCannotFlushAreNoStreams(t *testing.T) {
	for _, framing := range []Framing{SSE, Lines} {
		if _, err := newEdge(&logged{}, nil).NewStream(struct{ http.ResponseWriter }{&writer{}}, get("/"), framing); err == nil {
			t.Errorf("framing %d: no error", framing)
		}
	}
}

func TestMessagesStayWholeWhoeverWrites(t *testing.T) {
	var w writer
	s := newStream(t, &w, SSE, nil)
	const each = 200
	var all sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		all.Go(func() {
			for range each {
				if err := errors.Join(s.Send(Message{Event: name, Data: []byte(name)}), s.Flush()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Go(func() {
		for range each {
			if err := s.KeepAlive(); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	rest := w.sent()
	for _, m := range []string{"event: a\ndata: a\n\n", "event: b\ndata: b\n\n", ": keep-alive\n\n"} {
		if n := strings.Count(rest, m); n != each {
			t.Errorf("%q came %d times", m, n)
		}
		rest = strings.ReplaceAll(rest, m, "")
	}
	if rest != "" {
		t.Errorf("torn: %q", rest)
	}
}

func explain(e *fault.Error) []Message { return []Message{{Event: "error", Data: []byte(e.Code)}} }

func TestTheEndOfAStreamSaysWhatWentWrong(t *testing.T) {
	stopped, stop := context.WithCancelCause(t.Context())
	stop(fault.ErrShuttingDown)
	for name, tc := range map[string]struct {
		ctx   context.Context
		begun bool
		err   error
		sent  string
		code  string // in the record
	}{
		"nothing":          {t.Context(), true, nil, "", ""},
		"nothing yet":      {t.Context(), false, nil, "", ""},
		"late":             {t.Context(), true, errors.New("oh"), "event: error\ndata: internal_error\n\n", "internal_error"},
		"of the API":       {t.Context(), true, fault.Overloaded(nil), "event: error\ndata: overloaded\n\n", "overloaded"},
		"while stopping":   {stopped, true, context.Canceled, "event: error\ndata: shutting_down\n\n", "shutting_down"},
		"client gone":      {t.Context(), true, fmt.Errorf("x: %w", fault.ErrClientGone), "", "client_closed_request"},
		"before the first": {t.Context(), false, errors.New("oh"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var w writer
			s := newStream(t, &w, SSE, nil)
			if tc.begun {
				s.Begin()
			}
			rec := &Record{}
			err := s.Finish(WithRecord(tc.ctx, rec), tc.err, explain)
			var failure *fault.Error
			if early := tc.err != nil && !tc.begun; early != (err != nil) || early && !errors.As(err, &failure) {
				t.Errorf("%v", err)
			}
			if w.sent() != tc.sent {
				t.Errorf("%q", w.sent())
			}
			if tc.code == "" && rec.Err != nil || tc.code != "" && (rec.Err == nil || rec.Err.Code != tc.code) {
				t.Errorf("the record has %v", rec.Err)
			}
		})
	}
}
