package ollama

import (
	"context"
	"net/http"
	"time"

	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/api/surface"
	"github.com/qwenvld/qwenvld/api/web"
	"github.com/qwenvld/qwenvld/engine"
)

// Prefix is what the paths of the surface begin with. Errors below it have Ollama's form.
const Prefix = "/api"

// Keeper has weights loaded and unloaded.
type Keeper interface {
	// Load waits until a model can answer. keep is how long it is kept then while nobody uses it, negative for ever;
	// nil leaves that to the configuration.
	Load(ctx context.Context, id string, keep *time.Duration) error
	// Listed is the id under which a model is listed that a name stands for: that of auto, or of one at a quality.
	Listed(name string) (string, error)
	// Release has a model unloaded that requests have loaded, once it is not used any more. It does not wait.
	Release(ctx context.Context, id string) error
}

// Options are what a Handler needs.
type Options struct {
	Trip *surface.Trip
	// Keeper has weights loaded and unloaded.
	Keeper Keeper
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
	caller.Waiting = func(engine.UnavailableError) {} // lines have no comments
	e := &encoder{model: req.Model, asked: caller.At, now: h.o.Now}
	if len(req.Messages) == 0 {
		return h.load(w, r, req, e)
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

// load answers a chat without messages, by which clients have a model loaded, or unloaded where it is to be kept no
// longer.
func (h *Handler) load(w http.ResponseWriter, r *http.Request, req *request.Request, e *encoder) error {
	if _, err := h.find(r.Context(), e.model); err != nil {
		return err
	}
	reply := e.reply(Message{})
	reply.Done, reply.DoneReason = true, "load"
	var err error
	if keep := req.KeepAlive; keep != nil && *keep == 0 {
		reply.DoneReason = "unload"
		err = h.o.Keeper.Release(r.Context(), e.model)
	} else {
		err = h.o.Keeper.Load(r.Context(), e.model, keep)
	}
	if err != nil {
		return err
	}
	h.o.Trip.Edge.WriteJSON(w, http.StatusOK, reply)
	return nil
}
