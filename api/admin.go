package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/web"
	"github.com/qwenvld/qwenvld/engine"
)

// administered lets those pass whose key may administer; where no keys are needed that is everybody.
func (s *Server) administered(h web.HandlerFunc) web.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if a := accountOf(r.Context()); a != nil && !a.Administers() {
			return &fault.Error{
				Status: http.StatusForbidden, Type: fault.TypeInvalidRequest, Code: fault.CodeForbidden,
				Message: "This API key may not load and unload models; a key with admin: true may.",
			}
		}
		return h(w, r)
	}
}

// loadModel has a model loaded, and shows it then.
func (s *Server) loadModel(w http.ResponseWriter, r *http.Request) error {
	return s.changeModel(w, r, func(ctx context.Context, id string) error { return s.core.Load(ctx, id, nil) })
}

// unloadModel has a model unloaded when the requests that it answers are over, and shows it then.
func (s *Server) unloadModel(w http.ResponseWriter, r *http.Request) error {
	return s.changeModel(w, r, s.core.Unload)
}

func (s *Server) changeModel(w http.ResponseWriter, r *http.Request, change func(context.Context, string) error) error {
	id := chi.URLParam(r, "model")
	if _, err := s.card(r.Context(), id); err != nil {
		return err
	}
	if err := change(r.Context(), id); err != nil {
		return conflict(err)
	}
	card, err := s.card(r.Context(), id)
	if err != nil {
		return err
	}
	s.edge.WriteJSON(w, http.StatusOK, card)
	return nil
}

// conflict is a 409 where the state that weights are in does not allow what was asked for, and waiting would not help.
func conflict(err error) error {
	var down *engine.UnavailableError
	if !errors.As(err, &down) || down.State != engine.StateDownloading && (down.State != engine.StateUnloaded || down.Reason == "") {
		return err
	}
	refused := fault.From(context.Background(), err, fault.Origin{})
	return &fault.Error{
		Status: http.StatusConflict, Type: fault.TypeInvalidRequest, Code: fault.CodeConflict, Message: refused.Message, Cause: err,
	}
}

// card describes the model with an id.
func (s *Server) card(ctx context.Context, id string) (*modelCard, error) {
	cards := s.modelCards(ctx)
	for i := range cards {
		if cards[i].ID == id {
			return &cards[i], nil
		}
	}
	return nil, generation.ModelNotFound(id)
}
