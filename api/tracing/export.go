package tracing

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// newExporter returns what sends spans to the endpoint, until gone is done.
func newExporter(ctx, gone context.Context, o *Options) (sdk.SpanExporter, error) {
	out, err := otlptrace.New(ctx, newClient(gone, o))
	if err != nil {
		return nil, err
	}
	return &reporter{SpanExporter: out, logger: o.Logger, now: o.Now}, nil
}

// reporter has the log told of spans that could not be sent, now and then. Without it the library would write to the
// standard error by itself.
type reporter struct {
	sdk.SpanExporter
	logger *slog.Logger
	now    func() time.Time

	mu   sync.Mutex
	told time.Time
	lost int // since then
}

var _ sdk.SpanExporter = (*reporter)(nil)

// ExportSpans implements sdk.SpanExporter. It never fails: the spans are lost either way.
func (r *reporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := r.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		return nil
	}
	const seldom = time.Minute
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost += len(spans)
	if now := r.now(); r.told.IsZero() || now.Sub(r.told) >= seldom {
		r.logger.Warn("spans of traces could not be sent", "lost", r.lost, "error", err)
		r.told, r.lost = now, 0
	}
	return nil
}
