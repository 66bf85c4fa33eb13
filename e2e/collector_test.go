package e2e

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// sentSpan is a span as a collector passes it on in JSON.
type sentSpan struct {
	Name, TraceID, SpanID, ParentSpanID string
	Attributes                          []struct {
		Key   string
		Value map[string]any
	}
	Events []struct{ Name string }
}

// sink takes what a collector passes on.
type sink struct {
	mu    sync.Mutex
	spans []sentSpan
	raw   strings.Builder
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		plain, err := gzip.NewReader(body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		body = plain
	}
	data, err := io.ReadAll(body)
	var export struct {
		ResourceSpans []struct {
			ScopeSpans []struct{ Spans []sentSpan }
		}
	}
	if err == nil {
		err = json.Unmarshal(data, &export)
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw.Write(data)
	for _, resource := range export.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			s.spans = append(s.spans, scope.Spans...)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, "{}")
}

// below draws the spans below one as a tree, in the order of the alphabet.
func (s *sink) below(parent string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return outline(s.spans, parent)
}

func outline(spans []sentSpan, parent string) string {
	var children []string
	for i := range spans {
		if spans[i].ParentSpanID == parent {
			child := spans[i].Name + "\n"
			for line := range strings.Lines(outline(spans, spans[i].SpanID)) {
				child += "  " + line
			}
			children = append(children, child)
		}
	}
	slices.Sort(children)
	return strings.Join(children, "")
}

// TestACollectorTakesTheTraces has a real collector between two daemons, one of them the upstream of the other, and what
// reads their spans.
func TestACollectorTakesTheTraces(t *testing.T) {
	collector := tool(t, "OTELCOL", "scripts/traces-check.sh")
	var to sink
	reader := httptest.NewServer(&to)
	defer reader.Close()
	receiver := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	background(t, collector, "--config", write(t, t.TempDir(), "otelcol.yaml", fmt.Sprintf(`
receivers: {otlp: {protocols: {http: {endpoint: %q}}}}
exporters: {otlp_http: {endpoint: %q, encoding: json}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {traces: {receivers: [otlp], exporters: [otlp_http]}}
`, receiver, reader.URL)))
	listening(t, receiver)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+receiver)
	d := serve(t)
	front := behind(t, "qwenvld", d.url)
	const trace, asker = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	shown := openai.ChatCompletionNewParams{
		Model: "qwen3-vl-thinking", MaxCompletionTokens: openai.Int(60),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
			openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: photo(t, "coffee.png")}),
			openai.TextContentPart("zebra?"),
		})},
	}
	for _, to := range []*daemon{d, front} {
		if _, err := to.client.Chat.Completions.New(timeout(t, patience), shown, option.WithHeader("Traceparent", "00-"+trace+"-"+asker+"-01")); err != nil {
			t.Fatal(err)
		}
	}
	for _, sender := range []*daemon{front, d} { // what is left is sent at the end
		if err := sender.stop(); err != nil {
			t.Error(err)
		}
	}
	const own = `  decide
  decode
  load
  queue
  receive
`
	want := `POST /v1/chat/completions
  chat qwen3-vl-thinking
    POST /v1/chat/completions
      POST /v1/chat/completions
        chat qwen3-vl-thinking
          prefill
          worker queue
        decide
        decode
        load
        queue
        receive
` + strings.Replace(own, "  load\n", "", 1) + `POST /v1/chat/completions
  chat qwen3-vl-thinking
    encode images
    prefill
    worker queue
` + own
	eventually(t, func() bool { return strings.Count(to.below(asker), "\n") >= strings.Count(want, "\n") })
	if got := to.below(asker); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if text := to.raw.String(); strings.Contains(text, "zebra") || !strings.Contains(text, "gen_ai.usage.reasoning.output_tokens") {
		t.Error(text)
	}
	for _, span := range to.spans {
		if span.TraceID != trace {
			t.Errorf("%s belongs to %s", span.Name, span.TraceID)
		}
	}
}
