package api

import (
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/api/access"
)

// visit asks for the page as a browser does.
func (s *site) visit(path string, header ...string) reply {
	s.t.Helper()
	return s.get(path, append([]string{"Accept", "text/html"}, header...)...)
}

// statusOf is that of a file of the page, which the description of the API leaves out, or of a request for another
// host.
func (s *site) statusOf(path, host string, header ...string) int {
	s.t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	if host != "" {
		r.Host = host
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	return w.Code
}

func TestThePageIsPublicUnlessItIsMadeOtherwise(t *testing.T) {
	keyed := func(c *Config) { c.Keys = []access.Key{{Name: "a", Hash: sha256.Sum256([]byte("secret"))}} }
	const password = "Basic YW55Ym9keTpzZWNyZXQ=" // anybody:secret
	for name, c := range map[string]struct {
		edit   func(*Config)
		header []string
		want   int
	}{
		"no keys":                       {func(*Config) {}, nil, http.StatusOK},
		"keys":                          {keyed, nil, http.StatusOK},
		"behind the key, without":       {func(c *Config) { keyed(c); c.Playground = PlaygroundKeyed }, nil, http.StatusUnauthorized},
		"behind the key, with":          {func(c *Config) { keyed(c); c.Playground = PlaygroundKeyed }, []string{"Authorization", password}, http.StatusOK},
		"behind the key, with a bearer": {func(c *Config) { keyed(c); c.Playground = PlaygroundKeyed }, []string{"Authorization", "Bearer secret"}, http.StatusOK},
		"off":                           {func(c *Config) { c.Playground = PlaygroundOff }, nil, http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, c.edit)
			got := s.visit("/", c.header...)
			if got.status != c.want {
				t.Errorf("%d %s", got.status, got.body)
			}
			asks := strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Basic ")
			if asks != (c.want == http.StatusUnauthorized) {
				t.Errorf("a browser is told %q", got.header.Get("WWW-Authenticate"))
			}
			if file := s.statusOf("/playground/js/main.js", "", c.header...); file != c.want {
				t.Errorf("a file of the page: %d", file)
			}
		})
	}
}

func TestAPasswordIsNoKeyElsewhere(t *testing.T) {
	s := newSite(t, func(c *Config) {
		c.Keys = []access.Key{{Name: "a", Hash: sha256.Sum256([]byte("secret"))}}
		c.Playground = PlaygroundKeyed
	})
	// Browsers send it by themselves, also for pages of other sites.
	if got := s.get("/v1/models", "Authorization", "Basic YW55Ym9keTpzZWNyZXQ="); got.status != http.StatusUnauthorized {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestRequestsForOtherNamesAreRefused(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Hosts = []string{"chat.example.com"} })
	for host, want := range map[string]int{
		"chat.example.com": http.StatusOK, "Chat.Example.com.:8080": http.StatusOK, "localhost:8080": http.StatusOK, "a.localhost": http.StatusOK,
		"127.0.0.1:8080": http.StatusOK, "[::1]:8080": http.StatusOK, "192.168.1.7": http.StatusOK,
		"evil.example.com": http.StatusMisdirectedRequest, "chat.example.com.evil.org": http.StatusMisdirectedRequest,
		"localhost.evil.org:8080": http.StatusMisdirectedRequest, "127.0.0.1.evil.org": http.StatusMisdirectedRequest,
	} {
		for _, path := range []string{"/", "/v1/models"} {
			if got := s.statusOf(path, host); got != want {
				t.Errorf("%s of %s: %d, want %d", path, host, got, want)
			}
		}
	}
	open := newSite(t, func(c *Config) { c.Hosts = []string{"*"} })
	if got := open.statusOf("/v1/models", "anything.example.org"); got != http.StatusOK {
		t.Errorf("any host: %d", got)
	}
}

func TestPagesOfOtherSitesMayNotAsk(t *testing.T) {
	const question = `{"messages":[{"role":"user","content":"hi"}]}`
	for name, c := range map[string]struct {
		origins []string
		header  []string
		want    int
	}{
		"curl":                  {nil, nil, http.StatusOK},
		"the own page":          {nil, []string{"Sec-Fetch-Site", "same-origin"}, http.StatusOK},
		"another site":          {nil, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, http.StatusForbidden},
		"another site, allowed": {[]string{"https://chat.example"}, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://chat.example"}, http.StatusOK},
		"an old browser":        {nil, []string{"Origin", "https://evil.example"}, http.StatusForbidden},
		"all are allowed":       {[]string{"*"}, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(c2 *Config) { c2.Origins = c.origins })
			got := s.post("/v1/chat/completions", question, c.header...)
			if got.status != c.want {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
}
