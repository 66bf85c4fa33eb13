package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// modelAuto is an alias of the routed model id.
const modelAuto = "auto"

func (s *Server) modelCards() []modelCard {
	ids := []string{s.cfg.ModelName}
	for _, v := range s.variants() {
		ids = append(ids, s.modelID(v))
	}
	cards := make([]modelCard, len(ids))
	for i, id := range ids {
		cards[i] = modelCard{ID: id, Object: "model", Created: s.started.Unix(), OwnedBy: "qwenvld"}
	}
	return cards
}

func (s *Server) listModels(w http.ResponseWriter, _ *http.Request) error {
	s.setWriteDeadline(w)
	writeJSON(w, http.StatusOK, modelList{Object: "list", Data: s.modelCards()})
	return nil
}

func (s *Server) getModel(w http.ResponseWriter, r *http.Request) error {
	id := chi.URLParam(r, "model")
	for _, c := range s.modelCards() {
		if c.ID == id {
			s.setWriteDeadline(w)
			writeJSON(w, http.StatusOK, c)
			return nil
		}
	}
	return modelNotFound(id)
}

func modelNotFound(id string) *Error {
	return &Error{
		Status: http.StatusNotFound, Type: typeInvalidRequest, Code: codeModelNotFound, Param: "model",
		Message: fmt.Sprintf("The model %q does not exist.", abbreviate(id)),
	}
}

// forcedVariant is the variant that a model id names, "" for a routed id.
func (s *Server) forcedVariant(id string) (router.Variant, error) {
	if id == s.cfg.ModelName || id == modelAuto {
		return "", nil
	}
	for _, v := range s.variants() {
		if id == s.modelID(v) {
			return v, nil
		}
	}
	return "", modelNotFound(id)
}

// loaded asks every engine what it holds; those that cannot answer are left out.
func (s *Server) loaded(ctx context.Context) map[router.Variant]engine.Info {
	infos := make(map[router.Variant]engine.Info, len(s.cfg.Engines))
	for _, v := range s.variants() {
		if info, err := s.cfg.Engines[v].Info(ctx); err == nil {
			infos[v] = info
		}
	}
	return infos
}

func (s *Server) live(w http.ResponseWriter, _ *http.Request) error {
	s.setWriteDeadline(w)
	writeJSON(w, http.StatusOK, liveReply{Status: "ok"})
	return nil
}

// ready is 200 while any variant can answer: the router then uses that one.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) error {
	infos := s.loaded(r.Context())
	reply := readyReply{Status: "unavailable", Variants: map[string]variantReady{}}
	for _, v := range s.variants() {
		info, ok := infos[v]
		if !ok {
			reply.Variants[string(v)] = variantReady{Status: "unavailable"}
			continue
		}
		reply.Variants[string(v)] = variantReady{Status: "ready", ContextSize: info.ContextSize, Vision: ptr(info.Vision != nil)}
	}
	status := http.StatusServiceUnavailable
	switch {
	case s.draining.Load():
		reply.Status = "draining"
	case len(infos) == len(s.cfg.Engines):
		reply.Status, status = "ready", http.StatusOK
	case len(infos) > 0:
		reply.Status, status = "degraded", http.StatusOK
	}
	s.setWriteDeadline(w)
	writeJSON(w, status, reply)
	return nil
}
