// Package upstreamtest is a server for tests that answers as it is told: with the events of a recorded stream, at some
// speed, and with faults on demand.
//
// It must not generate anything by itself, and only tests may import it.
package upstreamtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Fault is what goes wrong with an answer.
type Fault string

// Faults. Those of a stream come before the event number Script.At.
const (
	None Fault = ""
	// Reset breaks the connection, Cut ends the stream as if all were well, Hang says nothing more until the client
	// leaves.
	Reset Fault = "reset"
	Cut   Fault = "cut"
	Hang  Fault = "hang"
	// Drip sends an event byte by byte, never its end, until the client leaves.
	Drip Fault = "drip"
	// Malformed sends what is no JSON, ErrorEvent an error in the stream.
	Malformed  Fault = "malformed"
	ErrorEvent Fault = "error event"
)

// Script is how requests are answered.
type Script struct {
	// Status other than 0 and 200 is a refusal with Body and Header.
	Status int
	Header http.Header
	Body   string
	// Events are the data of a stream's events; [DONE] follows them.
	Events []string
	// Pause is waited before each event.
	Pause time.Duration
	Fault Fault
	At    int
}

// Request is one that came.
type Request struct {
	Path   string
	Header http.Header
	Body   map[string]any
}

// Server is a server under the control of a test.
type Server struct {
	URL string

	connections atomic.Int64

	mu        sync.Mutex
	script    func(n int, r *Request) Script
	small     map[string]string
	unhealthy bool
	requests  []Request
	left      chan struct{}
}

// New starts a server, which ends with the test.
func New(tb testing.TB, s Script) *Server {
	tb.Helper()
	out := &Server{left: make(chan struct{}, 1024), small: map[string]string{}}
	out.Always(s)
	h := httptest.NewUnstartedServer(out)
	h.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			out.connections.Add(1)
		}
	}
	h.Start()
	tb.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
	})
	out.URL = h.URL
	return out
}

// Always answers every request so from now on.
func (s *Server) Always(script Script) {
	s.Answer(func(int, *Request) Script { return script })
}

// Answer has f say how the request number n, counted from 0, is answered.
func (s *Server) Answer(f func(n int, r *Request) Script) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = f
}

// Reply answers a path with a body that is no stream.
func (s *Server) Reply(path, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.small[path] = body
}

// SetHealth says whether probes succeed.
func (s *Server) SetHealth(ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unhealthy = !ok
}

// Requests are those that came for streams, in their order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Connections counts those that were made.
func (s *Server) Connections() int { return int(s.connections.Load()) }

// Left gets one value for each client that left before its answer ended.
func (s *Server) Left() <-chan struct{} { return s.left }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if body, ok := s.reply(r.URL.Path); ok {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
		return
	}
	if r.Method != http.MethodPost {
		s.mu.Lock()
		status := http.StatusOK
		if s.unhealthy {
			status = http.StatusServiceUnavailable
		}
		s.mu.Unlock()
		w.WriteHeader(status)
		return
	}
	req := Request{Path: r.URL.Path, Header: r.Header.Clone()}
	data, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(data, &req.Body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	script := s.script(len(s.requests), &req)
	s.requests = append(s.requests, req)
	s.mu.Unlock()
	s.answer(w, r, &script)
}

func (s *Server) reply(path string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, ok := s.small[path]
	return body, ok
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, script *Script) {
	for name, values := range script.Header {
		w.Header()[name] = values
	}
	if script.Status != 0 && script.Status != http.StatusOK {
		w.WriteHeader(script.Status)
		_, _ = io.WriteString(w, script.Body)
		return
	}
	if script.Fault == Hang && script.At < 0 { // not even a header
		s.wait(r, -1)
		return
	}
	if script.Fault == Reset && script.At < 0 {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	for i, e := range append(slices.Clone(script.Events), "[DONE]") {
		if script.Fault != None && i == script.At && !s.fail(w, r, script.Fault) {
			return
		}
		if script.Pause > 0 && !s.wait(r, script.Pause) {
			return
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", e); err != nil {
			s.left <- struct{}{}
			return
		}
		w.(http.Flusher).Flush()
	}
}

// fail does what goes wrong. It reports whether the stream goes on.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, f Fault) bool {
	switch f {
	case Reset:
		panic(http.ErrAbortHandler)
	case Hang:
		w.(http.Flusher).Flush()
		s.wait(r, -1)
		return false
	case Drip:
		s.drip(w, r)
		return false
	case Malformed:
		_, _ = io.WriteString(w, "data: {\"choices\": [\n\n")
	case ErrorEvent:
		_, _ = io.WriteString(w, `data: {"error": {"message": "the engine is dead", "type": "InternalServerError", "code": 500}}`+"\n\n")
	case Cut, None:
		return false
	}
	return true
}

// drip sends the beginning of an event, and more of it again and again.
func (s *Server) drip(w http.ResponseWriter, r *http.Request) {
	const pause = 2 * time.Millisecond
	for next := `data: {"choices":[{"delta":{"content":"`; ; next = "a" {
		if _, err := io.WriteString(w, next); err != nil {
			s.left <- struct{}{}
			return
		}
		w.(http.Flusher).Flush()
		if !s.wait(r, pause) {
			return
		}
	}
}

// wait waits, for ever where d is negative, or until the client leaves. It reports whether it is still there.
func (s *Server) wait(r *http.Request, d time.Duration) bool {
	var over <-chan time.Time
	if d >= 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
		return true
	case <-r.Context().Done():
		s.left <- struct{}{}
		return false
	}
}

// Recorded are the events of a recording: the lines of an SSE stream, of which those that begin with # are comments.
func Recorded(tb testing.TB, text string) []string {
	tb.Helper()
	var out []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if data, ok := strings.CutPrefix(line, "data: "); ok && data != "[DONE]" {
			out = append(out, data)
		}
	}
	if len(out) == 0 {
		tb.Fatal("a recording without events")
	}
	return out
}
