package tracing

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/internal/otlptest"
	"github.com/qwenvld/qwenvld/router"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Those who ask are a part of this trace.
const (
	parentTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	parentSpan  = "00f067aa0ba902b7"
)

// clock is a time that the test sets.
type clock struct{ now time.Time }

func (c *clock) after(d time.Duration) { c.now = c.now.Add(d) }

func newTracer(t *testing.T, to *otlptest.Receiver, edit func(*Options)) (*Tracer, *clock) {
	t.Helper()
	c := &clock{now: time.Unix(1000, 0)}
	o := Options{Endpoint: to.URL + "/v1/traces", Share: 1, Service: "qwenvld", Version: "v1", Now: func() time.Time { return c.now }}
	if edit != nil {
		edit(&o)
	}
	tracer, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return tracer, c
}

func post(header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", http.NoBody)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func closed(t *testing.T, tracer *Tracer) {
	t.Helper()
	if err := tracer.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// named are the spans by their names, each of which must be there once.
func named(t *testing.T, all []otlptest.Span) map[string]otlptest.Span {
	t.Helper()
	out := map[string]otlptest.Span{}
	for _, s := range all {
		if _, twice := out[s.Name]; twice {
			t.Errorf("%s twice", s.Name)
		}
		out[s.Name] = s
	}
	return out
}

func TestASpanForEachStage(t *testing.T) {
	to := otlptest.Start(t)
	tracer, c := newTracer(t, to, func(o *Options) { o.Attributes = map[string]string{"deployment.environment.name": "test"} })
	ctx := tracer.Begin(t.Context(), post("Traceparent", "00-"+parentTrace+"-"+parentSpan+"-01"))
	if ID(ctx) != parentTrace {
		t.Errorf("a part of trace %q", ID(ctx))
	}
	c.after(time.Second) // the body
	tracer.Stage(ctx, StageDecide, c.now, c.now.Add(time.Millisecond))
	c.after(time.Millisecond)
	fetched := tracer.Start(ctx, "fetch", Medium("image"))
	c.after(2 * time.Second)
	fetched()
	asked := c.now
	most := 9
	gen, g := tracer.Generate(ctx, &Plan{
		At: asked, Asked: "m", ModelOf: func(v router.Variant) string { return "m-" + string(v) }, Stream: true,
		Answers: 1, PerPrompt: 1, MaxTokens: &most, Sampling: engine.Sampling{Temperature: 0.5}, Images: 1,
	})
	if ID(gen) != parentTrace {
		t.Errorf("the generation is a part of %q", ID(gen))
	}
	g.Settled(router.Thinking)
	c.after(3 * time.Second)
	g.Event(0, &engine.Event{Start: &engine.Start{}}, false)
	g.Event(0, &engine.Event{Text: "hm", Timing: &engine.Timing{
		Taken: asked, Queued: time.Second, EncodeBegin: time.Second, EncodeEnd: 2 * time.Second, FirstToken: 3 * time.Second,
	}}, false)
	c.after(time.Second)
	g.Event(0, &engine.Event{Text: "42"}, true)
	g.Event(0, &engine.Event{Result: &engine.Result{
		FinishReason: engine.FinishStop,
		Usage:        engine.Usage{PromptTokens: 50, CachedTokens: 10, ImageTokens: 30, CompletionTokens: 4, ReasoningTokens: 2},
	}}, false)
	g.End(false)
	tracer.End(ctx, &Ending{ID: "r1", Method: "POST", Route: "/v1/chat/completions", Status: 200})
	closed(t, tracer)
	spans := named(t, to.Spans())
	root := spans["POST /v1/chat/completions"]
	if root.Trace != parentTrace || root.Parent != parentSpan || root.Kind != "SPAN_KIND_SERVER" || root.Failed {
		t.Errorf("the request: %+v", root)
	}
	type times struct{ begin, took time.Duration }
	got := map[string]times{}
	for name, s := range spans {
		got[name] = times{s.Begin.Sub(root.Begin), s.End.Sub(s.Begin)}
	}
	at := asked.Sub(root.Begin)
	if diff := cmp.Diff(map[string]times{
		root.Name: {0, at + 4*time.Second}, "receive": {0, time.Second}, "decide": {time.Second, time.Millisecond},
		"fetch": {time.Second + time.Millisecond, 2 * time.Second}, "chat m": {at, 4 * time.Second}, "worker queue": {at, time.Second},
		"encode images": {at + time.Second, time.Second}, "prefill": {at + time.Second, 2 * time.Second},
	}, got, cmp.AllowUnexported(times{})); diff != "" {
		t.Error(diff)
	}
	for name, parent := range map[string]string{"receive": root.ID, "decide": root.ID, "fetch": root.ID, "chat m": root.ID, "prefill": spans["chat m"].ID} {
		if spans[name].Parent != parent {
			t.Errorf("%s is a part of %s", name, spans[name].Parent)
		}
	}
	chat := spans["chat m"]
	if diff := cmp.Diff(map[string]string{
		"gen_ai.operation.name": "chat", "gen_ai.provider.name": "qwenvld", "gen_ai.request.model": "m", "gen_ai.response.model": "m-thinking",
		"gen_ai.request.stream": "true", "gen_ai.request.max_tokens": "9", "gen_ai.request.temperature": "0.5", "gen_ai.request.top_p": "0",
		"gen_ai.request.top_k": "0", "gen_ai.request.presence_penalty": "0", "gen_ai.request.frequency_penalty": "0", "gen_ai.output.type": "text",
		"gen_ai.response.finish_reasons": "stop", "gen_ai.response.time_to_first_chunk": "3", "gen_ai.usage.input_tokens": "50",
		"gen_ai.usage.cache_read.input_tokens": "10", "gen_ai.usage.image.input_tokens": "30", "gen_ai.usage.video.input_tokens": "0",
		"gen_ai.usage.output_tokens": "4", "gen_ai.usage.reasoning.output_tokens": "2", "qwenvld.request.images": "1",
		"qwenvld.request.videos": "0", "qwenvld.variant": "thinking", "qwenvld.outcome": "completed",
	}, chat.Attributes); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"first_token", "first_answer_token"}, chat.Events); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"service.name": "qwenvld", "service.version": "v1", "deployment.environment.name": "test"}, chat.Resource); diff != "" {
		t.Error(diff)
	}
}

func TestHowAGenerationEndedIsTold(t *testing.T) {
	for outcome, c := range map[string]struct{ ended, cancelled bool }{
		"completed": {ended: true}, "cancelled": {cancelled: true}, "failed": {},
	} {
		to := otlptest.Start(t)
		tracer, _ := newTracer(t, to, nil)
		_, g := tracer.Generate(tracer.Begin(t.Context(), post()), &Plan{Asked: "m", Plain: true, Answers: 1, PerPrompt: 1})
		if c.ended {
			g.Event(0, &engine.Event{Result: &engine.Result{}}, false)
		}
		g.End(c.cancelled)
		closed(t, tracer)
		if s := named(t, to.Spans())["text_completion m"]; s.Attributes["qwenvld.outcome"] != outcome || s.Failed != (outcome == "failed") {
			t.Errorf("%s: %+v", outcome, s)
		}
	}
}

func TestWhoAsksSaysWhatIsTraced(t *testing.T) {
	to := otlptest.Start(t)
	none, _ := newTracer(t, to, func(o *Options) { o.Share = 0 })
	all, _ := newTracer(t, to, nil)
	for name, c := range map[string]struct {
		tracer *Tracer
		header string
		traced bool
	}{
		"nobody says so":         {none, "", false},
		"the client says so":     {none, "00-" + parentTrace + "-" + parentSpan + "-01", true},
		"the client says no":     {all, "00-" + parentTrace + "-" + parentSpan + "-00", false},
		"the client says rubish": {all, "00-xyz", true},
	} {
		ctx := c.tracer.Begin(t.Context(), post("Traceparent", c.header))
		c.tracer.Start(ctx, "fetch")()
		c.tracer.Stage(ctx, StageQueue, time.Now(), time.Now())
		gen, g := c.tracer.Generate(ctx, &Plan{Asked: "m", Answers: 1, PerPrompt: 1})
		g.Event(0, &engine.Event{Text: "a"}, true)
		g.End(false)
		c.tracer.End(ctx, &Ending{Method: "POST", Route: "/x", Status: 200})
		if (ID(gen) != "") != c.traced {
			t.Errorf("%s: %q", name, ID(gen))
		}
	}
	closed(t, none)
	closed(t, all)
	if n := len(to.Spans()); n != 2*5 {
		t.Errorf("%d spans", n)
	}
}

func TestWhoIsAskedIsToldOfTheTrace(t *testing.T) {
	to := otlptest.Start(t)
	tracer, _ := newTracer(t, to, nil)
	var asked []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Traceparent"))
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte("short and stout"))
	}))
	defer other.Close()
	through := &http.Client{Transport: tracer.Transport(http.DefaultTransport)}
	defer through.CloseIdleConnections()
	ask := func(ctx context.Context) {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, other.URL+"/pot?key=secret", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := through.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(resp.Body); string(text) != "short and stout" || err != nil || req.Header.Get("Traceparent") != "" {
			t.Errorf("%s, %v; the request's own header: %v", text, err, req.Header)
		}
		_ = resp.Body.Close()
	}
	ctx := tracer.Begin(t.Context(), post())
	ask(t.Context()) // belongs to nobody
	ask(ctx)
	tracer.End(ctx, &Ending{Method: "POST", Route: "/x", Status: 500, Code: "internal"})
	closed(t, tracer)
	spans := named(t, to.Spans())
	get, root := spans["GET /pot"], spans["POST /x"]
	if len(spans) != 2 || get.Parent != root.ID || !get.Failed || get.Attributes["http.response.status_code"] != "418" {
		t.Errorf("%+v", spans)
	}
	if want := []string{"", "00-" + root.Trace + "-" + get.ID + "-01"}; !cmp.Equal(asked, want) {
		t.Errorf("told %q, want %q", asked, want)
	}
	if !root.Failed || root.Attributes["error.type"] != "internal" {
		t.Errorf("%+v", root)
	}
	for name, value := range get.Attributes {
		if strings.Contains(value, "secret") {
			t.Errorf("%s is %s", name, value)
		}
	}
}

func TestSpansThatCannotBeSentAreToldOfSeldom(t *testing.T) {
	to := otlptest.Start(t)
	to.Answer(http.StatusBadRequest, nil)
	var log bytes.Buffer
	tracer, c := newTracer(t, to, func(o *Options) {
		o.Logger, o.Compress = slog.New(slog.NewTextHandler(&log, nil)), true
		o.Header = map[string]string{"X-Scope": "me"}
	})
	for range 3 {
		ctx := tracer.Begin(t.Context(), post())
		tracer.End(ctx, &Ending{Method: "POST", Status: 200})
		if err := tracer.provider.ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
		c.after(time.Second)
	}
	closed(t, tracer)
	if n := strings.Count(log.String(), "could not be sent"); n != 1 {
		t.Errorf("told %d times: %s", n, log.String())
	}
	posts := to.Posts()
	if len(posts) != 3 || posts[0].Get("X-Scope") != "me" || posts[0].Get("Content-Encoding") != "gzip" || posts[0][":path"][0] != "/v1/traces" {
		t.Errorf("%v", posts)
	}
}

func TestAReceiverThatIsNotThereHoldsNobodyUp(t *testing.T) {
	var log bytes.Buffer
	tracer, err := New(t.Context(), Options{Endpoint: "http://127.0.0.1:1/v1/traces", Share: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx := tracer.Begin(t.Context(), post())
	tracer.End(ctx, &Ending{Method: "POST", Status: 200})
	over, cancel := context.WithCancel(context.Background())
	cancel() // a daemon that ends waits no longer than it has said
	if err := tracer.Close(over); err != nil || !strings.Contains(log.String(), "could not be sent") {
		t.Errorf("%v; %s", err, log.String())
	}
}
