package api

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/media"
	"github.com/qwenvld/qwenvld/api/metrics"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/api/tracing"
	"github.com/qwenvld/qwenvld/api/web"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/enginetest"
	"github.com/qwenvld/qwenvld/engine/prompt"
	"github.com/qwenvld/qwenvld/engine/upstream"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
	"github.com/qwenvld/qwenvld/internal/otlptest"
	"github.com/qwenvld/qwenvld/router"
)

const (
	askersTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	askersSpan   = "00f067aa0ba902b7"
	askersParent = "00-" + askersTrace + "-" + askersSpan + "-01"
)

// tracedTo makes a Tracer that sends to r. sent has it send what it has.
func tracedTo(t *testing.T, r *otlptest.Receiver) (tracer *tracing.Tracer, sent func()) {
	t.Helper()
	tracer, err := tracing.New(t.Context(), tracing.Options{Endpoint: r.URL + "/v1/traces", Share: 1, Service: "qwenvld"})
	if err != nil {
		t.Fatal(err)
	}
	return tracer, func() {
		if err := tracer.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// outline draws spans as a tree, in the order in which they begin, with two blanks for each level.
func outline(spans []otlptest.Span, parent string) string {
	slices.SortStableFunc(spans, func(a, b otlptest.Span) int { return a.Begin.Compare(b.Begin) })
	out := ""
	for _, s := range spans {
		if s.Parent == parent {
			out += s.Name + "\n"
			for line := range strings.Lines(outline(slices.Clone(spans), s.ID)) {
				out += "  " + line
			}
		}
	}
	return out
}

func TestRequestsAreTracedStageByStage(t *testing.T) {
	to := otlptest.Start(t)
	tracer, sent := tracedTo(t, to)
	s := newSite(t, func(c *Config) { c.Tracer = tracer })
	taken := time.Now()
	s.instruct.Events = append([]engine.Event{{Text: "My zebra", Timing: &engine.Timing{
		Taken: taken, Queued: 2, EncodeBegin: 1, EncodeEnd: 3, FirstToken: 4,
	}}}, text(" answers")...)
	body := photo(t, map[string]any{"model": "qwen3-vl-instruct", "stream": true, "user": "zebra", "max_tokens": 5}, "../multimodal/testdata/page.png")
	body["messages"] = append([]any{map[string]any{"role": "system", "content": "zebra"}}, body["messages"].([]any)...)
	got := s.post("/v1/chat/completions", body, "Traceparent", askersParent, "X-Session-Id", "zebra", "User-Agent", "zebra")
	if got.status != http.StatusOK {
		t.Fatalf("%s", got.body)
	}
	if refused := s.post("/v1/chat/completions", `{"model":"zebra"}`); refused.status < 400 {
		t.Errorf("%s", refused.body)
	}
	s.hangUp()
	sent()
	spans := to.Spans()
	want := `POST /v1/chat/completions
  receive
  decide
  decode
  queue
  chat qwen3-vl-instruct
    worker queue
    encode images
    prefill
`
	if diff := cmp.Diff(want, outline(spans, askersSpan)); diff != "" {
		t.Error(diff)
	}
	for _, span := range spans {
		if text := fmt.Sprintf("%+v", span); strings.Contains(text, "zebra") {
			t.Errorf("what a client wrote is told: %s", text)
		}
		switch {
		case span.Parent == askersSpan && span.Attributes["http.response.status_code"] != "200",
			span.Parent == "" && (span.Attributes["error.type"] == "" || span.Failed),
			span.Name == "chat qwen3-vl-instruct" && span.Attributes["gen_ai.response.finish_reasons"] != "stop":
			t.Errorf("%+v", span)
		}
	}
	if log := s.log.String(); !strings.Contains(log, "trace_id="+askersTrace) {
		t.Error(log)
	}
}

func TestAServerOfOthersBelongsToTheTrace(t *testing.T) {
	to := otlptest.Start(t)
	tracer, sent := tracedTo(t, to)
	innerTracer, innerSent := tracedTo(t, to)
	inner := newSite(t, func(c *Config) { c.Tracer = innerTracer })
	outer := newSite(t, func(c *Config) {
		c.Tracer = tracer
		c.Models = []Model{{ID: "far", Clusters: map[router.Variant]*upstream.Cluster{
			router.Instruct: startCluster(t, dialect.Qwenvld, inner.url, "qwen3-vl-instruct", true, tracer.Transport),
		}}}
	})
	if got := outer.ask(map[string]any{"model": "far"}); got.status != http.StatusOK {
		t.Fatalf("%s", got.body)
	}
	outer.hangUp()
	inner.hangUp()
	sent()
	innerSent()
	want := `POST /v1/chat/completions
  receive
  decide
  queue
  chat far
    POST /v1/chat/completions
      POST /v1/chat/completions
        receive
        decide
        queue
        chat qwen3-vl-instruct
`
	if diff := cmp.Diff(want, outline(to.Spans(), "")); diff != "" {
		t.Error(diff)
	}
}

func TestABackgroundResponseIsTracedToItsEnd(t *testing.T) {
	to := otlptest.Start(t)
	tracer, sent := tracedTo(t, to)
	s := newSite(t, func(c *Config) { c.Tracer = tracer })
	got := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": "hi", "background": true})
	if got.status != http.StatusOK {
		t.Fatalf("%s", got.body)
	}
	if err := s.server.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	sent()
	if got := outline(to.Spans(), ""); !strings.Contains(got, "\n  chat qwen3-vl-instruct") {
		t.Error(got)
	}
}

// noting is all that is told what a request does.
type noting interface {
	generation.Meter
	media.Meter
	web.Counter
}

// untraced tells the metrics alone.
type untraced struct{ *metrics.Metrics }

func (u untraced) Requested(_ context.Context, _, endpoint string, status int, took time.Duration) {
	u.Metrics.Requested(endpoint, status, took)
}

func (u untraced) Routed(_ context.Context, _ time.Time, took time.Duration) { u.Metrics.Routed(took) }

func (u untraced) Held(_ context.Context, waited time.Duration) { u.Metrics.Held(waited) }

func (u untraced) Admitted(_ context.Context, waited time.Duration) { u.Metrics.Admitted(waited) }

func (u untraced) Escalated(to router.Variant, cause string) {
	u.Metrics.Escalated(to, metrics.Cause(cause))
}

func (u untraced) Prepared(_ context.Context, medium, step string) (done func()) {
	return u.Metrics.Prepared(metrics.Media(medium), metrics.Step(step))
}

func (u untraced) Begin(ctx context.Context, d *generation.Decided, answers int) (context.Context, generation.Measure) {
	return ctx, u.Metrics.Begin(metrics.Start{Endpoint: d.Caller.Endpoint, At: d.Caller.At, Answers: answers, PerPrompt: 1})
}

// stages has n told of all that a request does, with so many tokens.
func stages(n noting, d *generation.Decided, tokens int) {
	ctx := context.Background()
	n.Routed(ctx, time.Time{}, time.Millisecond)
	n.Held(ctx, 0)
	n.Prepared(ctx, "image", "fetch")()
	n.Prepared(ctx, "image", "decode")()
	n.Admitted(ctx, 0)
	_, g := n.Begin(ctx, d, 1)
	g.Settled(router.Instruct, false)
	ev := engine.Event{Text: "a"}
	for range tokens {
		g.Event(0, &ev, true)
	}
	g.End(false)
	n.Released()
	n.Requested(ctx, http.MethodPost, "/v1/chat/completions", http.StatusOK, time.Second)
}

// askedOnce is a request that is to be answered.
func askedOnce(tb testing.TB) *generation.Decided {
	tb.Helper()
	weights := &enginetest.Fake{Model: fakeInfo(prompt.InstructTemplate())}
	server, err := New(Config{Router: shippedRouter(tb), Models: []Model{{ID: "m", Engines: map[router.Variant]engine.Engine{router.Instruct: weights}}}})
	if err != nil {
		tb.Fatal(err)
	}
	d, err := server.core.Decide(tb.Context(), &request.Request{Model: "m"}, &generation.Caller{Endpoint: "/v1/chat/completions", At: time.Now()})
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func TestWhatIsNotTracedCostsNothing(t *testing.T) {
	m := metrics.New(metrics.Options{})
	d := askedOnce(t)
	const runs, tokens = 100, 10
	var before, off noting = untraced{m}, meter{Metrics: m, now: time.Now}
	without := testing.AllocsPerRun(runs, func() { stages(before, d, tokens) })
	with := testing.AllocsPerRun(runs, func() { stages(off, d, tokens) })
	if with > without {
		t.Errorf("%v allocations, %v by the metrics alone", with, without)
	}
	tracer, sent := tracedTo(t, otlptest.Start(t))
	defer sent()
	plain, on := newSite(t, nil), newSite(t, func(c *Config) { c.Tracer = tracer })
	if len(plain.server.routes.Middlewares()) >= len(on.server.routes.Middlewares()) {
		t.Error("requests go through what traces them")
	}
}

// What a request of 100 tokens costs to note: by the metrics alone, with traces off, with a trace that is not sent, and
// with one that is.
func BenchmarkStages(b *testing.B) {
	d := askedOnce(b)
	m := metrics.New(metrics.Options{})
	b.Run("metrics", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			stages(untraced{m}, d, 100)
		}
	})
	b.Run("off", func(b *testing.B) {
		var off noting = meter{Metrics: m, now: time.Now}
		b.ReportAllocs()
		for b.Loop() {
			stages(off, d, 100)
		}
	})
	sink := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer sink.Close()
	for name, share := range map[string]float64{"unsampled": 0, "sampled": 1} {
		b.Run(name, func(b *testing.B) {
			tracer, err := tracing.New(b.Context(), tracing.Options{Endpoint: sink.URL, Share: share, Service: "qwenvld"})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = tracer.Close(context.Background()) }()
			var on noting = meter{Metrics: m, traces: tracer, now: time.Now}
			b.ReportAllocs()
			for b.Loop() {
				stages(on, d, 100)
			}
		})
	}
}
