package web

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/intake"
)

// Counter counts requests that have ended. Its methods are called from any goroutine.
type Counter interface {
	// Requested counts a request by its route's pattern, which is empty where it has none, and by the status that it
	// was answered with. The context is that of the request.
	Requested(ctx context.Context, method, endpoint string, status int, took time.Duration)
	// Failed counts an error by its code.
	Failed(code string)
}

// Form is how errors look at a path and below it.
type Form struct {
	// Prefix is the path, such as /v1/messages.
	Prefix string
	// Body makes the JSON body of an error. requestID is the one that the response has in its header.
	Body func(e *fault.Error, requestID string) any
	// Event is the type of the event that is an error in a stream, empty for none.
	Event string
}

// Options are what an Edge needs.
type Options struct {
	// Logger gets one line per request. nil discards.
	Logger *slog.Logger
	// Now is the clock (time.Now) and NewID makes the random part of request ids (RandomID).
	Now   func() time.Time
	NewID func() string
	// WriteTimeout bounds each write to a client, KeepAlive is the longest silence of a stream before a comment is
	// sent, and Grace is how long net/http may read on in a body that no handler has read. Zero means without.
	WriteTimeout, KeepAlive, Grace time.Duration
	// Bodies reads the bodies of requests.
	Bodies *intake.Intake
	// Vocabulary is the API's description. Names that stand in it as keys may be logged, others are a client's own
	// words.
	Vocabulary []byte
	// Counter is nil where nothing is counted.
	Counter Counter
	// Forms are those of errors at and below some paths. Elsewhere errors have OpenAI's form.
	Forms []Form
	// RetryIn is what clients are told to wait when the server is overloaded (fault.RetryAfter).
	RetryIn func() time.Duration
}

// Edge is the HTTP side of the server that all surfaces share. It is safe for concurrent use.
type Edge struct {
	logger       *slog.Logger
	now          func() time.Time
	newID        func() string
	writeTimeout time.Duration
	keepAlive    time.Duration
	grace        time.Duration
	bodies       *intake.Intake
	words        vocabulary
	counter      Counter
	forms        []Form
	retryIn      func() time.Duration
}

// New returns an Edge for o.
func New(o Options) *Edge {
	e := &Edge{
		logger: o.Logger, now: o.Now, newID: o.NewID, writeTimeout: o.WriteTimeout, keepAlive: o.KeepAlive, grace: o.Grace,
		bodies: o.Bodies, words: newVocabulary(o.Vocabulary), counter: o.Counter, forms: o.Forms, retryIn: o.RetryIn,
	}
	if e.logger == nil {
		e.logger = slog.New(slog.DiscardHandler)
	}
	if e.now == nil {
		e.now = time.Now
	}
	if e.newID == nil {
		e.newID = RandomID
	}
	if e.counter == nil {
		e.counter = uncounted{}
	}
	if e.retryIn == nil {
		e.retryIn = func() time.Duration { return fault.RetryAfter }
	}
	return e
}

// uncounted is the Counter of an Edge that has none.
type uncounted struct{}

var _ Counter = uncounted{}

func (uncounted) Requested(context.Context, string, string, int, time.Duration) {}

func (uncounted) Failed(string) {}

// RandomID makes the random part of an id.
func RandomID() string {
	var b [12]byte
	// crypto/rand.Read never fails since Go 1.24.
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// HandlerFunc is a handler that returns its error instead of writing it.
type HandlerFunc func(w http.ResponseWriter, r *http.Request) error

// Handle makes h a handler of net/http. It converts h's error once, for the client and for the access log.
func (e *Edge) Handle(h HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil {
			return
		}
		failure := fault.From(r.Context(), err, RecordOf(r.Context()).Origin())
		if !e.endEarly(r, failure) {
			e.Refuse(w, r, failure)
		}
	}
}

// Refuse sends failure in the form that belongs to the request's path, and notes it for the access log. It is the only
// place where an error becomes a response.
func (e *Edge) Refuse(w http.ResponseWriter, r *http.Request, failure *fault.Error) {
	rec := RecordOf(r.Context())
	rec.Fail(failure)
	wait := failure.RetryAfter
	if failure.Code == fault.CodeOverloaded && wait <= fault.RetryAfter { // nothing better is known of this one
		wait = e.retryIn()
	}
	if failure.Closes {
		w.Header().Set("Connection", "close")
	}
	if wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	e.WriteJSON(w, failure.Status, e.errorBody(r.URL.Path, failure, rec.ID))
}

func (e *Edge) errorBody(path string, failure *fault.Error, requestID string) any {
	if f := e.formOf(path); f.Body != nil {
		return f.Body(failure, requestID)
	}
	return failure.Wire(requestID)
}

// WriteJSON sends v within the timeout of writes. A failed write means that the client is gone, which the access log
// shows.
func (e *Edge) WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		// Only types of the API get here, so this is a programmer's error.
		failure := fault.Error{Status: http.StatusInternalServerError, Type: fault.TypeServer, Message: "encoding failed"}
		status = failure.Status
		body, _ = json.Marshal(failure.Wire(w.Header().Get(HeaderRequestID))) // texts always encode
	}
	e.SetWriteDeadline(w)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// SetWriteDeadline gives the next writes to w the timeout of writes. Writers without deadlines, as in tests, go
// without.
func (e *Edge) SetWriteDeadline(w http.ResponseWriter) {
	e.setDeadline(http.NewResponseController(w))
}

func (e *Edge) setDeadline(rc *http.ResponseController) {
	if e.writeTimeout > 0 {
		_ = rc.SetWriteDeadline(e.now().Add(e.writeTimeout))
	}
}
