package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/qwenvld/qwenvld/api/access"
)

// operators serves what s has for them, and returns what asks there with a key, "" for none.
func operators(t *testing.T, s *Server, remote bool) func(method, path, key string, header ...string) (status int, body string) {
	t.Helper()
	h, err := s.Operators(OperatorOptions{Remote: remote, PrintConfig: func(w io.Writer) error {
		_, err := io.WriteString(w, "listen: here\n")
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	return func(method, path, key string, header ...string) (int, string) {
		r := httptest.NewRequest(method, "http://127.0.0.1"+path, http.NoBody)
		if key != "" {
			r.Header.Set("Authorization", "Bearer "+key)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
}

func TestOperatorsHaveAnAddressOfTheirOwn(t *testing.T) {
	s := newSite(t, nil)
	ask := operators(t, s.server, false)
	for path, says := range map[string]string{
		"/metrics": "qwenvld_build_info", "/config": "listen: here", "/debug/pprof/": "goroutine", "/debug/pprof/heap?debug=1": "heap profile",
		"/debug/pprof/goroutine?debug=1": "goroutine profile", "/debug/pprof/cmdline": "api", "/v1/models": `"qwen3-vl"`,
		"/health/live": "ok", "/health/ready": "ready",
	} {
		if status, body := ask(http.MethodGet, path, ""); status != http.StatusOK || !strings.Contains(body, says) {
			t.Errorf("%s: %d %.200s", path, status, body)
		}
	}
	if status, body := ask(http.MethodPost, "/admin/models/qwen3-vl/load", ""); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	for path, want := range map[string]int{"/v1/chat/completions": http.StatusNotFound, "/config": http.StatusMethodNotAllowed} {
		if status, _ := ask(http.MethodPost, path, ""); status != want {
			t.Errorf("POST %s: %d", path, status)
		}
	}
	// A page that somebody visits on this machine is no operator.
	if status, _ := ask(http.MethodPost, "/admin/models/qwen3-vl/unload", "", "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
		t.Errorf("a page unloads: %d", status)
	}
}

func TestWhoIsAnOperator(t *testing.T) {
	admin, adminHash := access.NewKey()
	user, userHash := access.NewKey()
	plain := access.Key{Name: "user", Hash: userHash}
	boss := access.Key{Name: "admin", Hash: adminHash, Admin: true}
	for name, c := range map[string]struct {
		keys   []access.Key
		remote bool
		// statuses without a key, with that of a user, and with that of an administrator
		nobody, user, admin int
	}{
		"no keys":                {nil, false, 200, 200, 200},
		"only users' keys":       {[]access.Key{plain}, false, 200, 200, 200},
		"an administrator's key": {[]access.Key{plain, boss}, false, 401, 403, 200},
		"from afar":              {[]access.Key{plain, boss}, true, 401, 403, 200},
		"from afar without keys": {nil, true, 401, 401, 401},
	} {
		s := newSite(t, func(config *Config) { config.Keys = c.keys })
		ask := operators(t, s.server, c.remote)
		for key, want := range map[string]int{"": c.nobody, user: c.user, admin: c.admin} {
			for _, path := range []string{"/debug/pprof/", "/config", "/metrics"} {
				if status, body := ask(http.MethodGet, path, key); status != want {
					t.Errorf("%s, %s, %.10s: %d, want %d: %.100s", name, path, key, status, want, body)
				}
			}
		}
		if status, _ := ask(http.MethodGet, "/health/live", ""); status != http.StatusOK {
			t.Errorf("%s: whether it lives is no secret: %d", name, status)
		}
	}
}

func TestClientsNeverSeeProfilesOrTheConfiguration(t *testing.T) {
	s := newSite(t, nil)
	for _, path := range []string{"/debug/pprof", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile", "/debug/vars", "/config"} {
		if got := s.call(http.MethodGet, path); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	err := chi.Walk(s.server.Routes(), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if strings.Contains(route, "debug") || strings.Contains(route, "config") {
			t.Errorf("%s %s is served to clients", method, route)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
