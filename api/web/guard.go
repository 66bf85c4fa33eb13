package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/qwenvld/qwenvld/api/fault"
)

// HeaderRequestID is the header that carries a request's id, in both directions.
const HeaderRequestID = "X-Request-Id"

const (
	// maxRequestID is the longest request id taken over from a client, in bytes.
	maxRequestID = 128
	// maxHeader bounds what comes before a body, in bytes. http.Server's own bound should be larger, since it refuses
	// in words of its own.
	maxHeader = 64 << 10
)

// Identify gives the request a record. It takes over the client's request id if that is harmless in headers and logs,
// else makes one.
func (e *Edge) Identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(HeaderRequestID)
		if !isHarmlessID(id) {
			id = "req_" + e.newID()
		}
		w.Header().Set(HeaderRequestID, id)
		rc := http.NewResponseController(w)
		// A deadline left by an earlier request on this connection must not cut this one.
		_ = rc.SetWriteDeadline(time.Time{})
		if r.ContentLength != 0 && e.grace > 0 {
			// net/http reads on in a body that no handler has read before it sends the reply, for as long as that
			// takes.
			_ = rc.SetReadDeadline(e.now().Add(e.grace))
		}
		next.ServeHTTP(w, r.WithContext(WithRecord(r.Context(), &Record{ID: id})))
	})
}

func isHarmlessID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	return strings.IndexFunc(id, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.:", c))
	}) < 0
}

// RecoverPanic turns a handler's panic into a 500, or ends the connection if the reply has begun. It belongs inside of
// LogAccess.
func (e *Edge) RecoverPanic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			rec := RecordOf(r.Context())
			e.logger.ErrorContext(r.Context(), "handler panicked", slog.String("request_id", rec.ID),
				slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
			// A panic is the server's fault even where the client has left meanwhile.
			failure := fault.From(context.WithoutCancel(r.Context()), fmt.Errorf("panic: %v", p), rec.Origin())
			if rw, ok := w.(*responseWriter); ok && rw.status != 0 {
				rec.Fail(failure)
				panic(http.ErrAbortHandler)
			}
			e.Refuse(w, r, failure)
		}()
		next.ServeHTTP(w, r)
	})
}

// BoundHeader refuses requests whose header is too long.
func (e *Edge) BoundHeader(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size := len(r.Method) + len(r.RequestURI)
		for name, values := range r.Header {
			for _, v := range values {
				size += len(name) + len(v) + len(": \r\n")
			}
		}
		if size > maxHeader {
			e.Refuse(w, r, &fault.Error{
				Status: http.StatusRequestHeaderFieldsTooLarge, Type: fault.TypeInvalidRequest, Code: fault.CodeHeader, Closes: true,
				Message: fmt.Sprintf("The header of the request has more than %d bytes.", maxHeader),
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}
