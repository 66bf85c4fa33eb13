package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/config"
)

func TestHeadersOfTracesComeFromAFileOrTheEnvironment(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const variable = "OTEL_EXPORTER_OTLP_HEADERS=authorization=Basic%20abc, x-scope = me"
	for name, c := range map[string]struct {
		file      string
		variables []string
		want      map[string]string
		fails     string
	}{
		"none":            {},
		"the file":        {write("good", "Authorization: Bearer x\nX-Scope: me"), []string{variable}, map[string]string{"Authorization": "Bearer x", "X-Scope": "me"}, ""},
		"an empty file":   {write("empty", "\n"), nil, map[string]string{}, ""},
		"no such file":    {filepath.Join(dir, "none"), nil, nil, "tracing.headers_file"},
		"not headers":     {write("bad", "Bearer x"), nil, nil, "NAME: VALUE"},
		"a variable":      {"", []string{variable}, map[string]string{"authorization": "Basic abc", "x-scope": "me"}, ""},
		"that of traces":  {"", []string{variable, "OTEL_EXPORTER_OTLP_TRACES_HEADERS=a=b"}, map[string]string{"a": "b"}, ""},
		"a bad variable":  {"", []string{"OTEL_EXPORTER_OTLP_HEADERS=secret"}, nil, "NAME=VALUE"},
		"another bad one": {"", []string{"OTEL_EXPORTER_OTLP_HEADERS=a=%zz"}, nil, "NAME=VALUE"},
	} {
		got, err := tracingHeaders(&environment{variables: c.variables}, c.file)
		if c.fails == "" && (err != nil || !cmp.Equal(got, c.want)) || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	noPEM := write("ca.pem", "nothing")
	if _, err := newTracer(t.Context(), &environment{}, &config.Tracing{Endpoint: "https://c", Certificate: noPEM}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "tracing.certificate") {
		t.Error(err)
	}
	if tracer, err := newTracer(t.Context(), &environment{}, &config.Tracing{}, nil); tracer != nil || err != nil {
		t.Errorf("%v, %v", tracer, err)
	}
}
