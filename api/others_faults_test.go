package api

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/api/access"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
)

// Routes by which other servers of models were broken into, because they load, write or stop something for whoever
// asks, are not there.
func TestRoutesThatLoadAndWriteForAnybodyAreNotServed(t *testing.T) {
	s := newSite(t, nil)
	for _, path := range []string{
		// Ollama (CVE-2026-7482) and LocalAI (CVE-2026-59707): files from elsewhere, or of the server.
		"/api/create", "/api/push", "/api/copy", "/api/delete", "/api/blobs/sha256:00", "/models/apply", "/models/add", "/backends/apply",
		// llama-server: states of the cache in files (CVE-2026-43629), settings, files of adapters.
		"/slots/0?action=restore", "/slots/0?action=save", "/props", "/lora-adapters",
		// vLLM and SGLang: without a key beside /v1, or for developers.
		"/invocations", "/pause", "/collective_rpc", "/sleep", "/v1/load_lora_adapter", "/update_weights_from_disk", "/load_lora_adapter",
		"/release_memory_occupation", "/start_profile", "/v1/files", "/v1/batches", "/debug/pprof/",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
			got := s.send(method, path)
			if got.status != http.StatusNotFound && got.status != http.StatusMethodNotAllowed && got.status != http.StatusNotImplemented {
				t.Errorf("%s %s: %d %s", method, path, got.status, got.body)
			}
		}
	}
}

// Members by which code or unbounded work came into other servers are refused by their names.
func TestMembersThatCarryCodeOrUnboundedWorkAreRefused(t *testing.T) {
	s := newSite(t, nil)
	for member, value := range map[string]string{
		"custom_logit_processor": `"gASV"`,         // SGLang, CVE-2026-7304
		"logits_processors":      `["os.system"]`,  // vLLM
		"prompt_embeds":          `"AAAA"`,         // vLLM, CVE-2025-62164
		"n_discard":              `-1`,             // llama-server, CVE-2026-21869
		"n":                      `1000000000`,     // vLLM, CVE-2026-34756
		"best_of":                `1000000000`,     //
		"top_logprobs":           `1000000000`,     //
		"max_tokens":             `-1000000000`,    //
		"temperature":            `1e999`,          // vLLM #45116
		"chat_template":          `"{{ cycler }}"`, // vLLM, CVE-2024-8939 and its like
		"mm_processor_kwargs":    `{"fps": -1}`,    // vLLM, CVE-2026-105758
		"cache_prompt_file":      `"../../etc/x"`,  //
		"adapter_path":           `"/etc/passwd"`,  //
	} {
		body := `{"model":"qwen3-vl-instruct","messages":[{"role":"user","content":"hi"}],"` + member + `":` + value + `}`
		got := s.post("/v1/chat/completions", body)
		if got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", member, got.status, got.body)
		}
	}
	if n := s.instruct.Open() + s.thinking.Open(); n != 0 {
		t.Errorf("%d generations were begun", n)
	}
}

// Faults from inside are told in words of the API's own: no path, no address of memory or of the network, no cause that
// a library names.
func TestFaultsFromInsideTellNothingOfTheInside(t *testing.T) {
	secrets := []string{"/srv/weights", "10.1.2.3:6379", "0x7f2a", "goroutine"}
	cause := errors.New("read /srv/weights/m.gguf: dial tcp 10.1.2.3:6379: at 0x7f2a: goroutine 1")
	s := newSite(t, nil)
	for _, failure := range []error{cause, errors.Join(engine.ErrWorkerDied, cause), errors.Join(engine.ErrOverloaded, cause)} {
		s.instruct.Refuse, s.instruct.TextError = failure, failure
		for path, body := range map[string]string{
			"/v1/chat/completions": hello, "/v1/completions": `{"model":"qwen3-vl-instruct","prompt":"hi"}`,
			"/v1/responses": `{"model":"qwen3-vl-instruct","input":"hi"}`, "/tokenize": `{"model":"qwen3-vl-instruct","content":"hi"}`,
			"/v1/messages": `{"model":"qwen3-vl-instruct","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`,
			"/api/chat":    `{"model":"qwen3-vl-instruct","messages":[{"role":"user","content":"hi"}]}`,
		} {
			got := s.post(path, body)
			for _, secret := range secrets {
				if strings.Contains(string(got.body), secret) {
					t.Errorf("%s, %v: %d %s", path, failure, got.status, got.body)
				}
			}
		}
	}
}

// With keys, nothing but liveness is served without one, whatever the path is written like.
func TestWithoutAKeyOnlyLivenessIsServed(t *testing.T) {
	_, hash := access.NewKey()
	s := newSite(t, func(c *Config) { c.Keys = []access.Key{{Name: "alice", Hash: hash}} })
	for _, path := range []string{
		"/v1/models", "/metrics", "/health/ready", "/docs", "/openapi.yaml", "/api/tags", "/api/version", "/v1/responses/x",
		"//v1/models", "/v1/models/", "/health/live/../../v1/models", "/health/live/%2e%2e/%2e%2e/v1/models", "/healthz/../metrics",
	} {
		if got := s.get(path); got.status != http.StatusUnauthorized && got.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	for _, path := range []string{
		"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/v1/messages/count_tokens", "/v1/route", "/tokenize",
		"/detokenize", "/api/chat", "/api/generate", "/admin/models/qwen3-vl/unload", "/invocations",
	} {
		if got := s.post(path, hello); got.status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	for _, path := range []string{"/health/live", "/healthz"} {
		if got := s.get(path); got.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}

// Everything of which a request can hold many has a bound, which the operator sets or which has a default.
func TestARequestHoldsNoMoreThanItMay(t *testing.T) {
	s := newSite(t, func(c *Config) {
		c.Limits = request.Limits{Messages: 3, Images: 2, Videos: 1, Tools: 2, Stops: 2, LogitBias: 2, Choices: 2, Depth: 12, Values: 200, SchemaBytes: 200}
	})
	repeat := func(text string, n int) string { return strings.TrimSuffix(strings.Repeat(text+",", n), ",") }
	message := `{"role":"user","content":"hi"}`
	content := func(part string, n int) string {
		return `"messages":[{"role":"user","content":[` + repeat(part, n) + `]}]`
	}
	const image = `{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}`
	const video = `{"type":"video_url","video_url":{"url":"data:video/mp4;base64,AAAA"}}`
	one := `"messages":[` + message + `]`
	tool := `{"type":"function","function":{"name":"f%","parameters":{"type":"object"}}}`
	for name, members := range map[string]string{
		"messages":   `"messages":[` + repeat(message, 4) + `]`,
		"images":     content(image, 3),
		"videos":     content(video, 2),
		"tools":      one + `,"tools":[` + repeat(tool, 3) + `]`,
		"stops":      one + `,"stop":["a","b","c"]`,
		"logit bias": one + `,"logit_bias":{"1":1,"2":1,"3":1}`,
		"choices":    one + `,"n":3`,
		"depth":      one + `,"metadata":` + strings.Repeat(`{"a":`, 20) + `1` + strings.Repeat(`}`, 20),
		"values":     one + `,"stop":[` + repeat(`"a"`, 300) + `]`,
		"schema":     one + `,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"enum":["` + strings.Repeat("x", 300) + `"]}}}`,
	} {
		got := s.post("/v1/chat/completions", `{"model":"qwen3-vl-instruct",`+members+`}`)
		told := func(words string) bool { return strings.Contains(string(got.body), words) }
		if got.status != http.StatusBadRequest || !slices.ContainsFunc([]string{"most", "deep", "many", "larger", "bytes", "between", "more than"}, told) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if n := len(s.instruct.Asked()); n != 0 {
		t.Errorf("%d generations were begun", n)
	}
}
