package api

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/qwenvld/qwenvld/api/playground"
)

// addPlayground adds the page at the root and its files.
func (s *Server) addPlayground(m chi.Router, c *Config, site *playground.Site) {
	if c.Playground == PlaygroundOff {
		return
	}
	if c.Playground == PlaygroundKeyed {
		m = m.With(keyAsPassword, s.authenticate)
	}
	m.Get(playground.PathPage, site.Page)
	m.Get(playground.PathFiles+"/*", s.edge.Handle(func(w http.ResponseWriter, r *http.Request) error {
		if !site.File(w, r, chi.URLParam(r, "*")) {
			return notFound(w, r)
		}
		return nil
	}))
}

// keyAsPassword takes the password that a browser sends for the key, and has it ask for one: a browser can send no
// other header of its own when a person opens a page.
func keyAsPassword(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, ok := r.BasicAuth(); ok {
			r.Header.Set("Authorization", "Bearer "+password)
		}
		next.ServeHTTP(asksForPassword{w}, r)
	})
}

// asksForPassword has refusals for want of a key ask for a password.
type asksForPassword struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w asksForPassword) WriteHeader(status int) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="qwenvld: any name, and an API key as the password", charset="UTF-8"`)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w asksForPassword) Unwrap() http.ResponseWriter { return w.ResponseWriter }
