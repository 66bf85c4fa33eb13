package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/api/access"
)

func TestPathsAsClientsWriteThemReachTheirRoute(t *testing.T) {
	s := newSite(t, nil)
	const chat = `{"model":"qwen3-vl-instruct","messages":[{"role":"user","content":"hi"}]}`
	for path, body := range map[string]string{
		"/v1/chat/completions/": chat, "//v1/chat/completions": chat, "/v1//chat///completions//": chat, "/chat/completions": chat,
		"/v1/v1/chat/completions": chat, "/v1/chat%2Fcompletions": chat, "/v1/%63hat/completions": chat,
		"/completions":             `{"model":"qwen3-vl-instruct","prompt":"hi"}`,
		"/v1/v1/messages":          `{"model":"qwen3-vl-instruct","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`,
		"/messages/count_tokens/":  `{"model":"qwen3-vl-instruct","messages":[{"role":"user","content":"hi"}]}`,
		"/responses":               `{"model":"qwen3-vl-instruct","input":"hi"}`,
		"/responses/input_tokens/": `{"model":"qwen3-vl-instruct","input":"hi"}`,
		"/route":                   chat, "/v1/tokenize": `{"content":"hi"}`, "/v1/detokenize": `{"tokens":[97]}`, "/api/chat/": chat, "//api//chat": chat,
	} {
		if got := s.post(path, body); got.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	for _, path := range []string{
		"/models", "/models/qwen3-vl/", "/v1/models/qwen3%2Dvl", "/health", "/healthz", "/health/", "/health/ready/", "//docs/", "/openapi.json",
	} {
		if got := s.get(path); got.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	for _, path := range []string{"/v1", "/chat", "/v1/chat", "/modelsx", "/v1/models/none"} {
		if got := s.get(path); got.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}

func TestHeadIsServedWhereverGetIs(t *testing.T) {
	s := newSite(t, nil)
	made := s.post("/v1/responses", map[string]any{"model": "qwen3-vl-instruct", "input": "hi"}).response(t)
	for _, path := range []string{
		"/health", "/health/live", "/health/ready", "/healthz", "/metrics", "/docs", "/docs/redoc.js", "/openapi.yaml", "/openapi.json", "/v1/models",
		"/v1/models/qwen3-vl", "/api/tags", "/api/version", "/v1/responses/" + made.ID, "/v1/responses/" + made.ID + "/input_items",
	} {
		get, head := s.get(path), s.send(http.MethodHead, path)
		if head.status != get.status || len(head.body) > 0 || head.header.Get("Content-Type") != get.header.Get("Content-Type") {
			t.Errorf("%s: HEAD gives %d %v, GET %d", path, head.status, head.header, get.status)
		}
	}
	if got := s.send(http.MethodHead, "/v1/chat/completions"); got.status != http.StatusMethodNotAllowed {
		t.Errorf("HEAD of what is posted to: %d", got.status)
	}
	if got := s.send(http.MethodPut, "/v1/models"); !slices.Equal(got.header.Values("Allow"), []string{"GET", "HEAD"}) {
		t.Errorf("%v", got.header)
	}
}

func TestTheDescriptionAsJSONIsTheSame(t *testing.T) {
	s := newSite(t, nil)
	var got struct {
		OpenAPI string
		Paths   map[string]map[string]json.RawMessage
	}
	s.get("/openapi.json").json(t, &got)
	paths := map[string]bool{}
	for _, o := range s.check.Operations {
		paths[o.Path] = true
	}
	if got.OpenAPI != "3.1.0" || len(got.Paths) != len(paths) {
		t.Errorf("%s, %d paths", got.OpenAPI, len(got.Paths))
	}
	if !strings.Contains(string(got.Paths["/v1/models"]["get"]), `"200":`) {
		t.Errorf("%s", got.Paths["/v1/models"]["get"])
	}
}

// What a key is asked for must be what is served, however a path is written.
func TestAuthenticationJudgesWhatIsRouted(t *testing.T) {
	_, hash := access.NewKey()
	for _, public := range []bool{false, true} {
		s := newSite(t, func(c *Config) { c.Keys, c.PublicInfo = []access.Key{{Name: "a", Hash: hash}}, public })
		open := []string{"/health/live", "/healthz", "//health/live/", "/health%2Flive", "/%68ealthz"}
		info := []string{
			"/health/ready", "/health", "/docs", "/docs/redoc.js", "/openapi.yaml", "/openapi.json", "//docs", "/docs/", "/health%2Fready",
		}
		closed := []string{
			"/v1/models", "/models", "/v1%2Fmodels", "/metrics", "/metrics/", "/health/live/../../v1/models", "/health/live%2F..%2Fv1/models",
			"/nothing", "/v1/responses/health/live", "/docs/../v1/models", "//metrics",
		}
		want := map[string]int{}
		for _, p := range open {
			want[p] = http.StatusOK
		}
		for _, p := range info {
			want[p] = http.StatusUnauthorized
			if public {
				want[p] = http.StatusOK
			}
		}
		for _, p := range closed {
			want[p] = http.StatusUnauthorized
		}
		for path, status := range want {
			if got := s.answer(s.raw("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")); got.status != status {
				t.Errorf("public %t: %s: %d, want %d", public, path, got.status, status)
			}
		}
	}
}

func TestErrorsBelowMessagesHaveAnthropicsForm(t *testing.T) {
	key, hash := access.NewKey()
	s := newSite(t, func(c *Config) { c.Keys, c.Limits.BodyBytes = []access.Key{{Name: "a", Hash: hash}}, 1000 })
	with := []string{"X-Api-Key", key}
	for name, tc := range map[string]struct {
		got    reply
		status int
		kind   string
	}{
		"not found":            {s.get("/v1/messages/batches", with...), 404, "not_found_error"},
		"deeper":               {s.post("/v1/messages/a/b", "{}", with...), 404, "not_found_error"},
		"without version":      {s.post("/messages/a", "{}", with...), 404, "not_found_error"},
		"method":               {s.get("/v1/messages", with...), 405, "invalid_request_error"},
		"no key":               {s.post("/v1/messages", "{}"), 401, "authentication_error"},
		"no key, not found":    {s.get("/v1/messages/x"), 401, "authentication_error"},
		"not JSON":             {s.post("/v1/messages", "{", with...), 400, "invalid_request_error"},
		"media type":           {s.post("/v1/messages", "{}", "X-Api-Key", key, "Content-Type", "text/plain"), 415, "invalid_request_error"},
		"too large":            {s.post("/v1/messages", strings.Repeat(" ", 1001), with...), 413, "request_too_large"},
		"header":               {s.post("/v1/messages", "{}", "X-Api-Key", key, "X-Long", strings.Repeat("x", 70000)), 431, "invalid_request_error"},
		"count, no such model": {s.post("/v1/messages/count_tokens", `{"model":"x","messages":[{"role":"user","content":"hi"}]}`, with...), 404, "not_found_error"},
	} {
		t.Run(name, func(t *testing.T) {
			var e anthropicError
			tc.got.json(t, &e)
			if tc.got.status != tc.status || e.Type != "error" || e.Error.Type != tc.kind || e.Error.Message == "" || e.RequestID == "" {
				t.Errorf("%d %s", tc.got.status, tc.got.body)
			}
		})
	}
	if got := s.get("/v1/messagesx", with...); strings.Contains(string(got.body), `"type":"error"`) {
		t.Errorf("%s", got.body)
	}
}
