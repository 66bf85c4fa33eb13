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
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/difficulty"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeEngine answers with prepared events and keeps the last request.
type fakeEngine struct {
	info   engine.Info
	down   bool
	refuse error
	count  error         // what Tokenize and TokenBytes fail with
	begin  *engine.Start // instead of what the request asks for
	events []engine.Event
	fail   error         // ends the events
	hold   chan struct{} // if set, each event takes one

	mu     sync.Mutex
	last   *engine.Request
	asked  []*engine.Request
	open   atomic.Int32
	most   atomic.Int32 // that were open at a time
	closed chan struct{}
}

func fakeInfo(template string) engine.Info {
	return engine.Info{
		Name: "fake", ContextSize: 4096, MaxSequences: 2, VocabSize: 100, ChatTemplate: template,
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

func (f *fakeEngine) Info(context.Context) (engine.Info, error) {
	if f.down {
		return engine.Info{}, engine.ErrUnavailable
	}
	return f.info, nil
}

func (f *fakeEngine) Generate(ctx context.Context, req *engine.Request) (engine.Stream, error) {
	f.mu.Lock()
	f.last = req
	f.asked = append(f.asked, req)
	f.mu.Unlock()
	if f.refuse != nil {
		return nil, f.refuse
	}
	// As the contract says, all pixels are there when Generate returns.
	for i := range req.Images {
		if _, err := req.Images[i].Bytes(ctx); err != nil {
			return nil, err
		}
	}
	for n, most := f.open.Add(1), f.most.Load(); n > most && !f.most.CompareAndSwap(most, n); most = f.most.Load() {
	}
	events := append([]engine.Event{{Start: f.start(req)}}, f.events...)
	return &fakeStream{engine: f, ctx: ctx, events: events, running: req.RunningUsage}, nil
}

func (f *fakeEngine) start(req *engine.Request) *engine.Start {
	if f.begin != nil {
		return f.begin
	}
	most := f.info.ContextSize - 7
	if req.MaxTokens > 0 {
		most = min(most, req.MaxTokens)
	}
	return &engine.Start{
		Usage: engine.Usage{PromptTokens: 7}, MaxTokens: most, ThinkOpen: req.Thinking.Open && !req.Thinking.Empty,
		ThinkingBudget: min(req.Thinking.Budget, most-most/4),
	}
}

// Tokenize takes each byte for a token.
func (f *fakeEngine) Tokenize(_ context.Context, pieces []engine.Piece) ([]int32, error) {
	if f.count != nil {
		return nil, f.count
	}
	var out []int32
	for _, p := range pieces {
		for _, b := range []byte(p.Text) {
			out = append(out, int32(b))
		}
	}
	return out, nil
}

func (f *fakeEngine) TokenBytes(_ context.Context, tokens []int32) ([][]byte, error) {
	if f.count != nil {
		return nil, f.count
	}
	out := make([][]byte, len(tokens))
	for i, t := range tokens {
		if t > 255 {
			return nil, &engine.RequestError{Field: "tokens", Message: "is no byte"}
		}
		out[i] = []byte{byte(t)}
	}
	return out, nil
}

func (f *fakeEngine) request(t *testing.T) *engine.Request {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last == nil {
		t.Fatal("the engine was not asked")
	}
	return f.last
}

type fakeStream struct {
	engine *fakeEngine
	ctx    context.Context
	events []engine.Event
	// running adds the usage so far to events.
	running bool
	sent    int
}

func (s *fakeStream) Next() (engine.Event, error) {
	if s.engine.hold != nil && (len(s.events) == 0 || s.events[0].Start == nil) {
		select {
		case <-s.engine.hold:
		case <-s.ctx.Done():
			return engine.Event{}, context.Cause(s.ctx)
		}
	}
	if len(s.events) == 0 {
		if s.engine.fail != nil {
			return engine.Event{}, s.engine.fail
		}
		return engine.Event{}, io.EOF
	}
	ev := s.events[0]
	s.events = s.events[1:]
	if ev.Text != "" {
		s.sent++
	}
	if s.running {
		ev.Usage = &engine.Usage{PromptTokens: 7, CompletionTokens: s.sent}
	}
	return ev, nil
}

func (s *fakeStream) Close() error {
	s.engine.open.Add(-1)
	if s.engine.closed != nil {
		close(s.engine.closed)
	}
	return nil
}

// site is a server under test.
type site struct {
	t        *testing.T
	server   *Server
	url      string
	instruct *fakeEngine
	thinking *fakeEngine
	log      *bytes.Buffer
	check    *contract
}

// shippedScorer unpacks the router's weights once: with the race detector that takes a large part of a second.
var shippedScorer = sync.OnceValues(difficulty.Default)

func newSite(t *testing.T, edit func(*Config)) *site {
	t.Helper()
	s := &site{
		t: t, instruct: &fakeEngine{info: fakeInfo(prompt.InstructTemplate()), events: text("Hello", " world")},
		thinking: &fakeEngine{info: fakeInfo(prompt.ThinkingTemplate()), events: text("hm", "\n</think>\n\n", "42")},
		log:      &bytes.Buffer{}, check: apiContract(t),
	}
	scorer, err := shippedScorer()
	if err != nil {
		t.Fatal(err)
	}
	r, err := router.New(scorer, router.DefaultQuality)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	c := Config{
		ModelName: "qwen3-vl", Engines: map[router.Variant]engine.Engine{router.Instruct: s.instruct, router.Thinking: s.thinking},
		Router: r, Logger: slog.New(slog.NewTextHandler(lockedWriter{&mu, s.log}, nil)),
		NewID: func() string { return "id" }, KeepAlive: time.Minute,
	}
	if c.Store, err = history.Open(context.Background(), "", 0); err != nil {
		t.Fatal(err)
	}
	kept := c.Store
	t.Cleanup(func() { _ = kept.Close() })
	if edit != nil {
		edit(&c)
	}
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
	s.url = h.URL
	return s
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// reply is a response, read to its end and checked against openapi.yaml.
type reply struct {
	status int
	header http.Header
	body   []byte
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
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+path, strings.NewReader(data))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return s.do(req)
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
