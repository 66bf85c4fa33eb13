package worker

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/wire"
	"github.com/qwenvld/qwenvld/engine/worker/schedule"
)

// handler serves the daemon.
type handler struct {
	weights *weights
	loop    *schedule.Loop
	info    engine.Info
	logger  *slog.Logger
}

func newHandler(w *weights, loop *schedule.Loop, logger *slog.Logger) http.Handler {
	h := &handler{weights: w, loop: loop, info: w.info(), logger: logger}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+wire.PathHealth, h.serveHealth)
	mux.HandleFunc("GET "+wire.PathInfo, h.serveInfo)
	mux.HandleFunc("POST "+wire.PathGenerate, h.generate)
	mux.HandleFunc("POST "+wire.PathTokenize, h.tokenize)
	mux.HandleFunc("POST "+wire.PathTokenBytes, h.tokenBytes)
	return mux
}

// serveHealth tells how the computations get on: by their steps, and within those by the nodes of the graph.
func (h *handler) serveHealth(w http.ResponseWriter, _ *http.Request) {
	health := wire.Health{Decode: wire.Pulse(h.loop.Decoding()), Encode: wire.Pulse(h.loop.Encoding())}
	health.Decode.Beats += h.weights.context.Beats()
	if h.weights.vision != nil {
		health.Encode.Beats += h.weights.vision.Beats()
	}
	h.reply(w, http.StatusOK, health)
}

func (h *handler) serveInfo(w http.ResponseWriter, _ *http.Request) {
	h.reply(w, http.StatusOK, h.info)
}

// reply sends v. A failed write means that the daemon has closed the request.
func (h *handler) reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		h.logger.Debug("reply not sent", "error", err)
	}
}

// generate streams frames. Refusals are a status and one error object; a failure later is the last frame. The reply begins before
// all pixels have come: the first frames of a video are encoded while the daemon decodes the others.
func (h *handler) generate(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	err := rc.EnableFullDuplex()
	var req *engine.Request
	var pixels *wire.PixelReader
	if err == nil {
		req, pixels, err = wire.DecodeRequest(r.Body)
	}
	var job *schedule.Job
	if err == nil {
		job, err = h.submit(r.Context(), req)
	}
	if err != nil {
		// net/http would go on with this connection, read the pixels by itself and then stumble over the next request.
		w.Header().Set("Connection", "close")
		h.reply(w, http.StatusBadRequest, wire.ErrorOf(err))
		return
	}
	var reading sync.WaitGroup
	reading.Go(func() { _ = pixels.Read() }) // who waits for them is told
	// Where the reply is over before its request, the rest is read all the same: the daemon sends it in any case, or closes the
	// connection. To break off with a deadline would meet the next request, for which net/http already listens on this connection.
	defer reading.Wait()
	defer job.Cancel()
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

func (h *handler) tokenize(w http.ResponseWriter, r *http.Request) {
	var in wire.Text
	err := json.NewDecoder(r.Body).Decode(&in)
	var out wire.Tokens
	if err == nil {
		out.Tokens, err = h.weights.tokenize(r.Context(), in.Pieces)
	}
	h.answer(w, out, err)
}

func (h *handler) tokenBytes(w http.ResponseWriter, r *http.Request) {
	var in wire.Tokens
	err := json.NewDecoder(r.Body).Decode(&in)
	var out wire.TokenBytes
	if err == nil {
		out.Bytes, err = h.weights.tokenBytes(in.Tokens)
	}
	h.answer(w, out, err)
}

// answer sends v, or err as an error object.
func (h *handler) answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		h.reply(w, http.StatusBadRequest, wire.ErrorOf(err))
		return
	}
	h.reply(w, http.StatusOK, v)
}

func (h *handler) submit(ctx context.Context, req *engine.Request) (*schedule.Job, error) {
	spec, err := h.weights.prepare(ctx, req)
	if err != nil {
		return nil, err
	}
	return h.loop.Submit(ctx, spec)
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
