package anthropic

import (
	"net/http"

	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/api/surface"
	"github.com/qwenvld/qwenvld/api/web"
)

// Path is where messages are sent to. Errors at it and below it have Anthropic's form.
const Path = "/v1/messages"

// Options are what a Handler needs.
type Options struct {
	Trip *surface.Trip
	// NewID makes the random part of ids.
	NewID func() string
}

// Handler serves the surface.
type Handler struct {
	o       Options
	decoder *Decoder
}

// New returns a Handler.
func New(o Options) *Handler { return &Handler{o: o, decoder: NewDecoder(o.Trip.Policy)} }

func (h *Handler) decode(w http.ResponseWriter, r *http.Request, counting bool) (*request.Request, error) {
	body, err := h.o.Trip.Body(w, r)
	if err != nil {
		return nil, err
	}
	return h.decoder.Decode(body, counting)
}

// Messages serves POST /v1/messages.
func (h *Handler) Messages(w http.ResponseWriter, r *http.Request) error {
	caller := h.o.Trip.Caller(r)
	req, err := h.decode(w, r, false)
	if err != nil {
		return err
	}
	run, err := h.o.Trip.Start(r.Context(), w, req, caller)
	if err != nil {
		return err
	}
	defer run.Close()
	e := newEncoder(h.o.NewID(), run.Decided().ModelID())
	if req.Stream {
		return h.o.Trip.Stream(w, r, run, web.SSE, e)
	}
	return h.o.Trip.Reply(w, run, e.whole)
}

// CountTokens serves POST /v1/messages/count_tokens. Pixels are not decoded.
func (h *Handler) CountTokens(w http.ResponseWriter, r *http.Request) error {
	req, err := h.decode(w, r, true)
	if err != nil {
		return err
	}
	n, err := h.o.Trip.Count(w, r, req)
	if err != nil {
		return err
	}
	h.o.Trip.Edge.WriteJSON(w, http.StatusOK, InputTokens{InputTokens: n.InputTokens})
	return nil
}
