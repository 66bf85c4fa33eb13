package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
)

// codeClientGone stands in metrics and the access log for the error that no client is told.
const codeClientGone = "client_closed_request"

// metrics serves GET /metrics.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) error {
	s.setWriteDeadline(w)
	s.cfg.Metrics.ServeHTTP(w, r)
	return nil
}

// endpointOf is the pattern of a request's route, which holds nothing of the client's. It must be asked while the request lasts.
func endpointOf(r *http.Request) string { return chi.RouteContext(r.Context()).RoutePattern() }

// countRequest counts a request that has ended, by the status that it was sent or that its stream broke off with.
func (s *Server) countRequest(endpoint string, w *responseWriter, rec *record, took time.Duration) {
	status := w.status
	switch {
	case rec.err != nil:
		status = rec.err.Status
	case status == 0:
		status = http.StatusOK // which net/http sends for a handler that wrote nothing
	}
	s.cfg.Metrics.Requested(endpoint, status, took)
	s.countError(rec)
}

func (s *Server) countError(rec *record) {
	if rec.err != nil {
		s.cfg.Metrics.Failed(rec.err.Code)
	}
}

// unwanted says whether a generation was ended by its client, who left or cancelled it.
func unwanted(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return cause != nil && !errors.Is(cause, errShuttingDown)
}
