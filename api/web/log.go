package web

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/go-chi/chi/v5"
)

// LogAccess writes one line per request, and counts it. The line never holds prompts, answers or pixels. It belongs
// inside of Identify and around everything that answers.
func (e *Edge) LogAccess(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := e.now()
		rw := &responseWriter{ResponseWriter: w}
		rec := RecordOf(r.Context())
		defer func() {
			pattern := ""
			if routed := chi.RouteContext(r.Context()); routed != nil && !rec.Stranger {
				pattern = routed.RoutePattern()
			}
			took := e.now().Sub(start)
			e.Log(r.Context(), rec, "request",
				slog.String("method", methodWord(r.Method)), slog.String("route", pattern),
				slog.Int("status", rw.status), slog.Int64("bytes", rw.bytes), slog.Duration("duration", took))
			e.counter.Requested(r.Context(), methodWord(r.Method), pattern, rw.outcome(rec), took)
		}()
		next.ServeHTTP(rw, r)
	})
}

// Log writes one line about what rec records: its request id, attrs, and what else it says. A record with an error of
// the server is logged as an error. Log also counts the record's error by its code, so it is called once for a record.
func (e *Edge) Log(ctx context.Context, rec *Record, message string, attrs ...slog.Attr) {
	line := append([]slog.Attr{slog.String("request_id", rec.ID)}, attrs...)
	line = append(line, rec.attrs(e.words)...)
	e.logger.LogAttrs(ctx, rec.level(), message, line...) //nolint:sloglint // the callers' messages are constants
	if rec.Err != nil {
		e.counter.Failed(rec.Err.Code)
	}
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

// outcome is the status that the request was sent or that its stream broke off with.
func (w *responseWriter) outcome(rec *Record) int {
	switch {
	case rec.Err != nil:
		return rec.Err.Status
	case w.status == 0:
		return http.StatusOK // which net/http sends for a handler that wrote nothing
	}
	return w.status
}
