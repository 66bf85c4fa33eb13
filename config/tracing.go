package config

import (
	"net/url"
	"strings"
	"time"
)

// Tracing says where spans of requests are sent; without an endpoint there are none.
type Tracing struct {
	// Endpoint is the URL of a receiver of OTLP by HTTP. Where it has no path, /v1/traces is meant.
	Endpoint string `mapstructure:"endpoint"`
	// HeadersFile names a file with headers that are sent along, one NAME: VALUE a line.
	HeadersFile string `mapstructure:"headers_file"`
	// Certificate is a PEM file with the certificates that an https endpoint is trusted by; empty for the system's.
	Certificate string        `mapstructure:"certificate"`
	Compression string        `mapstructure:"compression" oneof:"none gzip"`
	Timeout     time.Duration `mapstructure:"timeout"` // of each post
	// Sample is the share of requests that are traced, of those whose client does not say so or otherwise.
	Sample float64 `mapstructure:"sample"`
	// Service is what the daemon is called in traces, Attributes say more of it, each NAME=VALUE.
	Service    string   `mapstructure:"service"`
	Attributes []string `mapstructure:"attributes"`
}

func defaultTracing() Tracing {
	return Tracing{Compression: "none", Timeout: 10 * time.Second, Sample: 1, Service: "qwenvld"}
}

// URL is where spans are posted.
func (t *Tracing) URL() string {
	u, err := url.Parse(t.Endpoint)
	if err != nil || t.Endpoint == "" || u.Path != "" {
		return t.Endpoint
	}
	u.Path = "/v1/traces"
	return u.String()
}

// About are the Attributes by their names.
func (t *Tracing) About() map[string]string {
	out := map[string]string{}
	for _, a := range t.Attributes {
		name, value, _ := strings.Cut(a, "=") // Validate has checked it
		out[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return out
}

func (t *Tracing) validate(v *validation) {
	if u, err := url.Parse(t.Endpoint); t.Endpoint != "" &&
		(err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil) {
		v.fault("tracing.endpoint", "must be http:// or https://, a host, and perhaps a path, not %q", t.Endpoint)
	}
	if !(t.Sample >= 0 && t.Sample <= 1) {
		v.fault("tracing.sample", "must be between 0 and 1, not %v", t.Sample)
	}
	if t.Timeout < time.Millisecond {
		v.fault("tracing.timeout", "must be at least 1ms, not %v", t.Timeout)
	}
	if t.Service == "" {
		v.fault("tracing.service", "must be a name")
	}
	for _, a := range t.Attributes {
		if name, _, ok := strings.Cut(a, "="); !ok || strings.TrimSpace(name) == "" {
			v.fault("tracing.attributes", "must be NAME=VALUE, not %q", a)
		}
	}
}
