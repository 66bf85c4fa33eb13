package tracing

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Transport sends requests that belong to a traced one by way of next, each with a span until its reply is read, which
// the server that is asked is told of. A trace that is not sent is told of as it is. Others it leaves as they are.
func (t *Tracer) Transport(next http.RoundTripper) http.RoundTripper { return &transport{t, next} }

// transport is what Transport returns.
type transport struct {
	tracer *Tracer
	next   http.RoundTripper
}

var _ http.RoundTripper = (*transport)(nil)

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !trace.SpanContextFromContext(r.Context()).IsValid() {
		return t.next.RoundTrip(r)
	}
	// The paths of servers are a few.
	ctx, span := t.tracer.tracer.Start(r.Context(), r.Method+" "+r.URL.Path,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(t.tracer.now()))
	own := r.Clone(ctx) // a RoundTripper must not change the request
	Inject(ctx, own.Header)
	end := sync.OnceFunc(func() { span.End(trace.WithTimestamp(t.tracer.now())) })
	span.SetAttributes(target(r.Method, r.URL)...)
	resp, err := t.next.RoundTrip(own)
	if err != nil {
		span.SetStatus(codes.Error, "")
		end()
		return resp, err
	}
	span.SetAttributes(attribute.Int("http.response.status_code", resp.StatusCode))
	if resp.StatusCode >= http.StatusBadRequest {
		span.SetStatus(codes.Error, "")
	}
	resp.Body = &reply{resp.Body, end}
	return resp, nil
}

// target tells who is asked, without what may be a secret of the URL.
func target(method string, u *url.URL) []attribute.KeyValue {
	out := []attribute.KeyValue{
		attribute.String("http.request.method", method), attribute.String("server.address", u.Hostname()),
		attribute.String("url.path", u.Path),
	}
	if port, err := strconv.Atoi(u.Port()); err == nil {
		out = append(out, attribute.Int("server.port", port))
	}
	return out
}

// reply ends a span when it is read to its end, or closed.
type reply struct {
	io.ReadCloser
	end func()
}

// Read implements io.Reader.
func (r *reply) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil {
		r.end()
	}
	return n, err
}

// Close implements io.Closer.
func (r *reply) Close() error {
	defer r.end()
	return r.ReadCloser.Close()
}
