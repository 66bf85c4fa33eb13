package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// modelAuto is an alias of the routed model id.
const modelAuto = "auto"

// modelCards describes the routed model and then each variant.
func (s *Server) modelCards(ctx context.Context) []modelCard {
	all := map[router.Variant]standing{}
	for _, v := range s.variants() {
		all[v] = s.standing(ctx, v)
	}
	cards := []modelCard{s.modelCard(s.cfg.ModelName, s.variants(), all)}
	for _, v := range s.variants() {
		cards = append(cards, s.modelCard(s.modelID(v), []router.Variant{v}, all))
	}
	return cards
}

func (s *Server) modelCard(id string, variants []router.Variant, all map[router.Variant]standing) modelCard {
	c := modelCard{
		ID: id, Object: "model", Created: s.started.Unix(), OwnedBy: "qwenvld",
		Capabilities: []string{"chat", "completion", "tools", "structured_output"},
	}
	sees := true
	for _, v := range variants {
		at := all[v]
		info, loaded := at.info, at.down == nil
		c.Variants = append(c.Variants, variantCard{
			ID: s.modelID(v), Variant: string(v), Loaded: loaded, Status: string(at.state()), Error: at.reason(),
			Name: info.Name, MaxModelLen: info.ContextSize,
		})
		if v == router.Thinking {
			c.Capabilities = append(c.Capabilities, "reasoning")
		}
		if !loaded {
			continue
		}
		if c.MaxModelLen == 0 || info.ContextSize < c.MaxModelLen {
			c.MaxModelLen = info.ContextSize
		}
		sees = sees && info.Vision != nil
		c.Modalities = []string{"text"}
	}
	if sees && c.Modalities != nil {
		c.Modalities = append(c.Modalities, "image")
		if s.cfg.Video != nil && s.cfg.Video.Missing() == nil {
			c.Modalities = append(c.Modalities, "video")
		}
		c.Capabilities = append(c.Capabilities, "vision")
	}
	return c
}

func (s *Server) listModels(w http.ResponseWriter, r *http.Request) error {
	s.setWriteDeadline(w)
	writeJSON(w, http.StatusOK, modelList{Object: "list", Data: s.modelCards(r.Context())})
	return nil
}

func (s *Server) getModel(w http.ResponseWriter, r *http.Request) error {
	id := chi.URLParam(r, "model")
	for _, c := range s.modelCards(r.Context()) {
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

// qualityMark stands between a routed model id and a quality: "auto:quality=7".
const qualityMark = ":quality="

// namedVariant is the variant that a model id names, "" for a routed id, as is a missing one, and the quality that a routed id may end
// with.
func (s *Server) namedVariant(id string) (v router.Variant, quality *float64, err error) {
	name, wanted, ok := strings.Cut(id, qualityMark)
	if name == s.cfg.ModelName || name == modelAuto || id == "" {
		if !ok {
			return "", nil, nil
		}
		q, err := strconv.ParseFloat(wanted, 64)
		if err != nil || !(q >= 0 && q <= 10) {
			return "", nil, badField("model", codeInvalidValue, "quality must be a number from 0 to 10")
		}
		return "", &q, nil
	}
	for _, v := range s.variants() {
		if id == s.modelID(v) {
			return v, nil, nil
		}
	}
	return "", nil, modelNotFound(id)
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
