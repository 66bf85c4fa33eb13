package api

import (
	"math"
	"net/http"
	"regexp"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/engine"
)

// reason says why the weights are not ready, for those who may not know this machine.
func reason(s generation.Standing) string {
	if s.Down == nil {
		return ""
	}
	return withoutFolders(s.Down.Reason)
}

// folders are the parts of a path before its last, quoted or not.
var folders = regexp.MustCompile(`"/(?:[^"/]+/)+|/(?:[^"/\s]+/)+`)

// withoutFolders leaves the bare names of files in text.
func withoutFolders(text string) string {
	return folders.ReplaceAllStringFunc(text, func(path string) string {
		if path[0] == '"' {
			return `"`
		}
		return ""
	})
}

// readyReply answers GET /health/ready.
type readyReply struct {
	Status   string                  `json:"status"`
	Variants map[string]variantReady `json:"variants"`
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
	switch {
	case s.Down == nil:
		out.ContextSize, out.Vision = s.Info.ContextSize, new(s.Info.Vision != nil)
	case s.Down.State == engine.StateLoading, s.Down.Progress > 0:
		const percent = 100
		out.Progress = new(math.Round(float64(s.Down.Progress)*percent) / percent)
	}
	return out
}

// ready is 200 while any variant can answer: the router then uses that one, and the body names what the other is about.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) error {
	reply := readyReply{Status: "unavailable", Variants: map[string]variantReady{}}
	up := 0
	for _, p := range s.core.Catalog().Pairs() {
		for _, v := range p.Variants() {
			at := p.Standing(r.Context(), v)
			if reply.Variants[string(v)] = readyOf(at); at.Down == nil {
				up++
			}
		}
	}
	status := http.StatusServiceUnavailable
	switch {
	case s.core.Draining():
		reply.Status = "draining"
	case up == len(reply.Variants):
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
