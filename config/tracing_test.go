package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/pflag"
)

// traced loads a file's text in an environment.
func traced(t *testing.T, text string, variables ...string) (*Config, *Places, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	AddFlags(flags)
	if err := flags.Parse([]string{"--config", name}); err != nil {
		t.Fatal(err)
	}
	return Trace(flags, variables)
}

func TestOpenTelemetrysVariablesStandInForDefaults(t *testing.T) {
	for name, c := range map[string]struct {
		file      string
		variables []string
		edit      func(*Tracing)
		url       string
	}{
		"nothing": {edit: func(*Tracing) {}},
		"the endpoint of everything": {
			variables: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318/", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"},
			edit:      func(c *Tracing) { c.Endpoint = "http://c:4318/v1/traces" },
			url:       "http://c:4318/v1/traces",
		},
		"that of traces": {
			variables: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://d/in"},
			edit:      func(c *Tracing) { c.Endpoint = "https://d/in" }, url: "https://d/in",
		},
		"all of them": {
			variables: []string{
				"OTEL_EXPORTER_OTLP_TIMEOUT=2500", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION=gzip", "OTEL_EXPORTER_OTLP_CERTIFICATE=/c.pem",
				"OTEL_SERVICE_NAME=eyes", "OTEL_RESOURCE_ATTRIBUTES=a=b, c=d", "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.25",
			},
			edit: func(c *Tracing) {
				*c = Tracing{Timeout: 2500 * time.Millisecond, Compression: "gzip", Certificate: "/c.pem", Service: "eyes", Attributes: []string{"a=b", " c=d"}, Sample: 0.25}
			},
		},
		"the file knows better": {
			file:      "tracing: {endpoint: 'http://f', sample: 0.5}\n",
			variables: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c", "OTEL_TRACES_SAMPLER=always_off", "OTEL_SERVICE_NAME=eyes"},
			edit:      func(c *Tracing) { c.Endpoint, c.Sample, c.Service = "http://f", 0.5, "eyes" }, url: "http://f/v1/traces",
		},
		"as do this daemon's own": {
			variables: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c", "QWENVLD_TRACING_ENDPOINT=http://q:1/x"},
			edit:      func(c *Tracing) { c.Endpoint = "http://q:1/x" }, url: "http://q:1/x",
		},
		"switched off": {
			variables: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c", "OTEL_SDK_DISABLED=true"}, edit: func(*Tracing) {},
		},
		"not for traces": {
			variables: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c", "OTEL_TRACES_EXPORTER=none", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, edit: func(*Tracing) {},
		},
		"a form for others": {variables: []string{"OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, edit: func(*Tracing) {}},
	} {
		got, places, err := traced(t, c.file, c.variables...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := defaultTracing()
		c.edit(&want)
		if diff := cmp.Diff(want, got.Tracing, cmpopts.EquateEmpty()); diff != "" || got.Tracing.URL() != c.url {
			t.Errorf("%s: %s, sent to %s", name, diff, got.Tracing.URL())
		}
		if name == "the file knows better" {
			for key, says := range map[string]string{"tracing.endpoint": "c.yaml:1", "tracing.service": "environment variable OTEL_SERVICE_NAME", "tracing.timeout": ""} {
				if at := places.exactly(key); !strings.HasSuffix(at, says) || (at == "") != (says == "") {
					t.Errorf("%s comes from %q", key, at)
				}
			}
		}
	}
	if got, _, err := traced(t, "", "OTEL_RESOURCE_ATTRIBUTES=a=b, c=d"); err != nil || !cmp.Equal(got.Tracing.About(), map[string]string{"a": "b", "c": "d"}) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestFaultsOfTracingSayWhereTheyAre(t *testing.T) {
	for says, c := range map[string]struct {
		file      string
		variables []string
	}{
		"c.yaml:1: tracing.endpoint must be http":             {"tracing: {endpoint: 'localhost:4318'}", nil},
		"c.yaml:1: tracing.sample must be between":            {"tracing: {sample: 2}", nil},
		"c.yaml:1: tracing.attributes must be NAME=VALUE":     {"tracing: {attributes: [a]}", nil},
		"tracing.compression":                                 {"tracing: {compression: zip}", nil},
		"OTEL_EXPORTER_OTLP_ENDPOINT: tracing.endpoint":       {"", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=c:4317"}},
		"OTEL_EXPORTER_OTLP_PROTOCOL: spans are sent by http": {"", []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}},
		"OTEL_TRACES_SAMPLER: must be always_on":              {"", []string{"OTEL_TRACES_SAMPLER=jaeger_remote"}},
		"OTEL_TRACES_SAMPLER_ARG: must be a number":           {"", []string{"OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=many"}},
		"OTEL_EXPORTER_OTLP_TIMEOUT must be a time":           {"", []string{"OTEL_EXPORTER_OTLP_TIMEOUT=soon"}},
	} {
		if _, _, err := traced(t, c.file, c.variables...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}
