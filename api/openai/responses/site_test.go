package responses

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/api/intake"
	"github.com/qwenvld/qwenvld/api/media"
	"github.com/qwenvld/qwenvld/api/surface"
	"github.com/qwenvld/qwenvld/api/web"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/enginetest"
	"github.com/qwenvld/qwenvld/engine/prompt"
	"github.com/qwenvld/qwenvld/router"
)

// alwaysInstruct decides without looking.
type alwaysInstruct struct{}

var _ generation.Decider = alwaysInstruct{}

func (alwaysInstruct) Decide(*router.Input) (router.Decision, error) {
	return router.Decision{Variant: router.Instruct, Source: router.SourceModel}, nil
}

func (alwaysInstruct) DecideAt(*router.Input, []float64) ([]router.Decision, error) { return nil, nil }

// noMeter counts nothing.
type noMeter struct{}

var (
	_ generation.Meter   = noMeter{}
	_ generation.Measure = noMeter{}
)

func (noMeter) Routed(context.Context, time.Time, time.Duration) {}
func (noMeter) Decided(*router.Decision)                         {}
func (noMeter) Carried(int, int)                                 {}
func (noMeter) Escalated(router.Variant, string)                 {}
func (noMeter) Abandoned(router.Variant, int)                    {}
func (noMeter) Held(context.Context, time.Duration)              {}
func (noMeter) Admitted(context.Context, time.Duration)          {}
func (noMeter) Released()                                        {}

func (noMeter) Begin(ctx context.Context, _ *generation.Decided, _ int) (context.Context, generation.Measure) {
	return ctx, noMeter{}
}

func (noMeter) Settled(router.Variant, bool)   {}
func (noMeter) Event(int, *engine.Event, bool) {}
func (noMeter) FirstToken() time.Duration      { return 0 }
func (noMeter) End(bool)                       {}

// unstoredMeter counts what could not be stored.
type unstoredMeter struct{ atomic.Int32 }

func (m *unstoredMeter) Unstored() { m.Add(1) }

// answer makes an answer of pieces, ended by stop.
func answer(pieces ...string) []engine.Event {
	var out []engine.Event
	for _, p := range pieces {
		out = append(out, engine.Event{Text: p})
	}
	return append(out, engine.Event{Result: &engine.Result{
		FinishReason: engine.FinishStop, Usage: engine.Usage{PromptTokens: 7, CompletionTokens: len(pieces)},
	}})
}

// site is a handler under test, over an engine that plays a script.
type site struct {
	t        *testing.T
	engine   *enginetest.Fake
	core     *generation.Core
	bodies   *intake.Intake
	handler  *Handler
	unstored unstoredMeter
	log      *lockedLog
	mux      *http.ServeMux
	// billed gets what each background response is billed.
	billed chan int
}

// lockedLog is written by any goroutine.
type lockedLog struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.String()
}

// headerOwner says in these tests whose a request is.
const headerOwner = "X-Owner"

func newSite(t *testing.T, store history.Store) *site {
	t.Helper()
	s := &site{t: t, log: &lockedLog{}, billed: make(chan int, 16), engine: &enginetest.Fake{
		Model: engine.Info{
			Name: "fake", ContextSize: 4096, MaxSequences: 2, VocabSize: 100, ChatTemplate: prompt.InstructTemplate(),
			SpecialTokens: []string{"<|im_start|>", "<|im_end|>"},
		},
		Events: answer("Hello", " world"),
	}}
	var ids atomic.Int64
	newID := func() string { return time.Unix(ids.Add(1), 0).UTC().Format("150405") }
	logger := slog.New(slog.NewTextHandler(s.log, nil))
	var err error
	s.core, err = generation.New(generation.Options{
		Models: []generation.Model{{ID: "qwen3-vl", Engines: map[router.Variant]engine.Engine{router.Instruct: s.engine}}},
		Router: alwaysInstruct{}, Media: media.New(media.Options{}), Meter: noMeter{}, Logger: logger, Now: time.Now, NewID: newID,
	})
	if err != nil {
		t.Fatal(err)
	}
	policy := testPolicy()
	policy.Limits.BodyBytes = 8000
	s.bodies = intake.New(intake.Limits{Body: 8000, Total: 64000, Readers: 8, Rate: 1, Grace: time.Minute}, time.Now)
	edge := web.New(web.Options{Logger: logger, NewID: newID, KeepAlive: time.Minute, Bodies: s.bodies})
	s.handler = New(Options{
		Trip: &surface.Trip{Edge: edge, Core: s.core, Policy: policy, Caller: func(r *http.Request) *generation.Caller {
			return &generation.Caller{
				Client: web.ClientOf(r.Context()), Endpoint: r.Pattern, At: time.Now(),
				Admitted: func() { web.ReleaseBody(r.Context()) },
			}
		}},
		Store: store, Owner: func(r *http.Request) string { return r.Header.Get(headerOwner) },
		Bill: func(*http.Request) func(int) { return func(tokens int) { s.billed <- tokens } }, Meter: &s.unstored, Logger: logger,
		NewID: newID,
	})
	s.route(edge)
	t.Cleanup(func() {
		s.handler.Stop()
		s.core.Abort()
		if err := s.handler.Wait(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *site) route(edge *web.Edge) {
	s.mux = http.NewServeMux()
	for pattern, handle := range map[string]web.HandlerFunc{
		"POST /v1/responses":                 s.handler.Create,
		"POST /v1/responses/input_tokens":    s.handler.CountInput,
		"GET /v1/responses/{id}":             s.handler.Get,
		"DELETE /v1/responses/{id}":          s.handler.Delete,
		"POST /v1/responses/{id}/cancel":     s.handler.Cancel,
		"GET /v1/responses/{id}/input_items": s.handler.InputItems,
	} {
		client := func(*http.Request) string { return "client" }
		s.mux.Handle(pattern, edge.Identify(edge.LogAccess(edge.Handle(edge.Visit(client, handle)))))
	}
}

// reply is a response that was read to its end.
type reply struct {
	t *testing.T
	*httptest.ResponseRecorder
}

// call sends a request; the body is JSON. Headers come in pairs.
func (s *site) call(method, path, body string, headers ...string) reply {
	s.t.Helper()
	out := reply{s.t, httptest.NewRecorder()}
	s.mux.ServeHTTP(out, s.request(method, path, body, headers...))
	return out
}

func (s *site) request(method, path, body string, headers ...string) *http.Request {
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func (s *site) create(body string, headers ...string) reply {
	s.t.Helper()
	return s.call(http.MethodPost, "/v1/responses", body, headers...)
}

func (s *site) get(path string, headers ...string) reply {
	s.t.Helper()
	return s.call(http.MethodGet, "/v1/responses/"+path, "", headers...)
}

// response is that of a reply with status 200.
func (r reply) response() *Response {
	r.t.Helper()
	var out Response
	r.json(&out)
	return &out
}

func (r reply) json(v any) {
	r.t.Helper()
	if r.Code != http.StatusOK {
		r.t.Fatalf("%d %s", r.Code, r.Body)
	}
	if err := json.Unmarshal(r.Body.Bytes(), v); err != nil {
		r.t.Fatalf("%v in %s", err, r.Body)
	}
}

// refusal is the error of a reply: its status, parameter and code.
func (r reply) refusal() (status int, param, code string) {
	r.t.Helper()
	var body struct{ Error struct{ Param, Code string } }
	if err := json.Unmarshal(r.Body.Bytes(), &body); err != nil || r.Code == http.StatusOK {
		r.t.Fatalf("%d %s", r.Code, r.Body)
	}
	return r.Code, body.Error.Param, body.Error.Code
}

// events are those of a reply that is a stream.
func (r reply) events() []Event {
	r.t.Helper()
	return readEvents(r.t, r.Body)
}

func readEvents(t *testing.T, from io.Reader) []Event {
	t.Helper()
	var out []Event
	kind := ""
	for lines := bufio.NewScanner(from); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			kind = name
		}
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var ev Event
		if err := json.Unmarshal([]byte(data), &ev); err != nil {
			t.Fatal(err)
		}
		if ev.Type != kind {
			t.Errorf("%s is called %s", data, kind)
		}
		out = append(out, ev)
	}
	return out
}

// text is the text of the only message of a response.
func (r *Response) text() string {
	if len(r.Output) != 1 || r.Output[0].Content == nil {
		return ""
	}
	return (*r.Output[0].Content)[0].Text
}
