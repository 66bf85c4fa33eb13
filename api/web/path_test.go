package web

import (
	"net/http"
	"strings"
	"testing"
)

func TestPathsAsClientsWriteThemAreOne(t *testing.T) {
	for path, want := range map[string]string{
		"/v1/chat/completions": "/v1/chat/completions", "/v1/chat/completions/": "/v1/chat/completions",
		"//v1/chat/completions": "/v1/chat/completions", "/v1//chat///completions//": "/v1/chat/completions",
		"/chat/completions": "/v1/chat/completions", "/v1/v1/chat/completions": "/v1/chat/completions",
		"/v1/v1/v1/models": "/v1/models", "/v1/chat%2Fcompletions": "/v1/chat/completions",
		"/v1/%63hat/completions": "/v1/chat/completions", "/completions": "/v1/completions",
		"/messages/count_tokens/": "/v1/messages/count_tokens", "/responses/input_tokens": "/v1/responses/input_tokens",
		"/models/qwen3-vl/": "/v1/models/qwen3-vl", "/v1/models/qwen3%2Dvl": "/v1/models/qwen3-vl", "/route": "/v1/route",
		"/v1/tokenize": "/tokenize", "/v1/detokenize": "/detokenize", "/v1/v1/tokenize": "/tokenize", "/tokenize": "/tokenize",
		"/health/": "/health", "//docs/": "/docs", "/health%2Flive": "/health/live", "/": "/", "//": "/",
		"/v1": "/v1", "/chat": "/chat", "/modelsx": "/modelsx", "/v1/v1": "/v1/v1",
		"/health/live/../../v1/models": "/health/live/../../v1/models",
	} {
		var got, raw string
		h := OnePath(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, raw = r.URL.Path, r.URL.RawPath }))
		r := get(path)
		before := r.URL.Path
		h.ServeHTTP(nil, r)
		if got != want || raw != "" {
			t.Errorf("%s becomes %s (%s), want %s", path, got, raw, want)
		}
		if r.URL.Path != before {
			t.Errorf("%s: the request of the caller was changed", path)
		}
	}
}

func FuzzPlainPathsStayPlain(f *testing.F) {
	for _, path := range []string{"/v1/v1/models/", "//tokenize", "/v1/detokenize", "/messages/x", "", "/", "/v1//v1/route"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		plain := PlainPath(path)
		if again := PlainPath(plain); again != plain {
			t.Errorf("%q becomes %q, and that %q", path, plain, again)
		}
		if strings.Contains(plain, "//") || len(plain) > 1 && strings.HasSuffix(plain, "/") {
			t.Errorf("%q becomes %q", path, plain)
		}
	})
}
