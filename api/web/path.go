package web

import (
	"net/http"
	"strings"
)

// unversioned are the paths that clients also use without /v1 before them.
func unversioned() []string {
	return []string{"/chat/completions", "/completions", "/messages", "/responses", "/embeddings", "/models", "/route"}
}

// OnePath has everything that follows, routing included, see one path: decoded, with single slashes, none at its end,
// and /v1 where that was left out or doubled. What is judged is then what is routed.
func OnePath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path := PlainPath(r.URL.Path); path != r.URL.Path || r.URL.RawPath != "" {
			changed, u := *r, *r.URL
			u.Path, u.RawPath = path, ""
			changed.URL = &u
			r = &changed
		}
		next.ServeHTTP(w, r)
	})
}

// PlainPath is the path that a request is routed by: see OnePath.
func PlainPath(path string) string {
	const version = "/v1"
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	for strings.HasPrefix(path, version+version+"/") {
		path = path[len(version):]
	}
	if rest, ok := strings.CutPrefix(path, version); ok && (rest == "/tokenize" || rest == "/detokenize") {
		return rest
	}
	for _, p := range unversioned() {
		if path == p || strings.HasPrefix(path, p+"/") {
			return version + path
		}
	}
	return path
}
