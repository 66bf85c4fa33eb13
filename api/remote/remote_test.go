package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/media"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/upstream"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
	"github.com/qwenvld/qwenvld/engine/upstream/discover"
	"github.com/qwenvld/qwenvld/engine/upstream/upstreamtest"
	"github.com/qwenvld/qwenvld/internal/testkit"
	"github.com/qwenvld/qwenvld/router"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quiet is a meter that counts nothing.
type quiet struct{}

var (
	_ generation.Meter   = quiet{}
	_ generation.Measure = quiet{}
)

func (quiet) Routed(context.Context, time.Time, time.Duration) {}
func (quiet) Decided(*router.Decision)                         {}
func (quiet) Carried(int, int)                                 {}
func (quiet) Escalated(router.Variant, string)                 {}
func (quiet) Abandoned(router.Variant, int)                    {}
func (quiet) Held(context.Context, time.Duration)              {}
func (quiet) Admitted(context.Context, time.Duration)          {}
func (quiet) Released()                                        {}
func (quiet) Begin(ctx context.Context, _ *generation.Decided, _ int) (context.Context, generation.Measure) {
	return ctx, quiet{}
}
func (quiet) Settled(router.Variant, bool)   {}
func (quiet) Event(int, *engine.Event, bool) {}
func (quiet) FirstToken() time.Duration      { return 0 }
func (quiet) End(bool)                       {}

// fixed is a router that has decided.
type fixed router.Decision

func (f fixed) Decide(*router.Input) (router.Decision, error) { return router.Decision(f), nil }

func (f fixed) DecideAt(*router.Input, []float64) ([]router.Decision, error) { return nil, nil }

// bench is a core whose one variant lies with a server under the control of a test.
type bench struct {
	*generation.Core

	server  *upstreamtest.Server
	cluster *upstream.Cluster
}

// newBench is a core whose weights a server of a kind has. budget is of thinking weights; negative are instruct.
func newBench(tb testing.TB, kind dialect.Kind, budget int, s upstreamtest.Script) *bench {
	tb.Helper()
	v := router.Thinking
	if budget < 0 {
		v, budget = router.Instruct, 0
	}
	b := &bench{server: upstreamtest.New(tb, s)}
	b.server.Reply("/v1/models", `{"data":[{"id":"weights","max_model_len":4096}]}`)
	d, err := dialect.For(kind)
	if err != nil {
		tb.Fatal(err)
	}
	b.cluster, err = upstream.New(upstream.Options{
		Groups: []upstream.Group{{Dialect: d, Source: discover.Static{Server: discover.Server{URL: b.server.URL}}}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.cluster.Run(ctx) }()
	tb.Cleanup(func() {
		stop()
		<-done
	})
	testkit.Eventually(tb, "the server", func() bool { return b.cluster.Ready() && b.cluster.Card().ContextSize > 0 })
	newID := func() string { return "id" }
	loader := media.New(media.Options{})
	b.Core, err = generation.New(generation.Options{
		Router: fixed{Variant: v, ThinkingBudget: budget}, Media: loader, Meter: quiet{},
		Logger: slog.New(slog.DiscardHandler), Now: time.Now, NewID: newID,
		Models: []generation.Model{{ID: "m", Backends: map[router.Variant]generation.Backend{
			v: New(Options{Variant: v, Cluster: b.cluster, Media: loader, NewID: newID}),
		}}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// question is a request for an answer to a question.
func question(edit func(*request.Request)) *request.Request {
	r := &request.Request{
		PromptParam: "messages", Messages: []request.Message{{Role: request.RoleUser, IsText: true, Text: "hi", Path: "messages[0]"}},
	}
	if edit != nil {
		edit(r)
	}
	return r
}

// ask collects the answer to a request.
func (b *bench) ask(tb testing.TB, r *request.Request) (*generation.Whole, error) {
	tb.Helper()
	d, err := b.Decide(tb.Context(), r, &generation.Caller{ID: "req_1", Passed: map[string][]string{"X-Request-Id": {"req_1"}}})
	if err != nil {
		return nil, err
	}
	run, err := b.Start(tb.Context(), d)
	if err != nil {
		return nil, err
	}
	defer run.Close()
	whole, err := generation.Collect(run)
	if err != nil {
		return nil, fault.From(run.Context(), err, fault.Origin{})
	}
	return whole, nil
}

// show is an answer as its kinds of blocks with their texts, and how it ended.
func show(w *generation.Whole) string {
	var b strings.Builder
	a := &w.Answers[0]
	for i := range a.Blocks {
		block := &a.Blocks[i]
		fmt.Fprintf(&b, "%s %s%q\n", block.Kind, block.Name, block.Text)
	}
	u := a.Ending.Usage
	fmt.Fprintf(&b, "%s %d/%d/%d", a.Ending.Finish, u.PromptTokens, u.CompletionTokens, u.ReasoningTokens)
	if w.Routing.ClosedBy != "" {
		b.WriteString(" closed by " + w.Routing.ClosedBy)
	}
	return b.String()
}

// chunk is an event with a delta.
func chunk(delta string) string {
	return `{"choices":[{"index":0,"delta":` + delta + `}]}`
}

// script are the events of an answer of these deltas.
func script(finish string, deltas ...string) upstreamtest.Script {
	var s upstreamtest.Script
	for _, d := range deltas {
		s.Events = append(s.Events, chunk(d))
	}
	s.Events = append(s.Events, `{"choices":[{"index":0,"delta":{},"finish_reason":"`+finish+`"}]}`,
		fmt.Sprintf(`{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":%d}}`, len(deltas)))
	return s
}

func text(s string) string { return `{"content":` + string(mustJSON(s)) + `}` }

func thought(s string) string { return `{"reasoning_content":` + string(mustJSON(s)) + `}` }

func mustJSON(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return out
}

func TestAnswersAreCutAsThoseOfAnEngineAre(t *testing.T) {
	tool := func(r *request.Request) {
		r.Tools = []json.RawMessage{[]byte(`{"type":"function","function":{"name":"f"}}`)}
		r.Callable = []string{"f", "g"}
	}
	for name, c := range map[string]struct {
		kind   dialect.Kind
		budget int
		edit   func(*request.Request)
		script upstreamtest.Script
		want   string
	}{
		"text": {dialect.VLLM, -1, nil, script("stop", text("Hello"), text(" world")), "content \"Hello world\"\nstop 7/2/0"},
		"cut":  {dialect.VLLM, -1, nil, script("length", text("Hello")), "content \"Hello\"\nlength 7/1/0"},
		"thoughts apart": {
			dialect.VLLM, 100, nil, script("stop", `{"reasoning":"hm"}`, `{"reasoning":" so\n"}`, text("\n\n42")),
			"reasoning \"hm so\"\ncontent \"42\"\nstop 7/3/2 closed by model",
		},
		"thoughts by their older name": {
			dialect.SGLang, 100, nil, script("stop", thought("hm"), text("42")), "reasoning \"hm\"\ncontent \"42\"\nstop 7/2/1 closed by model",
		},
		"thoughts left in the text": {
			dialect.VLLM, 100, nil, script("stop", text("hm"), text("\n</th"), text("ink>\n\n4"), text("2")),
			"reasoning \"hm\"\ncontent \"42\"\nstop 7/4/3 closed by model",
		},
		"thoughts of weights that need none": {
			dialect.VLLM, -1, nil, script("stop", thought("hm"), text("42")), "reasoning \"hm\"\ncontent \"42\"\nstop 7/2/1 closed by model",
		},
		"a parser that had nothing to put apart": {
			dialect.LlamaServer, 100, nil, script("stop", text("42")), "content \"42\"\nstop 7/1/0",
		},
		"a call in parts": {
			dialect.VLLM, -1, tool, script("tool_calls", text("Well."),
				`{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":""}}]}`,
				`{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\": "}}]}`, `{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}`),
			"content \"Well.\"\ncall f\"{\\\"a\\\": 1}\"\ntool_calls 7/4/0",
		},
		"calls in one piece, one without arguments": {
			dialect.Ollama, 100, tool, script("tool_calls", `{"reasoning":"hm"}`,
				`{"tool_calls":[{"index":0,"function":{"name":"f","arguments":""}},{"index":1,"function":{"name":"g","arguments":"{\"b\":2}"}}]}`),
			"reasoning \"hm\"\ncall f\"{}\"\ncall g\"{\\\"b\\\":2}\"\ntool_calls 7/2/1 closed by model",
		},
		"a call that nobody parsed": {
			dialect.OpenAI, -1, tool, script("stop", text("<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>")),
			"call f\"{}\"\ntool_calls 7/1/0",
		},
		"a beginning that comes again": {
			dialect.LlamaServer, -1, func(r *request.Request) {
				r.Messages = append(r.Messages, request.Message{Role: request.RoleAssistant, IsText: true, Text: "Hello w", Path: "messages[1]"})
			}, script("stop", text("Hell"), text("o world")), "content \"orld\"\nstop 7/2/0",
		},
		"a beginning that does not come again": {
			dialect.LlamaServer, -1, func(r *request.Request) {
				r.Messages = append(r.Messages, request.Message{Role: request.RoleAssistant, IsText: true, Text: "Hello", Path: "messages[1]"})
			}, script("stop", text(" world")), "content \" world\"\nstop 7/1/0",
		},
		"a stop string": {
			dialect.VLLM, 100, func(r *request.Request) { r.Stop = []string{"hm", "END"} },
			script("stop", thought("hm"), text("42 E"), text("ND more"), text("!")), "reasoning \"hm\"\ncontent \"42 \"\nstop 20/3/1 closed by model",
		},
	} {
		t.Run(name, func(t *testing.T) {
			whole, err := newBench(t, c.kind, c.budget, c.script).ask(t, question(c.edit))
			if err != nil {
				t.Fatal(err)
			}
			if got := show(whole); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

func TestThoughtsAreBoundedHere(t *testing.T) {
	closing := "\n\nConsidering the limited time by the user, I have to give the solution based on the thinking directly now."
	many := script("stop", thought("a"), thought("b"), thought("c"), thought("d"), thought("e"))
	for i := range many.Events[:5] {
		many.Events[i] = strings.TrimSuffix(many.Events[i], "}") + fmt.Sprintf(`,"usage":{"prompt_tokens":7,"completion_tokens":%d}}`, i+1)
	}
	b := newBench(t, dialect.VLLM, 3, many)
	b.server.Answer(func(n int, _ *upstreamtest.Request) upstreamtest.Script {
		if n == 0 {
			return many
		}
		return script("stop", thought("\n\n4"), thought("2")) // its parser believes that these are thoughts
	})
	whole, err := b.ask(t, question(func(r *request.Request) { r.MaxTokens = new(50) }))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := show(whole), fmt.Sprintf("reasoning %q\ncontent \"42\"\nstop 7/5/3 closed by budget", "abc"+closing); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	second := b.server.Requests()[1].Body
	want := map[string]any{"role": "assistant", "content": "<think>\nabc" + closing + "\n</think>"}
	messages := second["messages"].([]any)
	if diff := cmp.Diff(want, messages[len(messages)-1]); diff != "" {
		t.Error(diff)
	}
	if second["continue_final_message"] != true || second["add_generation_prompt"] != false || second["max_tokens"] != 47.0 {
		t.Errorf("%v", second)
	}
}

func TestServersThatContinueNothingAreAskedAgain(t *testing.T) {
	b := newBench(t, dialect.Ollama, 2, upstreamtest.Script{})
	b.server.Answer(func(n int, _ *upstreamtest.Request) upstreamtest.Script {
		if n == 0 {
			return script("stop", `{"reasoning":"a"}`, `{"reasoning":"b"}`, `{"reasoning":"c"}`)
		}
		return script("stop", `{"reasoning":"again"}`, text("42"))
	})
	whole, err := b.ask(t, question(nil))
	if err != nil {
		t.Fatal(err)
	}
	if got := show(whole); !strings.HasSuffix(got, "content \"42\"\nstop 5/4/2 closed by budget") || strings.Contains(got, "again") {
		t.Error(got)
	}
	messages := b.server.Requests()[1].Body["messages"].([]any)
	if n := len(messages); n != 3 || messages[2].(map[string]any)["content"] != askAgain {
		t.Errorf("%v", messages)
	}
}

func TestAnAnswerIsNeverEmptyBecauseOfItsThoughts(t *testing.T) {
	for name, c := range map[string]struct {
		kind   dialect.Kind
		first  upstreamtest.Script
		closed string
	}{
		"ended among them":       {dialect.VLLM, script("stop", thought("hm")), closedByEndToken},
		"cut among them":         {dialect.LlamaServer, script("length", thought("hm")), closedByBudget},
		"ended right after them": {dialect.SGLang, script("stop", thought("hm"), text("\n\n")), closedByModel},
		"left in the text":       {dialect.VLLM, script("stop", text("hm")), closedByEndToken},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, c.kind, 100, upstreamtest.Script{})
			b.server.Answer(func(n int, _ *upstreamtest.Request) upstreamtest.Script {
				if n == 0 {
					return c.first
				}
				return script("stop", text("42"))
			})
			whole, err := b.ask(t, question(nil))
			if err != nil {
				t.Fatal(err)
			}
			if got := whole.Answers[0].Text(generation.Content); got != "42" || whole.Routing.ClosedBy != c.closed {
				t.Errorf("%q, closed by %s", got, whole.Routing.ClosedBy)
			}
		})
	}
}

func TestWithoutABudgetWeightsThatThinkAreGivenAnEmptyBlock(t *testing.T) {
	b := newBench(t, dialect.VLLM, 0, script("stop", text("\n\n42")))
	whole, err := b.ask(t, question(nil))
	if err != nil || show(whole) != "content \"42\"\nstop 7/1/0" {
		t.Fatalf("%v, %v", whole, err)
	}
	messages := b.server.Requests()[0].Body["messages"].([]any)
	if got := messages[1].(map[string]any)["content"]; got != "<think>\n\n</think>" {
		t.Errorf("%q", got)
	}
}

func TestUsageThatCannotBeTrueIsCounted(t *testing.T) {
	for name, usage := range map[string]string{
		"nothing": `{}`, "negative": `{"prompt_tokens":-5,"completion_tokens":-1}`, "too many": `{"prompt_tokens":7,"completion_tokens":100000}`,
		"more thoughts than tokens":  `{"prompt_tokens":7,"completion_tokens":3,"reasoning_tokens":99}`,
		"more cached than there are": `{"prompt_tokens":7,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":99}}`,
	} {
		s := script("stop", text("a"), text("b"), text("c"))
		s.Events[len(s.Events)-1] = `{"choices":[],"usage":` + usage + `}`
		whole, err := newBench(t, dialect.VLLM, -1, s).ask(t, question(func(r *request.Request) { r.MaxTokens = new(10) }))
		if err != nil {
			t.Fatal(err)
		}
		u := whole.Usage
		if u.CompletionTokens != 3 || u.PromptTokens < 0 || u.CachedTokens > u.PromptTokens || u.ReasoningTokens > 3 {
			t.Errorf("%s: %+v", name, u)
		}
	}
}

func TestFormsAreCheckedWhereServersDoNotEnforceThem(t *testing.T) {
	schema := func(r *request.Request) {
		r.Form = &engine.Constraint{Schema: []byte(`{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}`)}
		r.Constraint, r.Stream = r.Form, true
	}
	required := func(r *request.Request) {
		r.Tools = []json.RawMessage{[]byte(`{"type":"function","function":{"name":"f"}}`)}
		r.Callable, r.Choice, r.Stream = []string{"f"}, request.Choice{Required: true}, true
	}
	call := `{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{}"}}]}`
	for name, c := range map[string]struct {
		edit     func(*request.Request)
		answers  []upstreamtest.Script
		want     string // of the answer, or the code of a failure
		requests int
	}{
		"at once":       {schema, []upstreamtest.Script{script("stop", text(`{"a":1}`))}, `{"a":1}`, 1},
		"at second try": {schema, []upstreamtest.Script{script("stop", text(`{"a":"x"}`)), script("stop", text(`{"a":1}`))}, `{"a":1}`, 2},
		"never":         {schema, []upstreamtest.Script{script("stop", text(`no`)), script("stop", text(`{}`))}, fault.CodeUpstream, 2},
		"cut":           {schema, []upstreamtest.Script{script("length", text(`{"a`))}, `{"a`, 1},
		"a call":        {required, []upstreamtest.Script{script("stop", text("no")), script("tool_calls", call)}, "", 2},
		"never a call":  {required, []upstreamtest.Script{script("stop", text("no")), script("stop", text("no"))}, fault.CodeUpstream, 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, dialect.OpenAI, -1, upstreamtest.Script{})
			b.server.Answer(func(n int, _ *upstreamtest.Request) upstreamtest.Script { return c.answers[n] })
			whole, err := b.ask(t, question(c.edit))
			var failed *fault.Error
			switch {
			case errors.As(err, &failed):
				if failed.Code != c.want {
					t.Error(err)
				}
			case err != nil:
				t.Fatal(err)
			case whole.Answers[0].Text(generation.Content) != c.want:
				t.Error(show(whole))
			}
			if n := len(b.server.Requests()); n != c.requests {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestWhatServersCannotDoIsRefusedByName(t *testing.T) {
	for param, c := range map[string]struct {
		kind dialect.Kind
		edit func(*request.Request)
	}{
		"top_k":                              {dialect.OpenAI, func(r *request.Request) { r.Sampling.TopK = new(5) }},
		"min_p":                              {dialect.Ollama, func(r *request.Request) { r.Sampling.MinP = new(0.1) }},
		"repetition_penalty":                 {dialect.OpenAI, func(r *request.Request) { r.Sampling.RepetitionPenalty = new(1.1) }},
		"logit_bias":                         {dialect.Ollama, func(r *request.Request) { r.Sampling.LogitBias = map[int32]float64{1: 1} }},
		"cache_salt":                         {dialect.LlamaServer, func(r *request.Request) { r.CacheSalt = "s" }},
		"chat_template_kwargs.add_vision_id": {dialect.OpenAI, func(r *request.Request) { r.VisionID = true }},
		"structured_outputs.regex":           {dialect.LlamaServer, func(r *request.Request) { r.Form = &engine.Constraint{Pattern: "a"} }},
		"structured_outputs.choice":          {dialect.OpenAI, func(r *request.Request) { r.Form = &engine.Constraint{Choices: []string{"a"}} }},
		"messages[1]": {dialect.Ollama, func(r *request.Request) {
			r.Messages = append(r.Messages, request.Message{Role: request.RoleAssistant, IsText: true, Text: "I", Path: "messages[1]"})
		}},
	} {
		b := newBench(t, c.kind, -1, script("stop", text("no")))
		_, err := b.ask(t, question(c.edit))
		var refused *fault.Error
		if !errors.As(err, &refused) || refused.Param != param || refused.Code != fault.CodeUnsupported || len(b.server.Requests()) != 0 {
			t.Errorf("%s: %v", param, err)
		}
	}
}

func TestFailuresAreToldInThisDaemonsWords(t *testing.T) {
	for name, c := range map[string]struct {
		script upstreamtest.Script
		code   string
		status int
	}{
		"too long":  {upstreamtest.Script{Status: 400, Body: `{"error":{"message":"maximum context length is 8"}}`}, fault.CodeContextLength, 400},
		"refused":   {upstreamtest.Script{Status: 400, Body: `{"object":"error","message":"no","type":"BadRequest","code":400}`}, fault.CodeInvalidValue, 400},
		"busy":      {upstreamtest.Script{Status: 503}, fault.CodeOverloaded, 503},
		"dead":      {upstreamtest.Script{Fault: upstreamtest.Reset, At: -1}, fault.CodeUpstream, 500},
		"broken":    {upstreamtest.Script{Fault: upstreamtest.Reset, At: 1, Events: script("stop", text("a"), text("b")).Events}, fault.CodeUpstream, 500},
		"aborted":   {script("abort", text("a")), fault.CodeUpstream, 500},
		"wrong key": {upstreamtest.Script{Status: 401}, fault.CodeUpstream, 500},
	} {
		_, err := newBench(t, dialect.VLLM, -1, c.script).ask(t, question(nil))
		var failed *fault.Error
		if !errors.As(err, &failed) || failed.Code != c.code || failed.Status != c.status {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMoreTokensThanTheContextLeavesAreNoFault(t *testing.T) {
	b := newBench(t, dialect.VLLM, -1, upstreamtest.Script{})
	b.server.Answer(func(_ int, r *upstreamtest.Request) upstreamtest.Script {
		if r.Body["max_tokens"] != nil {
			return upstreamtest.Script{Status: 400, Body: `{"error":{"message":"max_tokens is too large: maximum context length is 4096"}}`}
		}
		return script("length", text("a"))
	})
	whole, err := b.ask(t, question(func(r *request.Request) { r.MaxTokens = new(100000) }))
	if err != nil || whole.Routing.MaxTokens == 0 {
		t.Errorf("%+v, %v", whole, err)
	}
}

func TestRequestsThatBeginAlikeHaveTheSameKey(t *testing.T) {
	key := func(caller generation.Caller, edit func(*request.Request)) string {
		return affinity(&generation.Decided{Request: question(edit), Caller: &caller})
	}
	plain := key(generation.Caller{}, nil)
	more := key(generation.Caller{ID: "other"}, func(r *request.Request) {
		r.Messages = append(r.Messages, request.Message{Role: request.RoleAssistant, IsText: true, Text: "Hello"})
	})
	picture := key(generation.Caller{}, func(r *request.Request) {
		r.Messages[0].Parts = []request.Part{{Image: &request.Image{URL: "data:a"}}}
	})
	other := key(generation.Caller{}, func(r *request.Request) {
		r.Messages[0].Parts = []request.Part{{Image: &request.Image{URL: "data:b"}}}
	})
	if plain != more || plain == picture || picture == other {
		t.Error(plain, more, picture, other)
	}
	if key(generation.Caller{Affinity: "s"}, nil) == plain || key(generation.Caller{}, func(r *request.Request) { r.CacheKey = "k" }) == plain {
		t.Error("neither a session nor a cache key counts")
	}
}

func TestPredictionsGoToServersThatTakeThem(t *testing.T) {
	for _, kind := range dialect.Kinds() {
		s := script("stop", text("a"), text("b"), text("c"))
		s.Events[len(s.Events)-1] = `{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,` +
			`"completion_tokens_details":{"accepted_prediction_tokens":2,"rejected_prediction_tokens":5}}}`
		b := newBench(t, kind, -1, s)
		whole, err := b.ask(t, question(func(r *request.Request) { r.Prediction = "abd" }))
		if err != nil {
			t.Fatal(err)
		}
		sent, _ := b.server.Requests()[0].Body["prediction"].(map[string]any)
		if takes := kind == dialect.OpenAI || kind == dialect.Qwenvld; takes != (sent["content"] == "abd") || takes != (sent["type"] == "content") {
			t.Errorf("%s: %v", kind, sent)
		}
		if u := whole.Usage; u.AcceptedPrediction != 2 || u.RejectedPrediction != 5 {
			t.Errorf("%s: %+v", kind, u)
		}
	}
}
