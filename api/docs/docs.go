// Package docs serves the description of the API: openapi.yaml as it is, as JSON, and as a page that needs nothing from
// other hosts. The page is drawn by Redoc (redoc.standalone.js, MIT).
//
// It does not know what the description says, and it must not fetch anything from elsewhere.
package docs

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/qwenvld/qwenvld"
)

//go:embed redoc.standalone.js
var redoc []byte

//go:embed index.html
var page []byte

// Paths of what is served.
const (
	PathDescription = "/openapi.yaml"
	PathJSON        = "/openapi.json"
	PathPage        = "/docs"
	PathScript      = "/docs/redoc.js"
)

// policy lets the page run its own script and nothing else. Redoc styles its elements inline and searches in a worker
// of its own.
const policy = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
	"worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Description serves openapi.yaml.
func Description(w http.ResponseWriter, _ *http.Request) {
	send(w, "application/yaml", qwenvld.OpenAPI)
}

// converted is openapi.yaml as JSON, made when it is first asked for.
var converted = sync.OnceValues(func() ([]byte, error) {
	var doc map[string]any
	if err := yaml.Unmarshal(qwenvld.OpenAPI, &doc); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	return json.Marshal(doc)
})

// JSON serves openapi.yaml as JSON.
func JSON(w http.ResponseWriter, _ *http.Request) {
	body, err := converted()
	if err != nil { // which a test excludes
		http.Error(w, `{"error":{"message":"openapi.yaml cannot be read","type":"server_error"}}`, http.StatusInternalServerError)
		return
	}
	send(w, "application/json", body)
}

// Page serves the page.
func Page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Security-Policy", policy)
	send(w, "text/html; charset=utf-8", page)
}

// Script serves Redoc.
func Script(w http.ResponseWriter, _ *http.Request) { send(w, "text/javascript; charset=utf-8", redoc) }

func send(w http.ResponseWriter, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body) // a client that left is nobody's error
}
