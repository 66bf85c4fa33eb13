package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/enginetest"
	"github.com/qwenvld/qwenvld/engine/prompt"
	"github.com/qwenvld/qwenvld/internal/testkit"
	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/difficulty"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { os.Exit(wantAnswered(code)) }))
}

func fakeInfo(template string) engine.Info {
	return engine.Info{
		Name: "fake", Architecture: "qwen3vl", ContextSize: 4096, MaxSequences: 2, VocabSize: 100, ChatTemplate: template,
		SpecialTokens: []string{"<|im_start|>", "<|im_end|>", "<|image_pad|>"},
		Vision:        &engine.VisionInfo{PatchSize: 16, MergeSize: 2, MinPixels: 1024, MaxPixels: 262144},
	}
}

// text makes an answer of pieces, ended by stop.
func text(pieces ...string) []engine.Event {
	var out []engine.Event
	for _, p := range pieces {
		out = append(out, engine.Event{Text: p})
	}
	return append(out, engine.Event{Result: &engine.Result{
		FinishReason: engine.FinishStop, Usage: engine.Usage{PromptTokens: 7, CompletionTokens: len(pieces), ReasoningTokens: 1},
	}})
}

// site is a server under test.
type site struct {
	t        *testing.T
	server   *Server
	url      string
	hangUp   func() // waits for requests to end, which clients see a moment earlier
	instruct *enginetest.Fake
	thinking *enginetest.Fake
	log      *testkit.Buffer
	check    *checker
	// probes count those of each engine that lies with another server.
	probes []*atomic.Int64
}

// shippedScorer unpacks the router's weights once: with the race detector that takes a large part of a second.
var shippedScorer = sync.OnceValues(difficulty.Default)

// shippedRouter is the router as it is shipped.
func shippedRouter(tb testing.TB) *router.Router {
	tb.Helper()
	scorer, err := shippedScorer()
	if err != nil {
		tb.Fatal(err)
	}
	r, err := router.New(scorer, router.DefaultQuality)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func newSite(t *testing.T, edit func(*Config)) *site {
	t.Helper()
	s := &site{
		t: t, instruct: &enginetest.Fake{Model: fakeInfo(prompt.InstructTemplate()), Events: text("Hello", " world")},
		thinking: &enginetest.Fake{Model: fakeInfo(prompt.ThinkingTemplate()), Events: text("hm", "\n</think>\n\n", "42")},
		log:      &testkit.Buffer{}, check: apiContract(t),
	}
	c := Config{
		Models: []Model{{
			ID: "qwen3-vl", Engines: map[router.Variant]engine.Engine{router.Instruct: s.instruct, router.Thinking: s.thinking},
		}},
		Router: shippedRouter(t), Logger: slog.New(slog.NewTextHandler(s.log, nil)),
		NewID: func() string { return "id" }, KeepAlive: time.Minute,
	}
	c.Store = history.NewMemory(0)
	if edit != nil {
		edit(&c)
	}
	if *throughAnother {
		s.probes = placeBehind(t, &c)
	}
	var err error
	if s.server, err = New(c); err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s.server)
	t.Cleanup(func() {
		h.Close()
		s.server.Abort()
		if err := s.server.Wait(context.Background()); err != nil {
			t.Error(err)
		}
	})
	s.url, s.hangUp = h.URL, h.Close
	return s
}

// reply is a response, read to its end and checked against openapi.yaml.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// request makes one with a body of JSON. Headers come in pairs.
func (s *site) request(ctx context.Context, path, body string, headers ...string) *http.Request {
	s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return req
}

// stream begins a streamed chat completion. Who calls it closes the body.
func (s *site) stream(ctx context.Context, model string, headers ...string) *http.Response {
	s.t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(s.request(ctx, "/v1/chat/completions",
		`{"model":"`+model+`","stream":true,"messages":[{"role":"user","content":"hi"}]}`, headers...))
	if err != nil {
		s.t.Fatal(err)
	}
	return resp
}

// post sends body, a Go value or JSON text. Headers come in pairs.
func (s *site) post(path string, body any, headers ...string) reply {
	s.t.Helper()
	data, ok := body.(string)
	if !ok {
		b, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		data = string(b)
	}
	return s.do(s.request(s.t.Context(), path, data, headers...))
}

func (s *site) do(req *http.Request) reply {
	s.t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	s.check.response(s.t, req, resp, body)
	return reply{resp.StatusCode, resp.Header, body}
}

// ask sends a chat with a question and more members.
func (s *site) ask(more map[string]any) reply {
	s.t.Helper()
	body := map[string]any{"model": "qwen3-vl", "messages": []any{map[string]any{"role": "user", "content": "hi"}}}
	for k, v := range more {
		body[k] = v
	}
	return s.post("/v1/chat/completions", body)
}

// json decodes the body into v.
func (r reply) json(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
}

// failure is the error object of a reply.
func (r reply) failure(t *testing.T) (code, param, message string) {
	t.Helper()
	var e struct {
		Error struct {
			Message, Type string
			Param, Code   *string
		}
	}
	r.json(t, &e)
	if e.Error.Message == "" || e.Error.Type == "" {
		t.Fatalf("no error in %s", r.body)
	}
	if e.Error.Param != nil {
		param = *e.Error.Param
	}
	if e.Error.Code != nil {
		code = *e.Error.Code
	}
	return code, param, e.Error.Message
}

// events splits a stream into the data of its events; comments are kept as ": ...".
func (r reply) events(t *testing.T) []string {
	t.Helper()
	var out []string
	lines := bufio.NewScanner(bytes.NewReader(r.body))
	for lines.Scan() {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "data: "):
			out = append(out, line[len("data: "):])
		case strings.HasPrefix(line, "event: "):
		case strings.HasPrefix(line, ":"):
			out = append(out, line)
		case line != "":
			t.Fatalf("line %q in a stream", line)
		}
	}
	return out
}

// chunks decodes a stream that must end with [DONE].
func (r reply) chunks(t *testing.T) []chunk {
	t.Helper()
	events := r.events(t)
	if len(events) == 0 || events[len(events)-1] != "[DONE]" {
		t.Fatalf("the stream does not end with [DONE]: %s", r.body)
	}
	var out []chunk
	for _, e := range events[:len(events)-1] {
		var c chunk
		if err := json.Unmarshal([]byte(e), &c); err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

var errBoom = errors.New("boom at /secret/path")

// waiting counts the requests that wait to be worked on.
func (s *site) waiting() int {
	working, _ := s.server.core.Waiting()
	return working
}

// fetching counts those that wait to fetch.
func (s *site) fetching() int {
	_, fetching := s.server.core.Waiting()
	return fetching
}
