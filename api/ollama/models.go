package ollama

import (
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

// Model is a model of the catalog.
type Model struct {
	ID string
	// Family is the architecture of its weights, ContextSize how many tokens its context holds, 0 while nobody knows.
	Family      string
	ContextSize int
	// Capabilities are in Ollama's words: completion, tools, vision, thinking.
	Capabilities []string
	// Since is when the model began to be served.
	Since time.Time
}

func (m *Model) details() Details {
	return Details{Format: "gguf", Family: m.Family, Families: []string{m.Family}}
}

// find fails where there is no such model. No name stands for the first.
func (h *Handler) find(ctx context.Context, name string) (*Model, error) {
	models := h.o.Catalog.Models(ctx)
	for i := range models {
		if models[i].ID == name || name == "" {
			return &models[i], nil
		}
	}
	return nil, generation.ModelNotFound(name)
}

// Tags serves GET /api/tags.
func (h *Handler) Tags(w http.ResponseWriter, r *http.Request) error {
	out := Tags{Models: []Tag{}}
	for _, m := range h.o.Catalog.Models(r.Context()) {
		digest := sha256.Sum256([]byte(m.ID))
		out.Models = append(out.Models, Tag{
			Name: m.ID, Model: m.ID, ModifiedAt: m.Since, Digest: hex.EncodeToString(digest[:]), Details: m.details(),
		})
	}
	h.o.Trip.Edge.WriteJSON(w, http.StatusOK, out)
	return nil
}

// Show serves POST /api/show. Older clients say name for model; what else they say changes nothing.
func (h *Handler) Show(w http.ResponseWriter, r *http.Request) error {
	body, err := h.o.Trip.Body(w, r)
	if err != nil {
		return err
	}
	name := jsonbody.MemberText(body, "model")
	if name == "" {
		name = jsonbody.MemberText(body, "name")
	}
	m, err := h.find(r.Context(), modelID(name))
	if err != nil {
		return err
	}
	info := map[string]any{"general.architecture": m.Family, "general.basename": m.ID}
	if m.ContextSize > 0 {
		info[m.Family+".context_length"] = m.ContextSize
	}
	h.o.Trip.Edge.WriteJSON(w, http.StatusOK, Show{
		Details: m.details(), ModelInfo: info, Capabilities: m.Capabilities, ModifiedAt: m.Since,
	})
	return nil
}

// Version serves GET /api/version.
func (h *Handler) Version(w http.ResponseWriter, _ *http.Request) error {
	h.o.Trip.Edge.WriteJSON(w, http.StatusOK, map[string]string{"version": Version})
	return nil
}
