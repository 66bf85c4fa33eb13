package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/api/access"
	"github.com/qwenvld/qwenvld/internal/testkit"
)

func (s *site) get(path string, headers ...string) reply {
	s.t.Helper()
	return s.send(http.MethodGet, path, headers...)
}

func (s *site) send(method, path string, headers ...string) reply {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return s.do(req)
}

const hello = `{"model":"qwen3-vl-instruct","messages":[{"role":"user","content":"hi"}]}`

func TestKeysAreNeededOnceAnyIsSet(t *testing.T) {
	key, hash := access.NewKey()
	s := newSite(t, func(c *Config) { c.Keys = []access.Key{{Name: "alice", Hash: hash}} })
	for name, tc := range map[string]struct {
		header, value string
		status        int
	}{
		"bearer":      {"Authorization", "Bearer " + key, http.StatusOK},
		"lower case":  {"Authorization", "bearer " + key, http.StatusOK},
		"x-api-key":   {"X-Api-Key", key, http.StatusOK},
		"none":        {"X-Other", "", http.StatusUnauthorized},
		"another":     {"Authorization", "Bearer sk-x", http.StatusUnauthorized},
		"the hash":    {"X-Api-Key", hash.String(), http.StatusUnauthorized},
		"no scheme":   {"Authorization", key, http.StatusUnauthorized},
		"with a tail": {"Authorization", "Bearer " + key + "x", http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.post("/v1/chat/completions", hello, tc.header, tc.value)
			if got.status != tc.status {
				t.Fatalf("%d %s", got.status, got.body)
			}
			if tc.status == http.StatusUnauthorized {
				if code, _, _ := got.failure(t); code != "invalid_api_key" || got.header.Get("WWW-Authenticate") != "Bearer" {
					t.Errorf("%s %v", code, got.header)
				}
			}
			if got := s.get("/v1/models", tc.header, tc.value); got.status != tc.status {
				t.Errorf("models: %d", got.status)
			}
		})
	}
	if got := s.get("/health/live"); got.status != http.StatusOK {
		t.Errorf("liveness: %d", got.status)
	}
	if got := s.get("/health/ready"); got.status != http.StatusUnauthorized {
		t.Errorf("readiness: %d", got.status)
	}
	if log := s.log.String(); !strings.Contains(log, "key=alice") || strings.Contains(log, key) {
		t.Errorf("%s", log)
	}
}

func TestLimitsOfAKey(t *testing.T) {
	key, hash := access.NewKey()
	now := time.Now() // write deadlines count from it
	s := newSite(t, func(c *Config) {
		c.Keys = []access.Key{{Name: "alice", Hash: hash, RequestsPerMinute: 3, TokensPerMinute: 15}}
		c.Now = func() time.Time { return now }
	})
	bearer := []string{"Authorization", "Bearer " + key}
	for i, want := range []string{"2", "1"} { // each takes 9 tokens
		got := s.post("/v1/chat/completions", hello, bearer...)
		if got.status != http.StatusOK || got.header.Get("X-Ratelimit-Remaining-Requests") != want || got.header.Get("X-Ratelimit-Limit-Tokens") != "15" {
			t.Fatalf("request %d: %d %v", i, got.status, got.header)
		}
	}
	got := s.post("/v1/chat/completions", hello, bearer...)
	code, _, message := got.failure(t)
	if got.status != http.StatusTooManyRequests || code != "rate_limit_exceeded" || !strings.Contains(message, "15 tokens") || got.header.Get("Retry-After") == "" {
		t.Errorf("%d %s %v", got.status, got.body, got.header)
	}
	if got.header.Get("X-Ratelimit-Remaining-Tokens") != "0" {
		t.Errorf("%v", got.header)
	}
	// Asking about models costs nothing.
	if got := s.get("/v1/models", bearer...); got.status != http.StatusOK {
		t.Errorf("%d", got.status)
	}
	now = now.Add(time.Minute)
	if got := s.post("/v1/chat/completions", hello, bearer...); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestConcurrentRequestsOfAKey(t *testing.T) {
	key, hash := access.NewKey()
	other, otherHash := access.NewKey()
	s := newSite(t, func(c *Config) {
		c.Keys = []access.Key{{Name: "alice", Hash: hash, Concurrent: 1}, {Name: "bob", Hash: otherHash}}
	})
	s.instruct.Hold = make(chan struct{})
	first := make(chan reply, 1)
	go func() { first <- s.post("/v1/chat/completions", hello, "X-Api-Key", key) }()
	testkit.Eventually(t, "the request", func() bool { return s.instruct.Open() > 0 })
	if got := s.post("/v1/chat/completions", hello, "X-Api-Key", key); got.status != http.StatusTooManyRequests {
		t.Errorf("%d %s", got.status, got.body)
	}
	close(s.instruct.Hold)
	if got := s.post("/v1/chat/completions", hello, "X-Api-Key", other); got.status != http.StatusOK {
		t.Errorf("another key: %d", got.status)
	}
	if got := <-first; got.status != http.StatusOK {
		t.Errorf("%d", got.status)
	}
	if got := s.post("/v1/chat/completions", hello, "X-Api-Key", key); got.status != http.StatusOK {
		t.Errorf("afterwards: %d", got.status)
	}
}

func TestBrowsersMayAskFromConfiguredOriginsOnly(t *testing.T) {
	_, hash := access.NewKey()
	for origins, want := range map[string]string{"": "", "https://chat.example.com": "https://chat.example.com"} {
		s := newSite(t, func(c *Config) {
			c.Keys = []access.Key{{Name: "a", Hash: hash}}
			if origins != "" {
				c.Origins = []string{origins}
			}
		})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, s.url+"/v1/chat/completions", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "https://chat.example.com")
		req.Header.Set("Access-Control-Request-Method", http.MethodPost)
		req.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := resp.Header.Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("origins %q: %d, allows %q", origins, resp.StatusCode, got)
		}
	}
}
