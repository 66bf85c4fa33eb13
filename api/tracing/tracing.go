// Package tracing tells an OpenTelemetry collector what became of a request and when: a span for the request, one for
// each stage of it, and one for the generation, with the attributes of the GenAI semantic conventions.
//
// Spans say how long things took, how many tokens there were and which of the operator's models answered. The package
// must not put anything into them that a client wrote or was answered, and must not decide anything: whether a request
// is traced changes nothing that the server answers.
package tracing

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Options are what a Tracer needs.
type Options struct {
	// Endpoint is the URL that spans are posted to, in OTLP's form of HTTP with protocol buffers. Header is sent along.
	Endpoint string
	Header   map[string]string
	// TLS is how the endpoint is spoken to where it is https; nil for the system's certificates.
	TLS *tls.Config
	// Compress has spans compressed on their way, Timeout bounds each post.
	Compress bool
	Timeout  time.Duration
	// Share of the requests is traced, 0 to 1, of those whose client does not say whether they are.
	Share float64
	// Service and Version name this daemon to the collector, Attributes say more of it.
	Service, Version string
	Attributes       map[string]string
	// Logger is told when spans cannot be sent. nil discards.
	Logger *slog.Logger
	// Now is the clock, time.Now by default.
	Now func() time.Time
}

// Tracer makes spans and sends them. It is safe for concurrent use. Close must be called.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	now      func() time.Time
	// giveUp ends what is being sent.
	giveUp context.CancelFunc
}

// New returns a Tracer, whose spans are sent by a goroutine of its own. It does not try to reach the endpoint.
func New(ctx context.Context, o Options) (*Tracer, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	gone, giveUp := context.WithCancel(context.Background())
	out, err := newExporter(ctx, gone, &o)
	if err != nil {
		giveUp()
		return nil, fmt.Errorf("tracing: %w", err)
	}
	about := []attribute.KeyValue{attribute.String("service.name", o.Service), attribute.String("service.version", o.Version)}
	for name, value := range o.Attributes {
		about = append(about, attribute.String(name, value))
	}
	t := &Tracer{now: o.Now, giveUp: giveUp, provider: sdk.NewTracerProvider(
		sdk.WithBatcher(out),
		sdk.WithResource(resource.NewSchemaless(about...)),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(o.Share))),
	)}
	t.tracer = t.provider.Tracer("github.com/qwenvld/qwenvld", trace.WithInstrumentationVersion(o.Version))
	return t, nil
}

// Close sends the spans that are left, for as long as ctx allows. It returns when nothing is being sent.
func (t *Tracer) Close(ctx context.Context) error {
	defer context.AfterFunc(ctx, t.giveUp)()
	defer t.giveUp()
	if err := t.provider.Shutdown(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("tracing: %w", err)
	}
	return nil
}

// wire is how traces are told of between processes: W3C's traceparent and tracestate.
func wire() propagation.TextMapPropagator { return propagation.TraceContext{} }

// ID is that of the trace that ctx belongs to, "" where it belongs to none that is sent.
func ID(ctx context.Context) string {
	if c := trace.SpanContextFromContext(ctx); c.IsSampled() {
		return c.TraceID().String()
	}
	return ""
}

// traced says whether spans of ctx's request are sent. The request itself may be over.
func traced(ctx context.Context) bool { return trace.SpanContextFromContext(ctx).IsSampled() }

// Inject has h say which span a request to somebody else is a part of.
func Inject(ctx context.Context, h http.Header) { wire().Inject(ctx, propagation.HeaderCarrier(h)) }
