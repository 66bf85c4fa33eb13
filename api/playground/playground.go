// Package playground is the page at the root of the server, on which a person tries the models: a chat that shows who
// answered and why, what thinking took, and what became of pictures. All of it is embedded, and it asks for nothing
// from other hosts.
//
// It speaks to the server by its public API alone. It must not know models, requests or keys, and serves the same bytes
// to everybody.
package playground

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// Paths of what is served.
const (
	PathPage  = "/"
	PathFiles = "/playground"
)

// PathSamples is where the page finds what to ask the model, a list that is empty where nothing is offered.
const PathSamples = PathFiles + "/samples.json"

//go:embed static
var static embed.FS

// Options are what a Site needs.
type Options struct {
	// Samples are questions that the page offers, as JSON; nil for none.
	Samples []byte
}

// Site serves the page and its files. It is immutable and safe for concurrent use.
type Site struct{ files map[string]*file }

// file is something served.
type file struct {
	contentType string
	plain       []byte
	etag        string // without quotes
	// gzip is the compressed form, made when it is first asked for; nil where that is not worth it.
	gzip func() []byte
}

// New takes in what there is to serve.
func New(o Options) (*Site, error) {
	s := &Site{files: map[string]*file{}}
	err := fs.WalkDir(static, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := static.ReadFile(name)
		if err != nil {
			return err
		}
		s.add(strings.TrimPrefix(name, "static/"), data)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("playground: %w", err)
	}
	samples := o.Samples
	if samples == nil {
		samples = []byte("[]")
	}
	s.add(path.Base(PathSamples), samples)
	return s, nil
}

func (s *Site) add(name string, data []byte) {
	sum := sha256.Sum256(data)
	s.files[name] = &file{
		contentType: contentType(name), plain: data, etag: hex.EncodeToString(sum[:])[:32],
		gzip: sync.OnceValue(func() []byte { return compressed(data) }),
	}
}

// compressed is nil where it would not be smaller.
func compressed(data []byte) []byte {
	var small bytes.Buffer
	z, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
	if err != nil {
		return nil
	}
	if _, err := z.Write(data); err != nil || z.Close() != nil || small.Len() >= len(data) {
		return nil
	}
	return small.Bytes()
}

// contentType is that of a name. The system's own table is not asked for what a browser refuses when it is wrong.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".html":
		return "text/html; charset=utf-8"
	case ".json":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	case "":
		return "text/plain; charset=utf-8"
	default:
		return mime.TypeByExtension(path.Ext(name))
	}
}

// Page serves the page to browsers. Other clients, which do not say that they read HTML, are told where things are.
func (s *Site) Page(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept, Accept-Encoding")
	if !acceptsHTML(r) {
		guard(w.Header())
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(directions)) // a client that left is nobody's error
		return
	}
	s.serve(w, r, "index.html")
}

// directions are for people who ask with curl.
const directions = `This is qwenvld, which serves Qwen3-VL over OpenAI's API.

  /            in a browser: a playground
  /v1          the API: POST /v1/chat/completions, /v1/responses, /v1/messages
  /docs        its description, /openapi.yaml as a file
  /health      whether it can answer
  /metrics     for Prometheus
`

// File serves one of the page's files, which name says, and reports whether there is such a file.
func (s *Site) File(w http.ResponseWriter, r *http.Request, name string) bool {
	if s.files[name] == nil || name == "index.html" {
		return false
	}
	w.Header().Set("Vary", "Accept-Encoding")
	s.serve(w, r, name)
	return true
}

func (s *Site) serve(w http.ResponseWriter, r *http.Request, name string) {
	f := s.files[name]
	h := w.Header()
	guard(h)
	h.Set("Content-Type", f.contentType)
	// Browsers ask each time whether what they have is still good, which costs little and is never wrong.
	h.Set("Cache-Control", "no-cache")
	body, etag := f.plain, f.etag
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		if small := f.gzip(); small != nil {
			h.Set("Content-Encoding", "gzip")
			body, etag = small, etag+"-gzip"
		}
	}
	h.Set("Etag", `"`+etag+`"`)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
}
