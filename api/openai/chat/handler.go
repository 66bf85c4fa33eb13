package chat

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/openai/wire"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/api/surface"
	"github.com/qwenvld/qwenvld/api/web"
)

// Router is asked for its opinion.
type Router interface {
	Route(ctx context.Context, req *request.Request, caller *generation.Caller) (*generation.Decided, error)
	// Forecast tells what would change a decision, and what each variant's answer is expected to take.
	Forecast(d *generation.Decided) (*generation.Forecast, error)
}

// Options are what a Handler needs.
type Options struct {
	Trip   *surface.Trip
	Router Router
	// Reasoning is the name of the reasoning member.
	Reasoning ReasoningField
	Now       func() time.Time
	// NewID makes the random part of ids.
	NewID func() string
}

// Handler serves the surface.
type Handler struct {
	o       Options
	decoder *Decoder
	named   generation.Named
}

// New returns a Handler.
func New(o Options) *Handler { return &Handler{o: o, decoder: NewDecoder(o.Trip.Policy)} }

func (h *Handler) decode(w http.ResponseWriter, r *http.Request) (*request.Request, error) {
	body, err := h.o.Trip.Body(w, r)
	if err != nil {
		return nil, err
	}
	return h.decoder.Decode(body)
}

// Complete serves POST /v1/chat/completions.
func (h *Handler) Complete(w http.ResponseWriter, r *http.Request) error {
	caller := h.o.Trip.Caller(r)
	req, err := h.decode(w, r)
	if err != nil {
		return err
	}
	run, err := h.o.Trip.Start(r.Context(), w, req, caller)
	if err != nil {
		return err
	}
	defer run.Close()
	e := &encoder{
		head:    head{id: "chatcmpl-" + h.o.NewID(), created: h.o.Now().Unix(), model: run.Decided().ModelID()},
		request: req, field: h.o.Reasoning,
	}
	defer h.named.Add(e.id, run)()
	if req.Stream {
		return h.o.Trip.Stream(w, r, run, web.SSE, e)
	}
	return h.o.Trip.Reply(w, run, e.whole)
}

// AnswerNow serves POST /v1/chat/completions/{id}/answer_now: the thoughts of a completion that is being made end, and
// its answer begins.
func (h *Handler) AnswerNow(w http.ResponseWriter, r *http.Request) error {
	id := chi.URLParam(r, "id")
	if err := h.named.AnswerNow(id, h.o.Trip.Caller(r)); err != nil {
		return err
	}
	h.o.Trip.Edge.WriteJSON(w, http.StatusOK, struct {
		ID     string `json:"id"`
		Object string `json:"object"`
	}{id, "chat.completion.answer_now"})
	return nil
}

// Count serves POST /v1/chat/completions/input_tokens: what the prompt of a request would take. Pixels are not decoded.
func (h *Handler) Count(w http.ResponseWriter, r *http.Request) error {
	req, err := h.decode(w, r)
	if err != nil {
		return err
	}
	n, err := h.o.Trip.Count(w, r, req)
	if err != nil {
		return err
	}
	h.o.Trip.Edge.WriteJSON(w, http.StatusOK, wire.NewInputTokens(n))
	return nil
}

// Route serves POST /v1/route: the decision without a generation, and what would change it unless the query says
// forecast=false. Images are not fetched.
func (h *Handler) Route(w http.ResponseWriter, r *http.Request) error {
	wanted, err := wantsForecast(r)
	if err != nil {
		return err
	}
	req, err := h.decode(w, r)
	if err != nil {
		return err
	}
	d, err := h.o.Router.Route(r.Context(), req, h.o.Trip.Caller(r))
	if err != nil {
		return err
	}
	web.RecordOf(r.Context()).Work = d
	var forecast *generation.Forecast
	if wanted {
		if forecast, err = h.o.Router.Forecast(d); err != nil {
			return err
		}
	}
	surface.Tell(w.Header(), d)
	h.o.Trip.Edge.WriteJSON(w, http.StatusOK, struct {
		Routing  *generation.Routing  `json:"routing"`
		Forecast *generation.Forecast `json:"forecast,omitempty"`
	}{d.Routing(), forecast})
	return nil
}

// wantsForecast reads the query's forecast, which is true where nothing is said.
func wantsForecast(r *http.Request) (bool, error) {
	text := r.URL.Query().Get("forecast")
	if text == "" {
		return true, nil
	}
	wanted, err := strconv.ParseBool(text)
	if err != nil {
		return false, fault.Field("forecast", fault.CodeInvalidValue, "must be true or false")
	}
	return wanted, nil
}
