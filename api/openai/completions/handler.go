package completions

import (
	"context"
	"net/http"
	"time"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/api/surface"
	"github.com/qwenvld/qwenvld/api/web"
)

// Core continues texts.
type Core interface {
	StartText(
		ctx context.Context, req *request.Request, prompts []generation.TextPrompt, echo bool, caller *generation.Caller,
	) (*generation.Run, []string, error)
}

// Options are what a Handler needs.
type Options struct {
	Trip *surface.Trip
	Core Core
	Now  func() time.Time
	// NewID makes the random part of ids.
	NewID func() string
}

// Handler serves the surface.
type Handler struct {
	o     Options
	table request.Table[*decoder]
}

// New returns a Handler.
func New(o Options) *Handler { return &Handler{o: o, table: table()} }

// Complete serves POST /v1/completions.
func (h *Handler) Complete(w http.ResponseWriter, r *http.Request) error {
	caller := h.o.Trip.Caller(r)
	body, err := h.o.Trip.Body(w, r)
	if err != nil {
		return err
	}
	req, err := decode(h.o.Trip.Policy, h.table, body)
	if err != nil {
		return err
	}
	rec := web.RecordOf(r.Context())
	rec.Stream, rec.Prompt, rec.Counting = req.Stream, req.PromptParam, *req.MaxTokens == 0
	if req.Stream {
		caller.Waiting = h.o.Trip.Waiting(r.Context(), w, func() {})
	}
	run, echoes, err := h.o.Core.StartText(r.Context(), req.Request, req.prompts, req.echo, caller)
	if err != nil {
		return err
	}
	defer run.Close()
	rec.Work = run
	surface.Tell(w.Header(), run.Decided())
	e := &encoder{request: req, echoes: echoes, base: Completion{
		ID: "cmpl-" + h.o.NewID(), Object: objectText, Created: h.o.Now().Unix(), Model: run.Decided().ModelID(),
	}}
	if req.Stream {
		return h.o.Trip.Stream(w, r, run, web.SSE, e)
	}
	return h.o.Trip.Reply(w, run, e.whole)
}
