package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/api/access"
	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/enginetest"
	"github.com/qwenvld/qwenvld/router"
)

// resident is a Fake whose weights come and go at once.
type resident struct {
	*enginetest.Fake

	mu     sync.Mutex
	loaded bool
	// fails is what loading fails with, busy what unloading does.
	fails, busy error
	users       int
	kept        []time.Duration
	// told is what those are told who wait.
	told []engine.UnavailableError
}

var _ engine.OnDemand = (*resident)(nil)

func (e *resident) Info(ctx context.Context) (engine.Info, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.loaded {
		return engine.Info{}, &engine.UnavailableError{State: engine.StateUnloaded}
	}
	return e.Fake.Info(ctx)
}

func (e *resident) Outlook() engine.Outlook {
	e.mu.Lock()
	defer e.mu.Unlock()
	o := engine.Outlook{About: engine.Info{ContextSize: 4096}, Memory: map[string]int64{"host": 5}}
	if !e.loaded {
		o.Down, o.Wait = &engine.UnavailableError{State: engine.StateUnloaded}, time.Second
	}
	return o
}

func (e *resident) Hold(_ context.Context, h engine.Hold) (func(), error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if h.Loaded && !e.loaded {
		return nil, &engine.UnavailableError{State: engine.StateUnloaded}
	}
	if !e.loaded && h.Waiting != nil {
		for _, what := range e.told {
			h.Waiting(what)
		}
	}
	if !e.loaded && e.fails != nil {
		return nil, e.fails
	}
	e.loaded = true
	e.users++
	return sync.OnceFunc(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.users--
		if h.KeepAlive != nil {
			e.kept = append(e.kept, *h.KeepAlive)
			e.loaded = e.loaded && *h.KeepAlive != 0
		}
	}), nil
}

func (e *resident) Unload(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.loaded = e.loaded && e.busy != nil
	return e.busy
}

func (e *resident) standing() (loaded bool, users int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.loaded, e.users
}

// residentSite is a site whose variants are not loaded.
func residentSite(t *testing.T, edit func(*Config)) (s *site, instruct, thinking *resident) {
	s = newSite(t, func(c *Config) {
		engines := c.Models[0].Engines
		instruct = &resident{Fake: engines[router.Instruct].(*enginetest.Fake)}
		thinking = &resident{Fake: engines[router.Thinking].(*enginetest.Fake)}
		engines[router.Instruct], engines[router.Thinking] = instruct, thinking
		if edit != nil {
			edit(c)
		}
	})
	return s, instruct, thinking
}

func TestWeightsAreLoadedForARequestAndHeldUntilItIsOver(t *testing.T) {
	s, instruct, thinking := residentSite(t, nil)
	if got := s.get("/health/ready"); got.status != http.StatusOK || !strings.Contains(string(got.body), `"ready"`) || !strings.Contains(string(got.body), `"unloaded"`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	var card modelCard
	s.get("/v1/models/qwen3-vl-thinking").json(t, &card)
	if v := card.Variants[0]; v.Loaded || v.Status != "unloaded" || v.Memory["host"] != 5 || card.MaxModelLen != 4096 {
		t.Errorf("%+v", card)
	}
	for path, body := range map[string]any{
		"/v1/chat/completions":              map[string]any{"model": "qwen3-vl-instruct", "messages": []any{map[string]any{"role": "user", "content": "hi"}}},
		"/v1/completions":                   map[string]any{"model": "qwen3-vl-instruct", "prompt": "hi"},
		"/v1/messages":                      map[string]any{"model": "qwen3-vl-instruct", "max_tokens": 9, "messages": []any{map[string]any{"role": "user", "content": "hi"}}},
		"/v1/responses":                     map[string]any{"model": "qwen3-vl-instruct", "input": "hi"},
		"/v1/chat/completions/input_tokens": map[string]any{"model": "qwen3-vl-instruct", "messages": []any{map[string]any{"role": "user", "content": "hi"}}},
		"/tokenize":                         map[string]any{"model": "qwen3-vl-instruct", "prompt": "hi"},
	} {
		instruct.mu.Lock()
		instruct.loaded = false
		instruct.mu.Unlock()
		if got := s.post(path, body); got.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
		if loaded, users := instruct.standing(); !loaded || users != 0 {
			t.Errorf("%s: loaded %t, %d users", path, loaded, users)
		}
	}
	if loaded, _ := thinking.standing(); loaded {
		t.Error("what nobody asked for was loaded")
	}
	// An easy question is answered by what is loaded, and asking for the decision loads nothing.
	instruct.mu.Lock()
	instruct.loaded = false
	instruct.mu.Unlock()
	thinking.mu.Lock()
	thinking.loaded = true
	thinking.mu.Unlock()
	got := s.post("/v1/route", map[string]any{"model": "qwen3-vl", "messages": []any{map[string]any{"role": "user", "content": "hi"}}})
	if got.status != http.StatusOK || !strings.Contains(string(got.body), "not loaded: instruct") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if loaded, _ := instruct.standing(); loaded {
		t.Error("a decision loads nothing")
	}
}

func TestAStreamTellsWhatItWaitsFor(t *testing.T) {
	loading := []engine.UnavailableError{
		{State: engine.StateUnloaded}, {State: engine.StateUnloading}, {State: engine.StateLoading, Progress: 0.42},
	}
	for path, body := range map[string]string{
		"/v1/chat/completions": `{"model":"qwen3-vl-thinking","stream":true,"messages":[{"role":"user","content":"hi"}]}`,
		"/v1/completions":      `{"model":"qwen3-vl-thinking","stream":true,"prompt":"hi"}`,
		"/v1/responses":        `{"model":"qwen3-vl-thinking","stream":true,"input":"hi"}`,
		"/v1/messages":         `{"model":"qwen3-vl-thinking","stream":true,"max_tokens":99,"messages":[{"role":"user","content":"hi"}]}`,
	} {
		s, _, thinking := residentSite(t, nil)
		thinking.told = loading
		got := s.post(path, body)
		if text := string(got.body); got.status != http.StatusOK || !strings.HasPrefix(text, ": waiting for memory\n\n: loading 42%\n\n") || !strings.Contains(text, "42\"") {
			t.Errorf("%s: %d %q", path, got.status, text)
		}
		if path != "/v1/completions" && got.header.Get("X-Qwenvld-Variant") != "thinking" {
			t.Errorf("%s: %v", path, got.header)
		}
		thinking.loaded, thinking.fails = false, &engine.UnavailableError{State: engine.StateFailed, Reason: `open "/srv/m.gguf": damaged`}
		got = s.post(path, body)
		if text := string(got.body); got.status != http.StatusOK || !strings.Contains(text, "model_unavailable") || !strings.Contains(text, "damaged") || strings.Contains(text, "/srv") {
			t.Errorf("%s: %d %q", path, got.status, text)
		}
		// What fails before anything was sent is a status.
		thinking.told = loading[:1]
		if got = s.post(path, body); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}

func TestModelsAreLoadedAndUnloadedByTheirAdministrator(t *testing.T) {
	user, userHash := access.NewKey()
	admin, adminHash := access.NewKey()
	s, instruct, thinking := residentSite(t, func(c *Config) {
		c.Keys = []access.Key{{Name: "user", Hash: userHash}, {Name: "admin", Hash: adminHash, Admin: true}}
	})
	ask := func(path, key string) reply {
		return s.post("/admin/models/"+path, "", "Authorization", "Bearer "+key)
	}
	for _, verb := range []string{"load", "unload"} {
		for path, want := range map[string]int{"qwen3-vl/" + verb: http.StatusForbidden} {
			if got := ask(path, user); got.status != want {
				t.Errorf("%s: %d %s", path, got.status, got.body)
			}
		}
		if got := ask("qwen3-vl/"+verb, "wrong"); got.status != http.StatusUnauthorized {
			t.Errorf("%s: %d", verb, got.status)
		}
		if got := ask("gpt/"+verb, admin); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", verb, got.status)
		}
	}
	var card modelCard
	ask("qwen3-vl-thinking/load", admin).json(t, &card)
	if loaded, users := thinking.standing(); !loaded || users != 0 || card.ID != "qwen3-vl-thinking" || !card.Variants[0].Loaded {
		t.Errorf("%+v", card)
	}
	if loaded, _ := instruct.standing(); loaded {
		t.Error("instruct was not meant")
	}
	ask("qwen3-vl/load", admin).json(t, &card)
	if loaded, _ := instruct.standing(); !loaded {
		t.Error("a model is both of its variants")
	}
	ask("qwen3-vl/unload", admin).json(t, &card)
	for _, e := range []*resident{instruct, thinking} {
		if loaded, _ := e.standing(); loaded || card.Variants[0].Status != "unloaded" {
			t.Errorf("%+v", card)
		}
	}
	thinking.fails = &engine.UnavailableError{State: engine.StateFailed, RetryIn: 30 * time.Second}
	if got := ask("qwen3-vl-thinking/load", admin); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") != "30" {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
	thinking.fails = &engine.UnavailableError{State: engine.StateUnloaded, Reason: "needs 9 MiB of memory, 1 MiB are left"}
	got := ask("qwen3-vl-thinking/load", admin)
	if code, _, _ := got.failure(t); got.status != http.StatusConflict || code != fault.CodeConflict || !strings.Contains(string(got.body), "9 MiB") {
		t.Errorf("%d %s", got.status, got.body)
	}
	thinking.busy = &engine.UnavailableError{State: engine.StateDownloading, Progress: 0.5}
	if got := ask("qwen3-vl-thinking/unload", admin); got.status != http.StatusConflict || !strings.Contains(string(got.body), "50%") {
		t.Errorf("%d %s", got.status, got.body)
	}
	s.server.Drain()
	for _, verb := range []string{"load", "unload"} {
		if got := ask("qwen3-vl/"+verb, admin); got.status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", verb, got.status, got.body)
		}
	}
}

func TestOllamasClientsLoadUnloadAndKeep(t *testing.T) {
	s, instruct, _ := residentSite(t, nil)
	chat := func(body string) (done string) {
		got := s.post("/api/chat", body)
		var r struct {
			DoneReason string `json:"done_reason"`
		}
		if err := json.Unmarshal(got.body, &r); err != nil || got.status != http.StatusOK {
			t.Fatalf("%s: %d %s", body, got.status, got.body)
		}
		return r.DoneReason
	}
	if done := chat(`{"model":"qwen3-vl-instruct"}`); done != "load" {
		t.Error(done)
	}
	if loaded, _ := instruct.standing(); !loaded {
		t.Error("not loaded")
	}
	if done := chat(`{"model":"qwen3-vl-instruct","keep_alive":0}`); done != "unload" {
		t.Error(done)
	}
	if loaded, _ := instruct.standing(); loaded {
		t.Error("not unloaded")
	}
	chat(`{"model":"qwen3-vl-instruct","keep_alive":"10m","stream":false,"messages":[{"role":"user","content":"hi"}]}`)
	chat(`{"model":"qwen3-vl-instruct","keep_alive":-1}`)
	if got := instruct.kept; len(got) != 3 || got[0] != 0 || got[1] != 10*time.Minute || got[2] != -1 {
		t.Errorf("%v", got)
	}
	if got := s.post("/api/chat", `{"model":"qwen3-vl","keep_alive":"soon"}`); got.status != http.StatusBadRequest {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestSeveralModelsAreServed(t *testing.T) {
	other := &enginetest.Fake{Model: fakeInfo(""), Events: text("other")}
	s := newSite(t, func(c *Config) {
		c.Models = append(c.Models, Model{ID: "small", Engines: map[router.Variant]engine.Engine{router.Instruct: other}})
	})
	other.Down = true
	s.known()
	var ready readyReply
	s.get("/health/ready").json(t, &ready)
	if ready.Status != "degraded" || len(ready.Variants) != 2 || len(ready.Models) != 2 || ready.Models["small"]["instruct"].Status == "ready" {
		t.Errorf("%+v", ready)
	}
	other.Down = false
	other.Model = s.instruct.Model
	s.known()
	for model, want := range map[string]string{"small": "other", "small-instruct": "other", "qwen3-vl-instruct": "Hello world", "auto": "Hello world"} {
		body := map[string]any{"messages": []any{map[string]any{"role": "user", "content": "hi"}}, "model": model}
		if got := s.post("/v1/chat/completions", body); got.status != http.StatusOK || !strings.Contains(string(got.body), want) {
			t.Errorf("%q: %d %s", model, got.status, got.body)
		}
	}
	if got := s.post("/v1/chat/completions", map[string]any{"model": "small-thinking", "messages": []any{map[string]any{"role": "user", "content": "hi"}}}); got.status != http.StatusNotFound {
		t.Errorf("%d %s", got.status, got.body)
	}
}
