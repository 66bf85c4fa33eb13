package ollama

import (
	"context"
	"net/http"
	"time"

	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/api/surface"
	"github.com/qwenvld/qwenvld/api/web"
)

// Prefix is what the paths of the surface begin with. Errors below it have Ollama's form.
const Prefix = "/api"

// Options are what a Handler needs.
type Options struct {
	Trip *surface.Trip
	// Models lists the models, in the order in which they are to be offered.
	Models func(ctx context.Context) []Model
	Now    func() time.Time
}

// Handler serves the surface.
type Handler struct {
	o     Options
	table request.Table[*decoder]
}

// New returns a Handler.
func New(o Options) *Handler { return &Handler{o: o, table: table()} }

// Chat serves POST /api/chat.
func (h *Handler) Chat(w http.ResponseWriter, r *http.Request) error {
	caller := h.o.Trip.Caller(r)
	body, err := h.o.Trip.Body(w, r)
	if err != nil {
		return err
	}
	req, err := decode(h.o.Trip.Policy, h.table, body)
	if err != nil {
		return err
	}
	e := &encoder{model: req.Model, asked: caller.At, now: h.o.Now}
	if len(req.Messages) == 0 {
		return h.load(w, r, e)
	}
	run, err := h.o.Trip.Start(r.Context(), w, req, caller)
	if err != nil {
		return err
	}
	defer run.Close()
	e.model = run.Decided().ModelID()
	e.first = func() time.Duration { return run.Summary().FirstToken }
	if req.Stream {
		return h.o.Trip.Stream(w, r, run, web.Lines, e)
	}
	return h.o.Trip.Reply(w, run, e.whole)
}

// load answers a chat without messages: there is nothing to be loaded that is not loaded.
func (h *Handler) load(w http.ResponseWriter, r *http.Request, e *encoder) error {
	if _, err := h.find(r.Context(), e.model); err != nil {
		return err
	}
	reply := e.reply(Message{})
	reply.Done, reply.DoneReason = true, "load"
	h.o.Trip.Edge.WriteJSON(w, http.StatusOK, reply)
	return nil
}
