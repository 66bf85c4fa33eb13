package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/qwenvld/qwenvld/api/metrics"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

const (
	headerRequestID   = "X-Request-Id"
	headerRoute       = "X-Qwenvld-Route"
	headerWarning     = "X-Qwenvld-Warning"
	headerVariant     = "X-Qwenvld-Variant"
	headerRouteSource = "X-Qwenvld-Route-Source"
)

// maxRequestID is the longest request id taken over from a client, in bytes.
const maxRequestID = 128

func randomID() string {
	var b [12]byte
	// crypto/rand.Read never fails since Go 1.24.
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// record collects what the access log says of a request. Only the request's own goroutine touches it.
type record struct {
	id       string
	key      string // name of the API key
	decision *router.Decision
	usage    *engine.Usage
	finish   string
	images   int
	videos   int
	skipped  []string // kinds of tools that were left out
	stream   bool
	prompt   string // the member of the body that carries the prompt
	counting bool   // no answer was asked for: the prompt is counted, or made tokens of
	// measured is the generation, nil before it begins.
	measured *metrics.Generation
	err      *Error
	// produced counts events of an answer that has no usage yet.
	produced int
	// detached is set where a background response goes on when the request is over, and gives back what the request holds.
	detached bool
	// background is set for a background response.
	background bool
	// stranger is set for a request without a key, which is not counted for its route.
	stranger bool
	// unstored is set where a response was to be stored and was not.
	unstored bool
}

// tokens are what the request took; of one that was broken off, about what it had produced.
func (r *record) tokens() int {
	if r.usage == nil {
		return r.produced
	}
	return r.usage.PromptTokens + r.usage.CompletionTokens
}

func (r *record) fail(e *Error) { r.err = e }

type recordKey struct{}

// recordOf returns the request's record; one that nobody reads outside of requests.
func recordOf(ctx context.Context) *record {
	if r, ok := ctx.Value(recordKey{}).(*record); ok {
		return r
	}
	return &record{}
}

// identify takes over the client's request id if it is harmless in headers and logs, else makes one.
func (s *Server) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(headerRequestID)
		if !saneID(id) {
			id = "req_" + s.cfg.NewID()
		}
		w.Header().Set(headerRequestID, id)
		rc := http.NewResponseController(w)
		// A deadline left by an earlier request on this connection must not cut this one.
		_ = rc.SetWriteDeadline(time.Time{})
		if r.ContentLength != 0 {
			// net/http reads on in a body that no handler has read before it sends the reply, for as long as that takes.
			_ = rc.SetReadDeadline(s.cfg.Now().Add(s.cfg.Bodies.Grace))
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), recordKey{}, &record{id: id})))
	})
}

func saneID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	return strings.IndexFunc(id, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.:", c))
	}) < 0
}

// responseWriter remembers the status and counts bytes. FlushError keeps the error that http.Flusher drops.
type responseWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *responseWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// FlushError lets http.ResponseController and go-sse flush.
func (w *responseWriter) FlushError() error {
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap lets http.ResponseController reach the connection.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// logAccess writes one line per request: never prompts, answers or pixels.
func (s *Server) logAccess(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := s.cfg.Now()
		rw := &responseWriter{ResponseWriter: w}
		rec := recordOf(r.Context())
		defer func() {
			pattern := chi.RouteContext(r.Context()).RoutePattern()
			if rec.stranger {
				pattern = ""
			}
			attrs := []slog.Attr{
				slog.String("request_id", rec.id), slog.String("method", methodWord(r.Method)), slog.String("route", pattern),
				slog.Int("status", rw.status), slog.Int64("bytes", rw.bytes), slog.Duration("duration", s.cfg.Now().Sub(start)),
			}
			s.cfg.Logger.LogAttrs(r.Context(), rec.level(), "request", append(attrs, rec.attrs(s.words)...)...)
			s.countRequest(pattern, rw, rec, s.cfg.Now().Sub(start))
		}()
		next.ServeHTTP(rw, r)
	})
}

func (r *record) level() slog.Level {
	switch {
	case r.err == nil || r.err.Status == statusClientGone:
		return slog.LevelInfo
	case r.err.Status >= http.StatusInternalServerError:
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

func (r *record) attrs(words vocabulary) []slog.Attr {
	var a []slog.Attr
	if r.key != "" {
		a = append(a, slog.String("key", r.key))
	}
	if r.decision != nil {
		a = append(a, slog.String("variant", string(r.decision.Variant)), slog.String("route_source", string(r.decision.Source)),
			slog.Bool("stream", r.stream), slog.Int("images", r.images), slog.Int("videos", r.videos))
	}
	if len(r.skipped) > 0 {
		a = append(a, slog.Any("skipped_tools", r.skipped))
	}
	if r.measured != nil && r.measured.FirstToken() > 0 {
		a = append(a, slog.Duration("ttft", r.measured.FirstToken()))
	}
	if r.usage != nil {
		a = append(a, slog.Int("prompt_tokens", r.usage.PromptTokens), slog.Int("completion_tokens", r.usage.CompletionTokens),
			slog.Int("reasoning_tokens", r.usage.ReasoningTokens), slog.String("finish_reason", r.finish))
	}
	if r.unstored {
		a = append(a, slog.Bool("stored", false))
	}
	if r.err != nil {
		a = append(a, slog.String("error_code", r.err.Code), slog.String("error_param", words.path(r.err.Param)))
		// The text of a 4xx may quote the request; causes of server errors are our own.
		if r.err.Status >= http.StatusInternalServerError {
			a = append(a, slog.String("error", r.err.Error()))
		}
	}
	return a
}

// recoverPanic turns a handler's panic into a 500, or ends the connection if the reply has begun.
func (s *Server) recoverPanic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			s.cfg.Logger.ErrorContext(r.Context(), "handler panicked", slog.String("request_id", recordOf(r.Context()).id),
				slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
			e := publicError(context.WithoutCancel(r.Context()), fmt.Errorf("panic: %v", p))
			if rw, ok := w.(*responseWriter); ok && rw.status != 0 {
				recordOf(r.Context()).fail(e)
				panic(http.ErrAbortHandler)
			}
			s.refuse(w, r, e)
		}()
		next.ServeHTTP(w, r)
	})
}
