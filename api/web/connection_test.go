package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/qwenvld/qwenvld/api/fault"
)

// A stream over a real connection: what was sent stays sent, and the log says why it ended.
func TestStreamsThatAreBrokenOffAreLoggedAsSuch(t *testing.T) {
	for name, tc := range map[string]struct {
		leaves bool
		cause  error
		log    string
		rest   string
		counts string
	}{
		"the client leaves": {leaves: true, log: "error_code=client_closed_request", counts: "failed client_closed_request, requested /s 499"},
		"the server stops": {
			cause: fault.ErrShuttingDown, log: "error_code=shutting_down", rest: "event: error\ndata: shutting_down\n\n",
			counts: "failed shutting_down, requested /s 503",
		},
		"the work ends": {cause: io.EOF, log: "status=200 bytes=9", counts: "requested /s 200"},
	} {
		t.Run(name, func(t *testing.T) {
			var log logged
			counter := newCounted()
			e := newEdge(&log, func(o *Options) { o.Counter, o.KeepAlive = counter, time.Hour })
			events, stop := make(chan string, 1), make(chan error, 1)
			events <- "x"
			m := chi.NewRouter()
			m.Use(e.Identify, e.LogAccess, e.RecoverPanic, e.BoundHeader)
			m.Get("/s", e.Handle(func(w http.ResponseWriter, r *http.Request) error {
				s, err := e.NewStream(w, r, SSE)
				if err != nil {
					return err
				}
				ctx, cancel := context.WithCancelCause(r.Context())
				defer cancel(nil)
				s.OnGone = cancel
				src := &feed{ctx: ctx, events: events}
				ended := make(chan struct{})
				defer func() { <-ended }()
				go func() {
					defer close(ended)
					select {
					case err := <-stop:
						if errors.Is(err, io.EOF) {
							close(events)
						} else {
							cancel(err)
						}
					case <-ctx.Done():
					}
				}()
				return s.Finish(ctx, Relay(s, src, asData), explain)
			}))
			site := httptest.NewServer(m)
			defer site.Close()
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, site.URL+"/s", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := site.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			first := make([]byte, len("data: x\n\n"))
			if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "data: x\n\n" {
				t.Fatalf("%v %q", err, first)
			}
			if tc.leaves {
				leave()
			} else {
				stop <- tc.cause
				if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != tc.rest {
					t.Errorf("%v %q", err, rest)
				}
			}
			<-counter.over
			if got := log.String(); !strings.Contains(got, tc.log) || !strings.Contains(got, "status=200") {
				t.Errorf("%s", got)
			}
			if got := counter.String(); got != tc.counts {
				t.Errorf("%s", got)
			}
		})
	}
}
