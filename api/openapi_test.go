package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// contract is openapi.yaml.
type contract struct {
	mu     sync.Mutex
	model  *v3.Document
	http   validator.Validator
	schema schema_validation.SchemaValidator
}

// readContract reads it once for all tests, since that takes longer than most of them.
var readContract = sync.OnceValues(func() (*contract, error) {
	data, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		return nil, err
	}
	doc, err := libopenapi.NewDocument(data)
	if err != nil {
		return nil, err
	}
	built, err := doc.BuildV3Model()
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(doc)
	return &contract{model: &built.Model, http: v, schema: schema_validation.NewSchemaValidator()}, errors.Join(errs...)
})

func apiContract(t *testing.T) *contract {
	t.Helper()
	c, err := readContract()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// chunkSchemas are those of the events of each path's streams.
var chunkSchemas = map[string]string{"/v1/chat/completions": "ChatCompletionChunk", "/v1/completions": "TextCompletion", "/v1/messages": "AnthropicEvent"}

// response checks a reply, and each chunk of a stream.
func (c *contract) response(t *testing.T, req *http.Request, resp *http.Response, body []byte) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if path := plainPath(req.URL.Path); path != req.URL.Path || req.URL.RawPath != "" { // which is not described for each route
		req = req.Clone(req.Context())
		req.URL.Path, req.URL.RawPath = path, ""
	}
	if req.Method == http.MethodHead {
		return
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		for _, e := range (reply{body: body}).events(t) {
			switch {
			case e == "[DONE]" || strings.HasPrefix(e, ":"):
			case strings.HasPrefix(e, `{"error"`):
				c.validate(t, "ErrorResponse", e)
			default:
				schema := chunkSchemas[req.URL.Path]
				if strings.HasPrefix(req.URL.Path, "/v1/responses") {
					schema = "ResponseEvent"
				}
				c.validate(t, schema, e)
			}
		}
		return
	}
	if speaksAnthropic(req.URL.Path) && resp.StatusCode >= http.StatusBadRequest {
		c.validate(t, "AnthropicError", string(body))
		return
	}
	if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusMethodNotAllowed {
		c.validate(t, "ErrorResponse", string(body))
		return
	}
	copied := *resp
	copied.Body = io.NopCloser(bytes.NewReader(body))
	if ok, errs := c.http.ValidateHttpResponse(req, &copied); !ok {
		for _, e := range errs {
			t.Errorf("%s %s, status %d: %s: %s: %v\n%s", req.Method, req.URL.Path, resp.StatusCode, e.Message, e.Reason, e.SchemaValidationErrors, body)
		}
	}
}

// validate checks JSON against a named schema.
func (c *contract) validate(t *testing.T, schema, text string) {
	t.Helper()
	if reason, ok := c.matches(t, schema, text); !ok {
		t.Errorf("%s is no %s: %s", text, schema, reason)
	}
}

func (c *contract) matches(t *testing.T, schema, text string) (string, bool) {
	t.Helper()
	proxy, ok := c.model.Components.Schemas.Get(schema)
	if !ok {
		t.Fatalf("no schema %s", schema)
	}
	ok, errs := c.schema.ValidateSchemaString(proxy.Schema(), text)
	if ok {
		return "", true
	}
	var b strings.Builder
	for _, e := range errs {
		b.WriteString(e.Message + ": " + e.Reason + "; ")
		for _, s := range e.SchemaValidationErrors {
			b.WriteString(s.Reason + " at " + s.FieldPath + "; ")
		}
	}
	return b.String(), false
}

func TestEveryRouteIsDescribedAndEveryDescriptionIsServed(t *testing.T) {
	s := newSite(t, nil)
	var served, described []string
	err := chi.Walk(s.server.Routes(), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		served = append(served, method+" "+route)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range s.check.model.Paths.PathItems.FromOldest() {
		for method := range item.GetOperations().FromOldest() {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(described)
	if !slices.Equal(served, described) {
		t.Errorf("served    %v\ndescribed %v", served, described)
	}
}

// The description must accept what the server accepts, parameter by parameter.
func TestEveryParameterIsDescribed(t *testing.T) {
	s := newSite(t, nil)
	proxy, _ := s.check.model.Components.Schemas.Get("ChatCompletionRequest")
	properties := proxy.Schema().Properties
	for name := range newRequestDecoder(Limits{}).params {
		if _, ok := properties.Get(name); ok {
			continue
		}
		// What is refused with any value need not be described.
		if got := s.ask(map[string]any{name: true}); got.status == http.StatusOK {
			t.Errorf("%s is accepted but not described", name)
		}
		if got := s.ask(map[string]any{name: map[string]any{}}); got.status == http.StatusOK {
			t.Errorf("%s is accepted but not described", name)
		}
	}
	for name := range properties.FromOldest() {
		if _, ok := newRequestDecoder(Limits{}).params[name]; !ok {
			t.Errorf("%s is described but not known", name)
		}
	}
}

// The same for the surfaces whose parameters have names of their own.
func TestEveryParameterOfTheOtherSurfacesIsDescribed(t *testing.T) {
	s := newSite(t, nil)
	turn := []any{object{"role": "user", "content": "hi"}}
	d := newRequestDecoder(Limits{}).newDecoder()
	for path, c := range map[string]struct {
		schema string
		table  map[string]param
		body   object
	}{
		"/v1/messages":  {"MessagesRequest", anthropicTable(), object{"messages": turn, "max_tokens": 9}},
		"/v1/responses": {"ResponseRequest", d.responseTable(&responseRequest{}), object{"input": turn}},
	} {
		proxy, _ := s.check.model.Components.Schemas.Get(c.schema)
		properties := proxy.Schema().Properties
		for name := range c.table {
			if _, ok := properties.Get(name); ok {
				continue
			}
			for _, value := range []any{true, object{}} {
				body := maps.Clone(c.body)
				body["model"], body[name] = "qwen3-vl-instruct", value
				if got := s.post(path, body); got.status == http.StatusOK {
					t.Errorf("%s: %s is accepted but not described", path, name)
				}
			}
		}
		for name := range properties.FromOldest() {
			if _, ok := c.table[name]; !ok {
				t.Errorf("%s: %s is described but not known", path, name)
			}
		}
	}
}

// goldenRequests are bodies that the server accepts.
func goldenRequests() []string {
	return []string{
		`{"model":"auto","messages":[{"role":"user","content":"hi"}]}`,
		`{"model":"qwen3-vl","messages":[{"role":"developer","content":"be brief"},{"role":"user","content":[{"type":"text","text":"hi"}]}],"stream":true,"stream_options":{"include_usage":true}}`,
		`{"model":"qwen3-vl","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"c1","content":"2"}],"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}}],"tool_choice":"auto"}`,
		`{"model":"qwen3-vl","messages":[{"role":"user","content":"hi"}],"temperature":0,"top_p":0.9,"top_k":5,"min_p":0.1,"presence_penalty":1,"frequency_penalty":-1,"repetition_penalty":1.1,"logit_bias":{"5":-100},"seed":3,"stop":["a","b"],"max_completion_tokens":10,"logprobs":true,"top_logprobs":5,"n":1,"user":"u","store":false}`,
		`{"model":"qwen3-vl","messages":[{"role":"user","content":"hi"}],"reasoning_effort":"low","response_format":{"type":"text"},"metadata":{"a":"b"}}`,
		`{"model":"qwen3-vl","messages":[{"role":"user","content":"hi"}],"thinking":{"type":"enabled","budget_tokens":64}}`,
		`{"model":"qwen3-vl","messages":[{"role":"user","content":"hi"}],"chat_template_kwargs":{"enable_thinking":false},"thinking_budget":0}`,
		`{"model":"qwen3-vl","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"42","reasoning_content":"hm"},{"role":"user","content":"why"}],"mm_processor_kwargs":{"min_pixels":1024,"max_pixels":65536}}`,
	}
}

func TestGoldenRequestsAreAcceptedAndDescribed(t *testing.T) {
	s := newSite(t, nil)
	for _, body := range goldenRequests() {
		if got := s.post("/v1/chat/completions", body); got.status != http.StatusOK {
			t.Errorf("%s\n%d %s", body, got.status, got.body)
		}
		if got := s.post("/v1/route", body); got.status != http.StatusOK {
			t.Errorf("%s\n%d %s", body, got.status, got.body)
		}
		s.check.validate(t, "ChatCompletionRequest", body)
	}
}

func FuzzDecodeResponse(f *testing.F) {
	f.Add([]byte(`{"model":"m","input":"hi","instructions":"x","text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"}}}}`), []byte(`[]`))
	f.Add([]byte(`{"model":"m","input":[{"type":"function_call_output","call_id":"c","output":"2"}],"tools":[{"type":"function","name":"f"}]}`),
		[]byte(`[{"role":"user","content":[{"type":"input_image","image_url":"data:,x"}]},{"type":"reasoning","content":[{"type":"reasoning_text","text":"h"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}]`))
	d := newRequestDecoder(Limits{})
	f.Fuzz(func(t *testing.T, body, past []byte) {
		root, err := d.parse(body)
		if err != nil {
			return
		}
		req, err := d.decodeResponse(root, []json.RawMessage{past}, randomID)
		if err != nil {
			return
		}
		for _, it := range req.Items {
			if !json.Valid(it) || len(it) == 0 {
				t.Fatalf("kept %q", it)
			}
		}
		if len(req.Messages) == 0 {
			t.Fatalf("accepted %q", body)
		}
	})
}

func FuzzDecodeAnthropic(f *testing.F) {
	f.Add([]byte(`{"model":"m","max_tokens":9,"system":[{"type":"text","text":"x"}],"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA"}}]},{"role":"assistant","content":[{"type":"thinking","thinking":"hm"},{"type":"tool_use","id":"t","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"2"}]}],"tools":[{"name":"f","input_schema":{"type":"object"}}]}`))
	d := newRequestDecoder(Limits{})
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := d.decodeAnthropic(body, false)
		if err == nil && (len(req.Messages) == 0 || req.MaxTokens == nil) {
			t.Fatalf("accepted %q", body)
		}
	})
}

func FuzzDecodeRequest(f *testing.F) {
	for _, body := range goldenRequests() {
		f.Add([]byte(body))
	}
	f.Add([]byte(`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:,x","detail":"low"}}]}],"model":"\ud800"}`))
	d := newRequestDecoder(Limits{})
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := d.decode(body)
		if err != nil {
			e, ok := err.(*Error) //nolint:errorlint // decode promises this very type
			if !ok || e.Status < 400 || e.Status > 499 || e.Message == "" {
				t.Fatalf("%v", err)
			}
			return
		}
		if !json.Valid(body) || len(req.Messages) == 0 {
			t.Fatalf("accepted %q", body)
		}
	})
}
