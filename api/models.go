package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/go-chi/chi/v5"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/ollama"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// modelList is the reply of GET /v1/models.
type modelList struct {
	Object string      `json:"object"`
	Data   []modelCard `json:"data"`
}

// modelCard describes a model in that list, and by itself.
type modelCard struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
	// What follows is known once the weights are loaded.
	MaxModelLen  int           `json:"max_model_len,omitempty"` // tokens, the smallest of the variants'
	Modalities   []string      `json:"input_modalities,omitempty"`
	Variants     []variantCard `json:"variants"`
	Capabilities []string      `json:"capabilities"`
}

// variantCard tells of one set of weights behind a model id.
type variantCard struct {
	ID      string `json:"id"`
	Variant string `json:"variant"`
	Loaded  bool   `json:"loaded"`
	Status  string `json:"status"`          // as in the readiness
	Error   string `json:"error,omitempty"` // why it is not ready
	Name    string `json:"name,omitempty"`  // the model file's own
	// Architecture is that of the model file, too.
	Architecture string `json:"architecture,omitempty"`
	MaxModelLen  int    `json:"max_model_len,omitempty"`
	// Progress of fetching or loading, 0 to 1, while that lasts.
	Progress *float64 `json:"progress,omitempty"`
	// Memory is what the weights take while they are loaded, in bytes, by device.
	Memory map[string]int64 `json:"memory,omitempty"`
	// Vision says to which sizes pictures are brought, for those that bring them there before they send them.
	Vision *visionCard `json:"vision,omitempty"`
}

// visionCard tells how large pictures are when the model sees them, in pixels: a token is a square of an edge, and a
// picture has an area between two bounds.
type visionCard struct {
	TokenEdge int `json:"token_edge"`
	MinPixels int `json:"min_pixels"`
	MaxPixels int `json:"max_pixels"`
}

func (s *Server) visionOf(v *engine.VisionInfo) *visionCard {
	if v == nil {
		return nil
	}
	edge := v.TokenEdge()
	if edge == 0 { // the sizes are known once the weights were loaded
		return nil
	}
	limits := s.media.PixelLimits(v)
	return &visionCard{TokenEdge: edge, MinPixels: limits.Min, MaxPixels: limits.Max}
}

// modelCards describes each routed model and then its variants.
func (s *Server) modelCards(ctx context.Context) []modelCard {
	var cards []modelCard
	for _, p := range s.core.Catalog().Pairs() {
		all := map[router.Variant]generation.Standing{}
		for _, v := range p.Variants() {
			all[v] = p.Standing(ctx, v)
		}
		cards = append(cards, s.modelCard(p, p.ID, p.Variants(), all))
		for _, v := range p.Variants() {
			cards = append(cards, s.modelCard(p, p.ModelID(v), []router.Variant{v}, all))
		}
	}
	return cards
}

func (s *Server) modelCard(
	p *generation.Pair, id string, variants []router.Variant, all map[router.Variant]generation.Standing,
) modelCard {
	c := modelCard{
		ID: id, Object: "model", Created: s.started.Unix(), OwnedBy: "qwenvld",
		Capabilities: []string{"chat", "completion", "tools", "structured_output"},
	}
	sees := true
	for _, v := range variants {
		at := all[v]
		info, loaded := at.Info, at.Down == nil
		c.Variants = append(c.Variants, variantCard{
			ID: p.ModelID(v), Variant: string(v), Loaded: loaded, Status: string(at.State()), Error: reason(at),
			Name: info.Name, Architecture: info.Architecture, MaxModelLen: info.ContextSize,
			Progress: progressOf(at), Memory: at.Memory, Vision: s.visionOf(info.Vision),
		})
		if v == router.Thinking {
			c.Capabilities = append(c.Capabilities, "reasoning")
		}
		if info.ContextSize == 0 { // nothing is known of them yet
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
		if s.media.TakesVideoFiles() {
			c.Modalities = append(c.Modalities, "video")
		}
		c.Capabilities = append(c.Capabilities, "vision")
	}
	return c
}

func (s *Server) listModels(w http.ResponseWriter, r *http.Request) error {
	s.edge.WriteJSON(w, http.StatusOK, modelList{Object: "list", Data: s.modelCards(r.Context())})
	return nil
}

func (s *Server) getModel(w http.ResponseWriter, r *http.Request) error {
	card, err := s.card(r.Context(), chi.URLParam(r, "model"))
	if err != nil {
		return err
	}
	s.edge.WriteJSON(w, http.StatusOK, card)
	return nil
}

// ollamaModels are the models as Ollama's clients have them described.
func (s *Server) ollamaModels(ctx context.Context) []ollama.Model {
	words := map[string]string{"completion": "completion", "tools": "tools", "vision": "vision", "reasoning": "thinking"}
	var out []ollama.Model
	for _, c := range s.modelCards(ctx) {
		m := ollama.Model{ID: c.ID, ContextSize: c.MaxModelLen, Since: s.started.UTC()}
		for i := range c.Variants {
			if family := c.Variants[i].Architecture; family != "" && !slices.Contains(m.Families, family) {
				m.Families = append(m.Families, family)
			}
		}
		for _, capability := range c.Capabilities {
			if word := words[capability]; word != "" {
				m.Capabilities = append(m.Capabilities, word)
			}
		}
		out = append(out, m)
	}
	return out
}
