package ollama

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/jsonbody"
)

// Version is the release of Ollama whose API this is. Clients compare it with what they need.
const Version = "0.12.6"

// Model is a model that is served.
type Model struct {
	ID string
	// Families are the architectures of its weights, none while nobody knows.
	Families []string
	// ContextSize is how many tokens its context holds, 0 while nobody knows.
	ContextSize int
	// Capabilities are in Ollama's words: completion, tools, vision, thinking.
	Capabilities []string
	// Since is when the model began to be served.
	Since time.Time
}

// details say what kind of weights a model has.
func (m *Model) details() map[string]any {
	return map[string]any{"format": "gguf", "family": m.family(), "families": append([]string{}, m.Families...)}
}

// family is the first of the families, as which clients look for what belongs to the architecture.
func (m *Model) family() string {
	if len(m.Families) == 0 {
		return ""
	}
	return m.Families[0]
}

// find fails where there is no such model. No name stands for the first.
func (h *Handler) find(ctx context.Context, name string) (*Model, error) {
	id, err := h.o.Keeper.Listed(name)
	if err != nil {
		return nil, err
	}
	models := h.o.Models(ctx)
	for i := range models {
		if models[i].ID == id {
			return &models[i], nil
		}
	}
	return nil, generation.ModelNotFound(name)
}

// Tags serves GET /api/tags. The digests are those of the names: clients want some to cut and to compare.
func (h *Handler) Tags(w http.ResponseWriter, r *http.Request) error {
	tags := []map[string]any{}
	for _, m := range h.o.Models(r.Context()) {
		digest := sha256.Sum256([]byte(m.ID))
		tags = append(tags, map[string]any{
			"name": m.ID, "model": m.ID, "modified_at": m.Since, "size": 0, "digest": hex.EncodeToString(digest[:]),
			"details": m.details(),
		})
	}
	h.o.Trip.Edge.WriteJSON(w, http.StatusOK, map[string]any{"models": tags})
	return nil
}

// Show serves POST /api/show. Older clients say name for model; what else they say changes nothing.
func (h *Handler) Show(w http.ResponseWriter, r *http.Request) error {
	body, err := h.o.Trip.Body(w, r)
	if err != nil {
		return err
	}
	name := cmp.Or(jsonbody.MemberText(body, "model"), jsonbody.MemberText(body, "name"))
	m, err := h.find(r.Context(), modelID(name))
	if err != nil {
		return err
	}
	info := map[string]any{"general.basename": m.ID}
	if family := m.family(); family != "" {
		info["general.architecture"] = family
		if m.ContextSize > 0 {
			info[family+".context_length"] = m.ContextSize
		}
	}
	h.o.Trip.Edge.WriteJSON(w, http.StatusOK, map[string]any{
		"details": m.details(), "model_info": info, "capabilities": m.Capabilities, "modified_at": m.Since,
	})
	return nil
}

// Version serves GET /api/version.
func (h *Handler) Version(w http.ResponseWriter, _ *http.Request) error {
	h.o.Trip.Edge.WriteJSON(w, http.StatusOK, map[string]string{"version": Version})
	return nil
}
