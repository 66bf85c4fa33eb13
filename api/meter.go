package api

import (
	"context"
	"net/http"
	"time"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/media"
	"github.com/qwenvld/qwenvld/api/metrics"
	"github.com/qwenvld/qwenvld/api/tracing"
	"github.com/qwenvld/qwenvld/api/web"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// meter is told what packages do that know nothing of metrics and traces, and tells both of them. It is the only place
// where the stages of a request are noted.
type meter struct {
	*metrics.Metrics
	traces *tracing.Tracer // nil where requests are not traced, which then costs nothing
	now    func() time.Time
}

var (
	_ generation.Meter = meter{}
	_ media.Meter      = meter{}
	_ web.Counter      = meter{}
)

// trace begins the trace of a request that has something done.
func (m meter) trace(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			r = r.WithContext(m.traces.Begin(r.Context(), r))
			web.RecordOf(r.Context()).Trace = tracing.ID(r.Context())
		}
		next.ServeHTTP(w, r)
	})
}

// Requested counts a request that has ended.
func (m meter) Requested(ctx context.Context, method, endpoint string, status int, took time.Duration) {
	m.Metrics.Requested(endpoint, status, took)
	if m.traces == nil {
		return
	}
	rec := web.RecordOf(ctx)
	e := tracing.Ending{ID: rec.ID, Method: method, Route: endpoint, Status: status}
	if rec.Err != nil {
		e.Code = rec.Err.Code
	}
	m.traces.End(ctx, &e)
}

// Routed tells how long the router took.
func (m meter) Routed(ctx context.Context, begun time.Time, took time.Duration) {
	m.Metrics.Routed(took)
	if m.traces != nil {
		m.traces.Stage(ctx, tracing.StageDecide, begun, begun.Add(took))
	}
}

// Held tells how long weights were waited for.
func (m meter) Held(ctx context.Context, waited time.Duration) {
	m.Metrics.Held(waited)
	m.waited(ctx, tracing.StageLoad, waited)
}

// Admitted tells how long a place was waited for.
func (m meter) Admitted(ctx context.Context, waited time.Duration) {
	m.Metrics.Admitted(waited)
	m.waited(ctx, tracing.StageQueue, waited)
}

// waited tells of a stage that is over.
func (m meter) waited(ctx context.Context, stage string, waited time.Duration) {
	if m.traces != nil {
		now := m.now()
		m.traces.Stage(ctx, stage, now.Add(-waited), now)
	}
}

// Escalated counts a generation that the other variant answers after all.
func (m meter) Escalated(to router.Variant, cause string) {
	m.Metrics.Escalated(to, metrics.Cause(cause))
}

// Prepared begins to measure a step of bringing in a medium.
func (m meter) Prepared(ctx context.Context, medium, step string) (done func()) {
	counted := m.Metrics.Prepared(metrics.Media(medium), metrics.Step(step))
	if m.traces == nil {
		return counted
	}
	traced := m.traces.Start(ctx, step, tracing.Medium(medium))
	return func() {
		counted()
		traced()
	}
}

// Begin counts a generation as in flight.
func (m meter) Begin(ctx context.Context, d *generation.Decided, answers int) (context.Context, generation.Measure) {
	perPrompt := d.Request.Answers()
	counted := m.Metrics.Begin(metrics.Start{
		Endpoint: d.Caller.Endpoint, Variant: router.Variant(d.Variant()), At: d.Caller.At, Answers: answers, PerPrompt: perPrompt,
	})
	if m.traces == nil {
		return ctx, counted
	}
	req := d.Request
	ctx, span := m.traces.Generate(ctx, &tracing.Plan{
		At: d.Caller.At, Asked: req.Model, ModelOf: d.ModelOf, Plain: d.Plain(), Stream: req.Stream, JSON: isJSON(req.Constraint),
		Answers: answers, PerPrompt: perPrompt, MaxTokens: req.MaxTokens, Sampling: d.Sampling(),
		Images: len(req.Images), Videos: len(req.Videos),
	})
	return ctx, &measures{counted, span}
}

// isJSON says whether an answer is asked for as JSON.
func isJSON(c *engine.Constraint) bool { return c != nil && (c.Object || c.Schema != nil) }

// measures is a generation that is counted and traced.
type measures struct {
	*metrics.Generation
	span *tracing.Generation
}

var _ generation.Measure = (*measures)(nil)

// Settled says who answers.
func (m *measures) Settled(v router.Variant, whole bool) {
	m.Generation.Settled(v, whole)
	m.span.Settled(v)
}

// Event notes an engine's event.
func (m *measures) Event(choice int, ev *engine.Event, answers bool) {
	m.Generation.Event(choice, ev, answers)
	m.span.Event(choice, ev, answers)
}

// End says that nothing more comes.
func (m *measures) End(cancelled bool) {
	m.Generation.End(cancelled)
	m.span.End(cancelled)
}
