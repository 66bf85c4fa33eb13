package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// standing is where the weights of a variant stand; down is nil for those that are ready.
type standing struct {
	info engine.Info
	down *engine.UnavailableError
}

func (s *Server) standing(ctx context.Context, v router.Variant) standing {
	info, err := s.cfg.Engines[v].Info(ctx)
	if err == nil {
		return standing{info: info}
	}
	down := &engine.UnavailableError{State: engine.StateRestarting}
	errors.As(err, &down)
	return standing{down: down}
}

// err is the engine's, nil for weights that are ready.
func (s standing) err() error {
	if s.down == nil {
		return nil
	}
	return s.down
}

// state is the standing in a word.
func (s standing) state() engine.State {
	if s.down == nil {
		return engine.StateReady
	}
	return s.down.State
}

// reason says why the weights are not ready, for those who may not know this machine.
func (s standing) reason() string {
	if s.down == nil {
		return ""
	}
	return withoutFolders(s.down.Reason)
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

type variantReady struct {
	Status      string   `json:"status"`
	Progress    *float64 `json:"progress,omitempty"` // of loading, 0 to 1
	Error       string   `json:"error,omitempty"`
	ContextSize int      `json:"context_size,omitempty"` // tokens
	Vision      *bool    `json:"vision,omitempty"`
}

func (s standing) ready() variantReady {
	out := variantReady{Status: string(s.state()), Error: s.reason()}
	switch {
	case s.down == nil:
		out.ContextSize, out.Vision = s.info.ContextSize, ptr(s.info.Vision != nil)
	case s.down.State == engine.StateLoading, s.down.Progress > 0:
		const percent = 100
		out.Progress = ptr(math.Round(float64(s.down.Progress)*percent) / percent)
	}
	return out
}

// ready is 200 while any variant can answer: the router then uses that one, and the body names what the other is about.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) error {
	reply := readyReply{Status: "unavailable", Variants: map[string]variantReady{}}
	up := 0
	for _, v := range s.variants() {
		at := s.standing(r.Context(), v)
		if reply.Variants[string(v)] = at.ready(); at.down == nil {
			up++
		}
	}
	status := http.StatusServiceUnavailable
	switch {
	case s.draining.Load():
		reply.Status = "draining"
	case up == len(reply.Variants):
		reply.Status, status = "ready", http.StatusOK
	case up > 0:
		reply.Status, status = "degraded", http.StatusOK
	}
	if store := s.cfg.Store; store != nil {
		reply.Store = "ready"
		if store.Trouble() != nil {
			reply.Store = "unavailable"
			if reply.Status == "ready" {
				reply.Status = "degraded"
			}
		}
	}
	s.setWriteDeadline(w)
	writeJSON(w, status, reply)
	return nil
}

// notLoaded refuses a request for a model whose weights are not ready, in words for its client.
func notLoaded(model string, err error) *Error {
	return unavailable(codeModelNotLoaded, fmt.Sprintf("%s %s.", model, whyNotLoaded(err)), err)
}

func whyNotLoaded(err error) string {
	var down *engine.UnavailableError
	if !errors.As(err, &down) {
		return "is not loaded at the moment"
	}
	switch down.State {
	case engine.StateLoading:
		return fmt.Sprintf("is being loaded (%.0f%%)", 100*down.Progress)
	case engine.StateRestarting:
		return "is being restarted"
	case engine.StateStalled:
		return "does not respond at the moment"
	case engine.StateFailed:
		return "could not be loaded; the server's readiness says why"
	case engine.StateReady, engine.StateStopped:
	}
	return "is not loaded at the moment"
}
