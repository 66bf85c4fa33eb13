package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// client posts spans. The library's own leans on gRPC, which this has no use for, and reads variables of the
// environment by itself.
type client struct {
	// gone is done when nobody waits for spans to be sent any more.
	gone     context.Context //nolint:containedctx // lives as long as the client
	http     *http.Client
	endpoint string
	header   map[string]string
	compress bool
}

var _ otlptrace.Client = (*client)(nil)

func newClient(gone context.Context, o *Options) *client {
	return &client{
		gone: gone, http: &http.Client{Timeout: o.Timeout, Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: o.TLS, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute,
		}},
		endpoint: o.Endpoint, header: o.Header, compress: o.Compress,
	}
}

// Start implements otlptrace.Client. Nothing is tried before there are spans.
func (c *client) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (c *client) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

const (
	// attempts is how often spans are posted to a receiver that has no time for them, firstPause how long it is left
	// alone after the first, and longestPause what it may ask for.
	attempts     = 4
	firstPause   = 500 * time.Millisecond
	longestPause = 10 * time.Second
	// maxReply bounds what is read of a reply, in bytes.
	maxReply = 64 << 10
)

// UploadTraces implements otlptrace.Client.
func (c *client) UploadTraces(ctx context.Context, spans []*traces.ResourceSpans) error {
	// On the wire this is the request of the collector's service.
	body, err := proto.Marshal(&traces.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("encode spans: %w", err)
	}
	if c.compress {
		body = compressed(body)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.gone, cancel)()
	pause := firstPause
	for i := 1; ; i++ {
		err = c.post(ctx, body)
		var busy *busyError
		if !errors.As(err, &busy) || i == attempts {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(min(max(busy.wait, pause), longestPause)):
		}
		pause *= 2
	}
}

// busyError is why a receiver takes no spans at the moment; wait is what it asked for.
type busyError struct {
	why  error
	wait time.Duration
}

func (e *busyError) Error() string { return e.why.Error() }

func (e *busyError) Unwrap() error { return e.why }

func (c *client) post(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	if c.compress {
		req.Header.Set("Content-Encoding", "gzip")
	}
	for name, value := range c.header {
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return &busyError{why: err} // it may be there again soon
	}
	defer func() { _ = resp.Body.Close() }()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return err
	}
	refused := fmt.Errorf("the receiver answers %s", resp.Status)
	switch resp.StatusCode {
	case http.StatusOK:
		return rejected(reply)
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // without one, or with a date, the pause is our own
		return &busyError{refused, time.Duration(seconds) * time.Second}
	}
	return refused
}

// rejected is an error where a receiver says that it took a part of the spans only: field 1 of its reply holds how many
// it did not take as field 1, and why as field 2.
func rejected(reply []byte) error {
	part, ok := field(reply, 1, protowire.BytesType)
	if !ok {
		return nil
	}
	inner, _ := protowire.ConsumeBytes(part)
	count, ok := field(inner, 1, protowire.VarintType)
	n, _ := protowire.ConsumeVarint(count)
	if !ok || n == 0 {
		return nil
	}
	why, _ := field(inner, 2, protowire.BytesType)
	text, _ := protowire.ConsumeBytes(why)
	return fmt.Errorf("the receiver did not take %d spans: %s", n, text)
}

// field is what follows the tag of the first field of a message with a number and a type.
func field(message []byte, number protowire.Number, kind protowire.Type) (rest []byte, ok bool) {
	for len(message) > 0 {
		num, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil, false
		}
		message = message[n:]
		if num == number && typ == kind {
			return message, true
		}
		if n = protowire.ConsumeFieldValue(num, typ, message); n < 0 {
			return nil, false
		}
		message = message[n:]
	}
	return nil, false
}

func compressed(body []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(body) // a buffer takes everything
	_ = w.Close()
	return out.Bytes()
}
