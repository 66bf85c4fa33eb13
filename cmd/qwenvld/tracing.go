package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/qwenvld/qwenvld/api/tracing"
	"github.com/qwenvld/qwenvld/config"
)

// newTracer makes what sends traces, nil where none are sent.
func newTracer(ctx context.Context, e *environment, c *config.Tracing, logger *slog.Logger) (*tracing.Tracer, error) {
	if c.Endpoint == "" {
		return nil, nil
	}
	o, err := tracerOptions(e, c)
	if err != nil {
		return nil, err
	}
	o.Logger = logger
	return tracing.New(ctx, o)
}

// tracerOptions reads what c names.
func tracerOptions(e *environment, c *config.Tracing) (o tracing.Options, err error) {
	o = tracing.Options{
		Endpoint: c.URL(), Compress: c.Compression == "gzip", Timeout: c.Timeout, Share: c.Sample,
		Service: c.Service, Version: version, Attributes: c.About(),
	}
	if o.Header, err = tracingHeaders(e, c.HeadersFile); err != nil {
		return o, err
	}
	if c.Certificate != "" {
		o.TLS, err = trusting(c.Certificate)
	}
	return o, err
}

// tracingHeaders are those of the file, else those of OpenTelemetry's variable, which may be secret and are no part of
// the configuration for that.
func tracingHeaders(e *environment, file string) (map[string]string, error) {
	if file != "" {
		text, err := os.ReadFile(file) //nolint:gosec // the operator names the file
		if err != nil {
			return nil, fmt.Errorf("tracing.headers_file: %w", err)
		}
		lines := strings.NewReader(strings.TrimSpace(string(text)) + "\r\n\r\n")
		header, err := textproto.NewReader(bufio.NewReader(lines)).ReadMIMEHeader()
		if err != nil {
			return nil, fmt.Errorf("tracing.headers_file: %s must have one NAME: VALUE a line", file)
		}
		out := map[string]string{}
		for name := range header {
			out[name] = header.Get(name)
		}
		return out, nil
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"} {
		text := e.variable(name)
		if text == "" {
			continue
		}
		out := map[string]string{}
		for pair := range strings.SplitSeq(text, ",") {
			key, escaped, ok := strings.Cut(pair, "=")
			value, err := url.PathUnescape(strings.TrimSpace(escaped))
			if key = strings.TrimSpace(key); !ok || key == "" || err != nil {
				return nil, fmt.Errorf("environment variable %s: must be NAME=VALUE, with commas between", name)
			}
			out[key] = value
		}
		return out, nil
	}
	return nil, nil
}

// trusting speaks to who has a certificate that one of the file stands for.
func trusting(file string) (*tls.Config, error) {
	pem, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("tracing.certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("tracing.certificate: " + file + " has no certificate in PEM form")
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

// closeTracer has the spans sent that are left, unless the receiver takes too long. t may be nil.
func closeTracer(t *tracing.Tracer, logger *slog.Logger) {
	if t == nil {
		return
	}
	const patience = 3 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := t.Close(ctx); err != nil {
		logger.Warn("the last spans of traces could not be sent", "error", err)
	}
}
