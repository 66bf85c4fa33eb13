// Package endpoint is the worker's side of the connection between daemon and worker: it serves a Model in the form of
// package wire.
//
// It must not compute, tokenise or decide anything, and does not link the model: whatever is a Model can be served, in
// tests one without weights.
package endpoint

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/wire"
)

// Model is what is served. Its methods are safe for concurrent use; errors are those that engine.Engine names.
type Model interface {
	Info() engine.Info
	// Health tells how the computations get on, without waiting for them.
	Health() wire.Health
	// Submit takes a request whose pixels may still be on their way. It must not wait for them: they are read after it
	// has returned.
	Submit(ctx context.Context, req *engine.Request) (Job, error)
	Tokenize(ctx context.Context, pieces []engine.Piece) ([]int32, error)
	TokenBytes(ctx context.Context, tokens []int32) ([][]byte, error)
}

// Job is a request that a Model has taken.
type Job interface {
	// Events blocks for the next events. done comes with the last ones; an error that ended the job comes after them.
	Events(ctx context.Context) (events []engine.Event, done bool, err error)
	// AnswerNow has an open think block closed. It does nothing where there is none.
	AnswerNow()
	// Cancel gives up what is left and returns when the model computes nothing more for it.
	Cancel()
}

// Handler serves one Model.
type Handler struct {
	model    Model
	logger   *slog.Logger
	mux      *http.ServeMux
	inFlight handlers
	running  running
}

var _ http.Handler = (*Handler)(nil)

// New returns the Handler of m.
func New(m Model, logger *slog.Logger) *Handler {
	h := &Handler{model: m, logger: logger, mux: http.NewServeMux()}
	h.mux.HandleFunc("GET "+wire.PathHealth, h.health)
	h.mux.HandleFunc("GET "+wire.PathInfo, h.info)
	h.mux.HandleFunc("POST "+wire.PathGenerate, h.generate)
	h.mux.HandleFunc("POST "+wire.PathAnswerNow, h.answerNow)
	h.mux.HandleFunc("POST "+wire.PathTokenize, h.tokenize)
	h.mux.HandleFunc("POST "+wire.PathTokenBytes, h.tokenBytes)
	return h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.inFlight.enter() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	defer h.inFlight.leave()
	h.mux.ServeHTTP(w, r)
}

// Wait refuses further requests and returns when the last one has been answered: http.Server.Close does not wait for
// handlers, and they use the model.
func (h *Handler) Wait() { h.inFlight.wait() }

func (h *Handler) health(w http.ResponseWriter, _ *http.Request) {
	h.reply(w, http.StatusOK, h.model.Health())
}

func (h *Handler) info(w http.ResponseWriter, _ *http.Request) {
	h.reply(w, http.StatusOK, h.model.Info())
}

// reply sends v. A failed write means that the daemon has closed the request.
func (h *Handler) reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		h.logger.Debug("reply not sent", "error", err)
	}
}

// generate streams frames. Refusals are a status and one error object; a failure later is the last frame. The reply
// begins before all pixels have come: the first frames of a video are encoded while the daemon decodes the others.
func (h *Handler) generate(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	err := rc.EnableFullDuplex()
	var req *engine.Request
	var pixels *wire.PixelReader
	if err == nil {
		req, pixels, err = wire.DecodeRequest(r.Body)
	}
	var job Job
	if err == nil {
		job, err = h.model.Submit(r.Context(), req)
	}
	if err != nil {
		// net/http would go on with this connection, read the pixels by itself and then stumble over the next request.
		w.Header().Set("Connection", "close")
		h.reply(w, http.StatusBadRequest, wire.ErrorOf(err))
		return
	}
	var reading sync.WaitGroup
	reading.Go(func() { _ = pixels.Read() }) // an error reaches whoever waits for the pixels
	// The request is read to its end even where the reply ends first: the daemon sends the rest in any case, or closes
	// the connection. A read deadline would not do, because net/http already waits for the next request on this
	// connection, which it would hit.
	defer reading.Wait()
	defer job.Cancel()
	defer h.running.add(r.Header.Get(wire.HeaderHandle), job)()
	w.Header().Set("Content-Type", wire.ContentType)
	out := frameWriter{enc: json.NewEncoder(w), rc: rc}
	// The daemon learns that the request is good before the first token.
	out.flush()
	for done := false; !done && out.err == nil; {
		var events []engine.Event
		events, done, err = job.Events(r.Context())
		for i := range events {
			out.write(wire.Frame{Event: &events[i]})
		}
		if err != nil {
			out.write(wire.Frame{Error: wire.ErrorOf(err)})
			done = true
		}
		out.flush()
	}
}

// answerNow has a job close its think block. One that is over has nothing to close.
func (h *Handler) answerNow(w http.ResponseWriter, r *http.Request) {
	if job := h.running.find(r.Header.Get(wire.HeaderHandle)); job != nil {
		job.AnswerNow()
	}
	h.reply(w, http.StatusOK, struct{}{})
}

func (h *Handler) tokenize(w http.ResponseWriter, r *http.Request) {
	var in wire.Text
	err := json.NewDecoder(r.Body).Decode(&in)
	var out wire.Tokens
	if err == nil {
		out.Tokens, err = h.model.Tokenize(r.Context(), in.Pieces)
	}
	h.answer(w, out, err)
}

func (h *Handler) tokenBytes(w http.ResponseWriter, r *http.Request) {
	var in wire.Tokens
	err := json.NewDecoder(r.Body).Decode(&in)
	var out wire.TokenBytes
	if err == nil {
		out.Bytes, err = h.model.TokenBytes(r.Context(), in.Tokens)
	}
	h.answer(w, out, err)
}

// answer sends v, or err as an error object.
func (h *Handler) answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		h.reply(w, http.StatusBadRequest, wire.ErrorOf(err))
		return
	}
	h.reply(w, http.StatusOK, v)
}

// frameWriter keeps the first error of a stream of writes.
type frameWriter struct {
	enc *json.Encoder
	rc  *http.ResponseController
	err error
}

func (f *frameWriter) write(frame wire.Frame) {
	if f.err == nil {
		f.err = f.enc.Encode(frame)
	}
}

func (f *frameWriter) flush() {
	if f.err == nil {
		f.err = f.rc.Flush()
	}
}
