package tracing

import (
	"context"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// request is what is known of a traced request while it is answered.
type request struct {
	span  trace.Span
	begun time.Time
	// received ends the stage in which the request is read.
	received sync.Once
}

// requestKey is the context's key for the request.
type requestKey struct{}

func requestOf(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

// Begin begins the span of a request, as a part of what its headers say that it belongs to. What is done for the
// request is to have the context that it returns. End must be called.
func (t *Tracer) Begin(ctx context.Context, r *http.Request) context.Context {
	now := t.now()
	ctx = wire().Extract(ctx, propagation.HeaderCarrier(r.Header))
	ctx, span := t.tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(now))
	return context.WithValue(ctx, requestKey{}, &request{span: span, begun: now})
}

// Ending is what is known of a request that has ended.
type Ending struct {
	// ID is the request's, Method and Route what was asked; Status is what it was answered with.
	ID, Method, Route string
	Status            int
	// Code is that of the error that the client was told, "" where there was none.
	Code string
}

// End ends the span that Begin began. It does nothing for requests without one.
func (t *Tracer) End(ctx context.Context, e *Ending) {
	r := requestOf(ctx)
	if r == nil {
		return
	}
	if e.Route != "" {
		r.span.SetName(e.Method + " " + e.Route)
	}
	r.span.SetAttributes(
		attribute.String("http.request.method", e.Method), attribute.String("http.route", e.Route),
		attribute.Int("http.response.status_code", e.Status), attribute.String("qwenvld.request.id", e.ID),
	)
	if e.Code != "" {
		r.span.SetAttributes(attribute.String("error.type", e.Code))
	}
	if e.Status >= http.StatusInternalServerError {
		r.span.SetStatus(codes.Error, "")
	}
	r.span.End(trace.WithTimestamp(t.now()))
}

// Stage tells of a part of a request that took from begin to end. The first one ends what came before it: the request
// was received and decoded. It does nothing for requests that are not traced.
func (t *Tracer) Stage(ctx context.Context, name string, begin, end time.Time, attributes ...attribute.KeyValue) {
	if !traced(ctx) {
		return
	}
	t.received(ctx, begin)
	t.span(ctx, name, begin, end, attributes...)
}

// Start begins a stage, which lasts until done is called.
func (t *Tracer) Start(ctx context.Context, name string, attributes ...attribute.KeyValue) (done func()) {
	if !traced(ctx) {
		return func() {}
	}
	begin := t.now()
	t.received(ctx, begin)
	return func() { t.span(ctx, name, begin, t.now(), attributes...) }
}

// Medium is the attribute of what is fetched or decoded: an image or a video.
func Medium(name string) attribute.KeyValue { return attribute.String("qwenvld.media", name) }

// received tells of the first stage once, when the second one begins.
func (t *Tracer) received(ctx context.Context, at time.Time) {
	if r := requestOf(ctx); r != nil {
		r.received.Do(func() { t.span(trace.ContextWithSpan(ctx, r.span), StageReceive, r.begun, at) })
	}
}

func (t *Tracer) span(ctx context.Context, name string, begin, end time.Time, attributes ...attribute.KeyValue) {
	_, s := t.tracer.Start(ctx, name, trace.WithTimestamp(begin), trace.WithAttributes(attributes...))
	s.End(trace.WithTimestamp(end))
}

// Names of stages. Those of media are called as who brings them in says.
const (
	StageReceive = "receive" // the body is read and decoded
	StageDecide  = "decide"  // the router chooses who answers
	StageLoad    = "load"    // the weights are loaded
	StageQueue   = "queue"   // a place among those that are worked on is waited for

	// Those of a generation, in the worker.
	stageWorkerQueue = "worker queue"  // until the first rows are computed
	stageEncode      = "encode images" // until the last picture of the prompt is encoded
	stagePrefill     = "prefill"       // the prompt is computed, until the first token
)
