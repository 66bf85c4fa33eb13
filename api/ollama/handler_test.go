package ollama

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/intake"
	"github.com/qwenvld/qwenvld/api/media"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/api/surface"
	"github.com/qwenvld/qwenvld/api/web"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/enginetest"
	"github.com/qwenvld/qwenvld/engine/prompt"
	"github.com/qwenvld/qwenvld/router"
)

// halfway is a router that asks a client which weights it wants, and takes instruct where it says nothing.
type halfway struct{}

func (halfway) Decide(in *router.Input) (router.Decision, error) {
	if e := in.Controls.EnableThinking; in.Controls.Model == router.Thinking || e != nil && *e {
		return router.Decision{Variant: router.Thinking, ThinkingBudget: 64}, nil
	}
	return router.Decision{Variant: router.Instruct}, nil
}

func (halfway) DecideAt(*router.Input, []float64) ([]router.Decision, error) { return nil, nil }

// uncounted is a meter that counts nothing.
type uncounted struct{}

func (uncounted) Routed(context.Context, time.Time, time.Duration) {}
func (uncounted) Decided(*router.Decision)                         {}
func (uncounted) Carried(int, int)                                 {}
func (uncounted) Escalated(router.Variant, string)                 {}
func (uncounted) Abandoned(router.Variant, int)                    {}
func (uncounted) Held(context.Context, time.Duration)              {}
func (uncounted) Admitted(context.Context, time.Duration)          {}
func (uncounted) Released()                                        {}
func (u uncounted) Begin(ctx context.Context, _ *generation.Decided, _ int) (context.Context, generation.Measure) {
	return ctx, u
}
func (uncounted) Settled(router.Variant, bool)   {}
func (uncounted) Event(int, *engine.Event, bool) {}
func (uncounted) FirstToken() time.Duration      { return time.Nanosecond }
func (uncounted) End(bool)                       {}

// oneModel is all that is served.
func oneModel(context.Context) []Model {
	return []Model{{
		ID: "qwen3-vl", Families: []string{"qwen3vl"}, ContextSize: 4096, Capabilities: []string{"completion", "tools", "vision", "thinking"},
		Since: time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC),
	}}
}

func fake(template string, pieces ...string) *enginetest.Fake {
	f := &enginetest.Fake{Model: engine.Info{
		Name: "fake", ContextSize: 4096, MaxSequences: 2, VocabSize: 100, ChatTemplate: template,
		SpecialTokens: []string{"<|im_start|>", "<|im_end|>", "<|image_pad|>"},
		Vision:        &engine.VisionInfo{PatchSize: 16, MergeSize: 2, MinPixels: 1024, MaxPixels: 262144},
	}}
	for _, p := range pieces {
		f.Events = append(f.Events, engine.Event{Text: p})
	}
	f.Events = append(f.Events, engine.Event{Result: &engine.Result{
		FinishReason: engine.FinishStop, Usage: engine.Usage{PromptTokens: 7, CompletionTokens: len(pieces)},
	}})
	return f
}

// serve serves the surface over two fakes.
func serve(t *testing.T, instruct, thinking *enginetest.Fake) *httptest.Server {
	t.Helper()
	newID := func() string { return "id" }
	core, err := generation.New(generation.Options{
		Models: []generation.Model{{
			ID: "qwen3-vl", Engines: map[router.Variant]engine.Engine{router.Instruct: instruct, router.Thinking: thinking},
		}},
		Router: halfway{}, Media: media.New(media.Options{}), Meter: uncounted{}, Now: time.Now, NewID: newID,
	})
	if err != nil {
		t.Fatal(err)
	}
	edge := web.New(web.Options{
		NewID:  newID,
		Bodies: intake.New(intake.Limits{Body: 1 << 20, Total: 9 << 20, Readers: 9, Rate: 1, Grace: time.Minute}, time.Now),
		Forms:  []web.Form{{Prefix: Prefix, Body: ErrorBody}},
	})
	h := New(Options{
		Trip: &surface.Trip{
			Edge: edge, Core: core, Policy: &request.Policy{Limits: request.DefaultLimits(), Unknown: &request.Unknown{}},
			Caller: func(*http.Request) *generation.Caller { return &generation.Caller{At: time.Now()} },
		},
		Keeper: core, Models: oneModel, Now: time.Now,
	})
	mux := http.NewServeMux()
	for pattern, handler := range map[string]web.HandlerFunc{
		"POST /chat": h.Chat, "GET /tags": h.Tags, "POST /show": h.Show, "GET /version": h.Version,
	} {
		mux.Handle(strings.Replace(pattern, "/", Prefix+"/", 1), edge.Handle(edge.Visit(web.Address, handler)))
	}
	s := httptest.NewServer(edge.Identify(mux))
	t.Cleanup(s.Close)
	return s
}

// ask sends body to a path, or asks for the path where it is empty.
func ask(t *testing.T, s *httptest.Server, path, body string) (status int, kind, reply string) {
	t.Helper()
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+Prefix+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), string(data)
}

func TestChatsAreAnsweredByTheModelThatIsAskedFor(t *testing.T) {
	s := serve(t, fake(prompt.InstructTemplate(), "Hello", " world"), fake(prompt.ThinkingTemplate(), "hm", "\n</think>\n\n", "42"))
	for members, want := range map[string]Message{
		``:             {Role: "assistant", Content: "Hello world"},
		`"think":true`: {Role: "assistant", Content: "42", Thinking: "hm"},
	} {
		for _, stream := range []bool{true, false} {
			body := with(members)
			kind := "application/x-ndjson"
			if !stream {
				body, kind = strings.Replace(body, "{", `{"stream":false,`, 1), "application/json"
			}
			status, gotKind, reply := ask(t, s, "/chat", body)
			if status != http.StatusOK || gotKind != kind {
				t.Fatalf("%d %s %s", status, gotKind, reply)
			}
			got := Message{Role: "assistant"}
			var last Reply
			for d := json.NewDecoder(strings.NewReader(reply)); d.More(); {
				last = Reply{}
				if err := d.Decode(&last); err != nil {
					t.Fatal(err)
				}
				got.Content += last.Message.Content
				got.Thinking += last.Message.Thinking
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if m := last.Metrics; !last.Done || last.DoneReason != "stop" || m == nil || m.PromptEvalCount != 7 || m.EvalCount < 2 ||
				m.TotalDuration <= 0 || m.PromptEvalDuration <= 0 || m.PromptEvalDuration+m.EvalDuration != m.TotalDuration {
				t.Errorf("%+v %+v", last, m)
			}
		}
	}
}

func TestModelsAreDescribed(t *testing.T) {
	s := serve(t, fake(prompt.InstructTemplate(), "a"), fake(prompt.ThinkingTemplate(), "b"))
	const digest = "5f7af12a5c339ead91a44c73031460ae4c5a18813f777a7619624707e5927792"
	for _, c := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/version", "", http.StatusOK, `{"version":"` + Version + `"}`},
		{
			"/tags", "", http.StatusOK, `{"models":[{"details":{"families":["qwen3vl"],"family":"qwen3vl","format":"gguf"},` +
				`"digest":"` + digest + `","model":"qwen3-vl","modified_at":"2025-01-01T00:00:00Z","name":"qwen3-vl","size":0}]}`,
		},
		{
			"/show", `{"model":"qwen3-vl:latest"}`, http.StatusOK, `{"capabilities":["completion","tools","vision","thinking"],` +
				`"details":{"families":["qwen3vl"],"family":"qwen3vl","format":"gguf"},` +
				`"model_info":{"general.architecture":"qwen3vl","general.basename":"qwen3-vl","qwen3vl.context_length":4096},` +
				`"modified_at":"2025-01-01T00:00:00Z"}`,
		},
		{"/show", `{"name":"other"}`, http.StatusNotFound, `{"error":"The model \"other\" does not exist.","request_id":"req_id"}`},
		{"/show", `{}`, http.StatusOK, ""},
		{"/chat", with(`"model":"other"`), http.StatusBadRequest, ""},
		{"/chat", `{"model":"other","messages":[{"role":"user","content":"hi"}]}`, http.StatusNotFound, `{"error":"The model \"other\" does not exist.","request_id":"req_id"}`},
		{"/chat", `{"model":"other"}`, http.StatusNotFound, `{"error":"The model \"other\" does not exist.","request_id":"req_id"}`},
	} {
		status, _, got := ask(t, s, c.path, c.body)
		if status != c.status || c.want != "" && got != c.want {
			t.Errorf("%s %s: %d %s", c.path, c.body, status, got)
		}
	}
	// A chat without messages is how a model is loaded.
	var loaded Reply
	status, _, got := ask(t, s, "/chat", `{"model":"qwen3-vl"}`)
	if err := json.Unmarshal([]byte(got), &loaded); err != nil || status != http.StatusOK || !loaded.Done || loaded.DoneReason != "load" {
		t.Errorf("%d %s %v", status, got, err)
	}
}
