package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/qwenvld/qwenvld/api/fault"
)

// job is Work that took some tokens.
type job int

var _ Work = job(0)

func (j job) Attrs() []slog.Attr {
	return []slog.Attr{slog.String("variant", "instruct"), slog.Int("prompt_tokens", int(j))}
}

func (j job) Tokens() int { return int(j) }

// withoutTime is a log whose lines begin with their level.
func withoutTime(log *logged) *slog.Logger {
	return slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func TestTheLogSaysWhatBecameOfARequest(t *testing.T) {
	for name, tc := range map[string]struct {
		handler HandlerFunc
		want    string
		counts  string
	}{
		"an answer": {
			func(w http.ResponseWriter, r *http.Request) error {
				rec := RecordOf(r.Context())
				rec.Key, rec.Stream, rec.Work, rec.Skipped, rec.Unstored = "ann", true, job(7), []string{"a", "b"}, true
				_, err := w.Write([]byte("hello"))
				return err
			},
			"level=INFO msg=request request_id=req_id method=GET route=/a/{x} status=200 bytes=5 duration=2s key=ann stream=true " +
				"variant=instruct prompt_tokens=7 skipped_tools=\"[a b]\" stored=false\n",
			"requested /a/{x} 200",
		},
		"a refusal": {
			func(http.ResponseWriter, *http.Request) error {
				return fault.Field("messages[0].secret", fault.CodeInvalidValue, "secret")
			},
			"level=INFO msg=request request_id=req_id method=GET route=/a/{x} status=400 bytes=135 duration=2s " +
				"error_code=invalid_value error_param=messages[0].…\n",
			"failed invalid_value, requested /a/{x} 400",
		},
		"an error of the server": {
			func(http.ResponseWriter, *http.Request) error { return errors.New("oh") },
			"level=ERROR msg=request request_id=req_id method=GET route=/a/{x} status=500 bytes=158 duration=2s " +
				"error_code=internal_error error_param=\"\" error=\"The server had an error while processing the request.: oh\"\n",
			"failed internal_error, requested /a/{x} 500",
		},
		"a client that left": {
			func(http.ResponseWriter, *http.Request) error { return fault.ErrClientGone },
			"level=INFO msg=request request_id=req_id method=GET route=/a/{x} status=499 bytes=151 duration=2s " +
				"error_code=client_closed_request error_param=\"\"\n",
			"failed client_closed_request, requested /a/{x} 499",
		},
		"a stranger": {
			func(_ http.ResponseWriter, r *http.Request) error {
				RecordOf(r.Context()).Stranger = true
				return nil
			},
			"level=INFO msg=request request_id=req_id method=GET route=\"\" status=0 bytes=0 duration=2s\n",
			"requested  200",
		},
		"a stream that broke off": {
			func(w http.ResponseWriter, r *http.Request) error {
				w.WriteHeader(http.StatusAccepted)
				RecordOf(r.Context()).Fail(fault.ShuttingDown(nil))
				return nil
			},
			"level=ERROR msg=request request_id=req_id method=GET route=/a/{x} status=202 bytes=0 duration=2s " +
				"error_code=shutting_down error_param=\"\" error=\"The server is shutting down.\"\n",
			"failed shutting_down, requested /a/{x} 503",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log logged
			counter := newCounted()
			now := time.Unix(1000, 0)
			e := newEdge(&log, func(o *Options) {
				o.Counter, o.Logger, o.Now = counter, withoutTime(&log), func() time.Time { return now }
			})
			m := chi.NewRouter()
			m.Use(e.Identify, e.LogAccess)
			m.Get("/a/{x}", e.Handle(func(w http.ResponseWriter, r *http.Request) error {
				now = now.Add(2 * time.Second)
				return tc.handler(w, r)
			}))
			answer(m, get("/a/hunter2"))
			if got := log.String(); got != tc.want {
				t.Errorf("got  %swant %s", got, tc.want)
			}
			if got := counter.String(); got != tc.counts {
				t.Errorf("%s", got)
			}
		})
	}
}

func TestWhatGoesOnAfterARequestIsLoggedLikeOne(t *testing.T) {
	var log logged
	counter := newCounted()
	e := newEdge(&log, func(o *Options) { o.Counter, o.Logger = counter, withoutTime(&log) })
	rec := &Record{ID: "req_1", Work: job(3), Err: fault.ShuttingDown(nil)}
	e.Log(context.Background(), rec, "background response", slog.String("response", "resp_1"))
	want := "level=ERROR msg=\"background response\" request_id=req_1 response=resp_1 stream=false variant=instruct prompt_tokens=3 " +
		"error_code=shutting_down error_param=\"\" error=\"The server is shutting down.\"\n"
	if got := log.String(); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	if got := counter.String(); got != "failed shutting_down" {
		t.Errorf("%s", got)
	}
}

func TestARecordTravelsInTheContext(t *testing.T) {
	rec := &Record{Work: job(5)}
	if got := RecordOf(WithRecord(t.Context(), rec)); got != rec || got.Tokens() != 5 {
		t.Errorf("%v", got)
	}
	if got := RecordOf(t.Context()); got == nil || got.Tokens() != 0 {
		t.Errorf("outside of requests: %v", got)
	}
	RecordOf(t.Context()).Fail(fault.ShuttingDown(nil))
	if got := RecordOf(t.Context()).Err; got != nil {
		t.Errorf("what nobody reads is kept: %v", got)
	}
}

func TestTheLoggedWriterIsStillAConnection(t *testing.T) {
	var inner writer
	inner.header = http.Header{}
	w := &responseWriter{ResponseWriter: &inner}
	rc := http.NewResponseController(w)
	if err := errors.Join(rc.Flush(), rc.SetWriteDeadline(time.Unix(1, 0))); err != nil || inner.flushes != 1 || len(inner.deadlines) != 1 {
		t.Errorf("%v: %d flushes, deadlines %v", err, inner.flushes, inner.deadlines)
	}
	inner.breaks(errors.New("broken"))
	if err := rc.Flush(); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("the error of a flush is lost: %v", err)
	}
	w.WriteHeader(http.StatusTeapot)
	w.WriteHeader(http.StatusOK)
	if w.status != http.StatusTeapot {
		t.Errorf("the status is said to be %d", w.status)
	}
}
