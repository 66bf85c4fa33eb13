package docs

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func TestPageNeedsNothingFromOtherHosts(t *testing.T) {
	served := map[string]http.HandlerFunc{PathDescription: Description, PathPage: Page, PathScript: Script}
	w := httptest.NewRecorder()
	Page(w, nil)
	body := w.Body.String()
	for _, m := range regexp.MustCompile(`(?:src|href|spec-url)="([^"]+)"`).FindAllStringSubmatch(body, -1) {
		if served[m[1]] == nil {
			t.Errorf("the page needs %s", m[1])
		}
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self'") || strings.Contains(csp, "http") {
		t.Errorf("%q", csp)
	}
	for path, want := range map[string]string{PathDescription: "application/yaml", PathPage: "text/html; charset=utf-8", PathScript: "text/javascript; charset=utf-8"} {
		w := httptest.NewRecorder()
		served[path](w, nil)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != want || w.Body.Len() < 100 {
			t.Errorf("%s: %d %v, %d bytes", path, w.Code, w.Header(), w.Body.Len())
		}
	}
}
