package api

import (
	"math"
	"net/http"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/engine"
)

// reason says why the weights are not ready, for those who may not know this machine.
func reason(s generation.Standing) string {
	if s.Down == nil {
		return ""
	}
	return fault.WithoutFolders(s.Down.Reason)
}

// readyReply answers GET /health/ready.
type readyReply struct {
	Status   string                  `json:"status"`
	Variants map[string]variantReady `json:"variants"`
	// Models are the variants of all models where there are several, by their ids; Variants are those of the first.
	Models map[string]map[string]variantReady `json:"models,omitempty"`
	// Store is where responses are kept, absent where none are.
	Store string `json:"store,omitempty"`
}

// variantReady says whether the weights of a variant can answer, and why not.
type variantReady struct {
	Status      string   `json:"status"`
	Progress    *float64 `json:"progress,omitempty"` // of loading, 0 to 1
	Error       string   `json:"error,omitempty"`
	ContextSize int      `json:"context_size,omitempty"` // tokens
	Vision      *bool    `json:"vision,omitempty"`
}

func readyOf(s generation.Standing) variantReady {
	out := variantReady{Status: string(s.State()), Error: reason(s)}
	if s.Down == nil {
		out.ContextSize, out.Vision = s.Info.ContextSize, new(s.Info.Vision != nil)
	}
	out.Progress = progressOf(s)
	return out
}

// progressOf is how far fetching or loading is, 0 to 1; nil where neither is done.
func progressOf(s generation.Standing) *float64 {
	if s.Down == nil || s.Down.Progress == 0 && s.Down.State != engine.StateLoading && s.Down.State != engine.StateDownloading {
		return nil
	}
	const percent = 100
	return new(math.Round(float64(s.Down.Progress)*percent) / percent)
}

// ready is 200 while any variant can answer, at once or once it is asked for: the router then uses that one, and the
// body names what the other is about.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) error {
	reply := readyReply{Status: "unavailable"}
	models := map[string]map[string]variantReady{}
	up, all := 0, 0
	for _, p := range s.core.Catalog().Pairs() {
		variants := map[string]variantReady{}
		for _, v := range p.Variants() {
			at := p.Standing(r.Context(), v)
			variants[string(v)] = readyOf(at)
			all++
			if at.Down == nil || at.OnDemand {
				up++
			}
		}
		if models[p.ID] = variants; reply.Variants == nil {
			reply.Variants = variants
		}
	}
	if len(models) > 1 {
		reply.Models = models
	}
	status := http.StatusServiceUnavailable
	switch {
	case s.core.Draining():
		reply.Status = "draining"
	case up == all:
		reply.Status, status = "ready", http.StatusOK
	case up > 0:
		reply.Status, status = "degraded", http.StatusOK
	}
	if store := s.store; store != nil {
		reply.Store = "ready"
		if store.Trouble() != nil {
			reply.Store = "unavailable"
			if reply.Status == "ready" {
				reply.Status = "degraded"
			}
		}
	}
	s.edge.WriteJSON(w, status, reply)
	return nil
}
