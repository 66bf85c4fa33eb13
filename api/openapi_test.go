package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/qwenvld/qwenvld"
	"github.com/qwenvld/qwenvld/api/anthropic"
	"github.com/qwenvld/qwenvld/api/ollama"
	"github.com/qwenvld/qwenvld/api/openai/chat"
	"github.com/qwenvld/qwenvld/api/openai/responses"
	"github.com/qwenvld/qwenvld/api/playground"
	"github.com/qwenvld/qwenvld/api/web"
	"github.com/qwenvld/qwenvld/internal/contract"
)

// checker holds replies against openapi.yaml.
type checker struct{ *contract.Contract }

// readContract reads it once for all tests, since each holds every reply against it.
var readContract = sync.OnceValues(func() (*contract.Contract, error) { return contract.Read(qwenvld.OpenAPI) })

func apiContract(t *testing.T) *checker {
	t.Helper()
	c, err := readContract()
	if err != nil {
		t.Fatal(err)
	}
	return &checker{c}
}

// chunkSchemas are those of the events of each path's streams.
var chunkSchemas = map[string]string{"/v1/chat/completions": "ChatCompletionChunk", "/v1/completions": "TextCompletion", "/v1/messages": "AnthropicEvent"}

// errorSchema is that of the errors at a path.
func errorSchema(path string) string {
	for prefix, schema := range map[string]string{anthropic.Path: "AnthropicError", ollama.Prefix: "OllamaError"} {
		if path == prefix || strings.HasPrefix(path, prefix+"/") {
			return schema
		}
	}
	return "ErrorResponse"
}

// response checks a reply, and each chunk of a stream.
func (c *checker) response(t *testing.T, req *http.Request, resp *http.Response, body []byte) {
	t.Helper()
	c.requestID(t, resp, body)
	path := web.PlainPath(req.URL.Path) // no other is described
	streamed := strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream")
	switch status := resp.StatusCode; {
	case req.Method == http.MethodHead:
	case status >= http.StatusBadRequest && !c.describes(req.Method, path, status) && beforeOperations(c.Operation(req.Method, path), status):
		c.validate(t, errorSchema(path), string(body))
	case streamed:
		if _, err := c.Note(req.Method, path, status); err != nil {
			t.Error(err)
		}
		c.events(t, path, body)
	case resp.Header.Get("Content-Type") == "application/x-ndjson":
		if _, err := c.Note(req.Method, path, status); err != nil {
			t.Error(err)
		}
		c.lines(t, body)
	default:
		if err := c.CheckResponse(req.Method, path, status, resp.Header, body); err != nil {
			t.Errorf("%v\n%s", err, body)
		}
	}
}

// requestID holds the request's id in an error, whether it is the reply or ends a stream, against the one in the
// header.
func (*checker) requestID(t *testing.T, resp *http.Response, body []byte) {
	t.Helper()
	for line := range strings.Lines(string(body)) {
		var e struct {
			Error     json.RawMessage
			RequestID string `json:"request_id"`
		}
		err := json.Unmarshal([]byte(strings.TrimPrefix(line, "data: ")), &e)
		if err == nil && e.Error != nil && string(e.Error) != "null" && e.RequestID != resp.Header.Get(web.HeaderRequestID) {
			t.Errorf("the request id %q is not in %s", resp.Header.Get(web.HeaderRequestID), line)
		}
	}
}

// beforeOperations says whether a refusal is told without looking at what was asked for, so that no operation describes
// it: nothing is served there, not by this method, or the header is too large.
func beforeOperations(o *contract.Operation, status int) bool {
	return o == nil || slices.Contains([]int{
		http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusRequestHeaderFieldsTooLarge,
		http.StatusMisdirectedRequest, http.StatusForbidden,
	}, status)
}

// describes says whether an operation may answer with a status.
func (c *checker) describes(method, path string, status int) bool {
	o := c.Operation(method, path)
	return o != nil && o.Responses[fmt.Sprint(status)].Content != nil
}

// events checks those of a stream.
func (c *checker) events(t *testing.T, path string, body []byte) {
	t.Helper()
	schema := chunkSchemas[path]
	if strings.HasPrefix(path, "/v1/responses") {
		schema = "ResponseEvent"
	}
	for _, e := range (reply{body: body}).events(t) {
		switch {
		case e == "[DONE]" || strings.HasPrefix(e, ":"):
		case strings.HasPrefix(e, `{"error"`):
			c.validate(t, "ErrorResponse", e)
		default:
			c.validate(t, schema, e)
		}
	}
}

// lines checks those of a stream, which are of Ollama's form.
func (c *checker) lines(t *testing.T, body []byte) {
	t.Helper()
	for line := range strings.Lines(string(body)) {
		schema := "OllamaReply"
		if strings.HasPrefix(line, `{"error"`) {
			schema = "OllamaError"
		}
		c.validate(t, schema, line)
	}
}

// validate checks JSON against a named schema.
func (c *checker) validate(t *testing.T, schema, text string) {
	t.Helper()
	if err := c.Check(schema, []byte(text)); err != nil {
		t.Errorf("%s is no %s: %v", text, schema, err)
	}
}

func TestEveryRouteIsDescribedAndEveryDescriptionIsServed(t *testing.T) {
	s := newSite(t, nil)
	var served, described []string
	err := chi.Walk(s.server.Routes(), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if route != playground.PathFiles+"/*" { // a page's own files are no part of the API
			served = append(served, method+" "+route)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range s.check.Operations {
		described = append(described, o.Name())
	}
	slices.Sort(served)
	slices.Sort(described)
	if !slices.Equal(served, described) {
		t.Errorf("served    %v\ndescribed %v", served, described)
	}
}

// The description must accept what the server accepts, parameter by parameter, and name no other.
func TestEveryParameterIsDescribed(t *testing.T) {
	s := newSite(t, nil)
	turn := []any{object{"role": "user", "content": "hi"}}
	for path, c := range map[string]struct {
		schema     string
		parameters []string
		body       object
	}{
		"/v1/chat/completions":  {"ChatCompletionRequest", chat.Parameters(), object{"messages": turn}},
		anthropic.Path:          {"MessagesRequest", anthropic.Parameters(), object{"messages": turn, "max_tokens": 9}},
		"/v1/responses":         {"ResponseRequest", responses.Parameters(), object{"input": turn}},
		ollama.Prefix + "/chat": {"OllamaChatRequest", ollama.Parameters(), object{"messages": turn}},
	} {
		properties := s.check.Properties(c.schema)
		for _, name := range c.parameters {
			if slices.Contains(properties, name) {
				continue
			}
			// What is refused with any value need not be described.
			for _, value := range []any{true, object{}} {
				body := maps.Clone(c.body)
				body["model"], body[name] = "qwen3-vl-instruct", value
				if got := s.post(path, body); got.status == http.StatusOK {
					t.Errorf("%s: %s is accepted but not described", path, name)
				}
			}
		}
		for _, name := range properties {
			if !slices.Contains(c.parameters, name) {
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
