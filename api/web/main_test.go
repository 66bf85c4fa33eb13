package web

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qwenvld/qwenvld/api/intake"
)

// net/http waits half a second behind a reply to a request that it has not read, for which goleak has no patience.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// logged keeps what is logged, for any number of writers.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// counted is a Counter that keeps what it was told, one line each. What is counted last of a request is sent to over.
type counted struct {
	mu    sync.Mutex
	lines []string
	over  chan struct{}
}

var _ Counter = (*counted)(nil)

func newCounted() *counted { return &counted{over: make(chan struct{}, 100)} }

func (c *counted) Requested(_ context.Context, _, endpoint string, status int, _ time.Duration) {
	c.add("requested " + endpoint + " " + strconv.Itoa(status))
	c.over <- struct{}{}
}

func (c *counted) Failed(code string) { c.add("failed " + code) }

func (c *counted) add(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, line)
}

func (c *counted) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.lines, ", ")
}

// newEdge returns an edge that logs into log and takes bodies of up to 2000 bytes.
func newEdge(log *logged, edit func(*Options)) *Edge {
	o := Options{
		Logger: slog.New(slog.NewTextHandler(log, nil)), NewID: func() string { return "id" }, WriteTimeout: time.Minute,
		Vocabulary: []byte("messages: {content: x}\n"),
		Bodies:     newBodies(intake.Limits{}),
	}
	if edit != nil {
		edit(&o)
	}
	return New(o)
}

func newBodies(l intake.Limits) *intake.Intake {
	l.Body = 2000
	if l.Total == 0 {
		l.Total = 8000
	}
	if l.Readers == 0 {
		l.Readers = 10
	}
	if l.Grace == 0 {
		l.Grace = time.Minute
	}
	return intake.New(l, time.Now)
}

// around has e see to all that belongs to a request that h handles.
func around(e *Edge, h HandlerFunc) http.Handler {
	return e.Identify(e.LogAccess(e.RecoverPanic(e.BoundHeader(e.Handle(h)))))
}

// answer has h answer a request and returns the response.
func answer(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func get(path string) *http.Request { return httptest.NewRequest(http.MethodGet, path, http.NoBody) }

// code is the code of the error in OpenAI's form in w.
func code(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var got struct{ Error struct{ Code string } }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return got.Error.Code
}

// writer is a connection that a test looks into and breaks. The zero value works.
type writer struct {
	mu        sync.Mutex
	header    http.Header
	status    int
	text      strings.Builder
	flushed   int // how much of text has been flushed
	flushes   int
	deadlines []time.Time
	broken    error
}

func (w *writer) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}

func (w *writer) WriteHeader(status int) { w.status = status }

func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return 0, w.broken
	}
	return w.text.Write(p)
}

func (w *writer) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flushed = w.text.Len()
	w.flushes++
	return w.broken
}

func (w *writer) SetWriteDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deadlines = append(w.deadlines, t)
	return nil
}

// breaks has every write from now on fail.
func (w *writer) breaks(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = err
}

// sent is what has been flushed.
func (w *writer) sent() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()[:w.flushed]
}
