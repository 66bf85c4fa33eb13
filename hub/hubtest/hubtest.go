// Package hubtest is a small hub for tests: it lists repositories as Hugging Face's hub and ModelScope do, and sends
// files from another host, with the faults that a test asks for.
//
// It must not be part of the daemon.
package hubtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/qwenvld/qwenvld/hub"
)

// Hub is a hub and the host that it redirects downloads to.
type Hub struct {
	// Front is the hub, Store where the files come from.
	Front, Store *httptest.Server
	// Token, if set, is needed for everything that Front does.
	Token string
	// Page is how many files a page of the list has (2).
	Page int

	mu       sync.Mutex
	repos    map[string]map[string][]byte
	fault    Fault
	requests []*http.Request
}

// Fault may answer a request for a file in place of the hub; then it returns true. n counts the requests for files from
// 1 on.
type Fault func(w http.ResponseWriter, r *http.Request, content []byte, n int) bool

// New starts a hub, which the caller must Close.
func New() *Hub {
	h := &Hub{Page: 2, repos: map[string]map[string][]byte{}}
	h.Front = httptest.NewServer(http.HandlerFunc(h.front))
	h.Store = httptest.NewServer(http.HandlerFunc(h.store))
	return h
}

// Close ends both servers, also in the middle of transfers.
func (h *Hub) Close() {
	for _, s := range []*httptest.Server{h.Front, h.Store} {
		s.CloseClientConnections()
		s.Close()
	}
}

// Add puts a file into a repository.
func (h *Hub) Add(repo, path string, content []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.repos[repo] == nil {
		h.repos[repo] = map[string][]byte{}
	}
	h.repos[repo][path] = content
}

// SetFault makes the store err from now on; nil heals it.
func (h *Hub) SetFault(f Fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fault = f
}

// Requests are those for files that the store has got.
func (h *Hub) Requests() []*http.Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*http.Request(nil), h.requests...)
}

// File is a file as the hub lists it.
func (h *Hub) File(repo, path string) hub.File {
	h.mu.Lock()
	defer h.mu.Unlock()
	content := h.repos[repo][path]
	return hub.File{Path: path, Size: int64(len(content)), SHA256: hashOf(content)}
}

// Commit is the commit of a repository: it changes with its files.
func (h *Hub) Commit(repo string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	sum := sha256.New()
	for _, p := range h.paths(repo) {
		fmt.Fprintln(sum, p, hashOf(h.repos[repo][p]))
	}
	return hex.EncodeToString(sum.Sum(nil))[:40]
}

func hashOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func (h *Hub) paths(repo string) []string {
	var out []string
	for p := range h.repos[repo] {
		out = append(out, p)
	}
	sort.Strings(out)
	return out
}

func (h *Hub) front(w http.ResponseWriter, r *http.Request) {
	if h.Token != "" && r.Header.Get("Authorization") != "Bearer "+h.Token {
		w.Header().Set("X-Error-Message", "Access to this model is restricted")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if rest, ok := strings.CutPrefix(r.URL.Path, "/api/v1/models/"); ok {
		h.modelScope(w, strings.TrimSuffix(rest, "/repo/files"))
		return
	}
	if rest, ok := strings.CutPrefix(r.URL.Path, "/api/models/"); ok {
		h.huggingFace(w, r, strings.SplitN(rest, "/", 4))
		return
	}
	repo, path, ok := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/models"), "/"), "/resolve/")
	revision, path, two := strings.Cut(path, "/")
	if !ok || !two || revision != h.Commit(repo) && revision != "master" {
		http.NotFound(w, r)
		return
	}
	http.Redirect(w, r, h.Store.URL+"/"+repo+"/"+path, http.StatusFound) //nolint:gosec // our own server
}

// huggingFace answers what is asked of a repository: organisation, name, revision or tree, and which.
func (h *Hub) huggingFace(w http.ResponseWriter, r *http.Request, parts []string) {
	if len(parts) < 4 || !h.known(parts[0]+"/"+parts[1]) {
		http.NotFound(w, r)
		return
	}
	repo := parts[0] + "/" + parts[1]
	commit := h.Commit(repo)
	switch {
	case parts[2] == "revision" && (parts[3] == "main" || parts[3] == commit):
		reply(w, map[string]any{"id": repo, "sha": commit})
	case parts[2] == "tree" && parts[3] == commit:
		h.tree(w, r, repo)
	default:
		http.NotFound(w, r)
	}
}

func (h *Hub) known(repo string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.repos[repo] != nil
}

func reply(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

// tree is a page of the list, with a link to the next.
func (h *Hub) tree(w http.ResponseWriter, r *http.Request, repo string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	paths := h.paths(repo)
	entries := []map[string]any{{"type": "directory", "path": "folder", "oid": "00"}}
	for i := at; i < len(paths) && i < at+h.Page; i++ {
		content := h.repos[repo][paths[i]]
		e := map[string]any{"type": "file", "path": paths[i], "size": len(content), "oid": "00"}
		if strings.HasSuffix(paths[i], ".gguf") {
			e["lfs"] = map[string]any{"oid": hashOf(content), "size": len(content), "pointerSize": 135}
		}
		entries = append(entries, e)
	}
	if next := at + h.Page; next < len(paths) {
		w.Header().Set("Link", fmt.Sprintf("<%s%s?recursive=true&cursor=%d>; rel=\"next\"", h.Front.URL, r.URL.Path, next))
	}
	reply(w, entries)
}

func (h *Hub) modelScope(w http.ResponseWriter, repo string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	files := []map[string]any{{"Path": "folder", "Type": "tree", "Size": 0}}
	for _, p := range h.paths(repo) {
		content := h.repos[repo][p]
		files = append(files, map[string]any{"Path": p, "Type": "blob", "Size": len(content), "Sha256": hashOf(content)})
	}
	reply(w, map[string]any{"Code": 200, "Success": true, "Data": map[string]any{"Files": files}})
}

func (h *Hub) store(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 3)
	content, ok := h.repos[parts[0]+"/"+parts[1]][parts[2]]
	h.requests = append(h.requests, r)
	n, fault := len(h.requests), h.fault
	h.mu.Unlock()
	switch {
	case !ok:
		http.NotFound(w, r)
	case fault == nil || !fault(w, r, content, n):
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
}

// Break sends a part of what is asked for and drops the connection.
func Break(w http.ResponseWriter, r *http.Request, content []byte, length int) {
	at := Offset(r)
	w.Header().Set("Content-Length", strconv.Itoa(len(content)-at))
	if at > 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", at, len(content)-1, len(content)))
		w.WriteHeader(http.StatusPartialContent)
	}
	_, _ = w.Write(content[at:min(len(content), at+length)])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// Offset is where the range begins that is asked for.
func Offset(r *http.Request) int {
	n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-"))
	return n
}
