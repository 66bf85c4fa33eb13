package api

import (
	"io"
	"net/http"
	"net/http/pprof"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/web"
)

// OperatorOptions say what operators see at an address of their own.
type OperatorOptions struct {
	// Remote says that other machines reach the address: a key that may administer is needed there in any case.
	Remote bool
	// PrintConfig writes the configuration that holds.
	PrintConfig func(io.Writer) error
}

// Operators returns what is served to operators at an address of their own: what the server's own address has for them,
// and what no client must see there, which are profiles and the configuration. Where a key is set that may administer,
// such a key is needed.
func (s *Server) Operators(o OperatorOptions) (http.Handler, error) {
	ownPages, err := s.sameOrigin(nil)
	if err != nil {
		return nil, err
	}
	m := chi.NewRouter()
	m.Use(web.OnePath, middleware.GetHead, s.edge.Identify, s.edge.LogAccess, s.edge.RecoverPanic, s.edge.BoundHeader)
	if !o.Remote {
		m.Use(s.ownHosts(nil))
	}
	m.Use(ownPages)
	m.NotFound(s.edge.Handle(notFound))
	m.MethodNotAllowed(s.edge.Handle(func(w http.ResponseWriter, r *http.Request) error { return methodNotAllowed(m, w, r) }))
	m.Get("/health/live", s.edge.Handle(s.live))
	guarded := m.With(s.operatorsOnly(o.Remote))
	guarded.Get("/health/ready", s.edge.Handle(s.ready))
	guarded.Get("/metrics", s.edge.Handle(s.serveMetrics))
	guarded.Get("/v1/models", s.edge.Handle(s.listModels))
	guarded.Post("/admin/models/{model}/load", s.edge.Handle(s.unlessDraining(s.loadModel)))
	guarded.Post("/admin/models/{model}/unload", s.edge.Handle(s.unlessDraining(s.unloadModel)))
	guarded.Get("/config", s.edge.Handle(func(w http.ResponseWriter, _ *http.Request) error {
		s.edge.SetWriteDeadline(w)
		w.Header().Set("Content-Type", "application/yaml")
		return o.PrintConfig(w)
	}))
	addProfiles(guarded)
	return m, nil
}

// addProfiles adds what `go tool pprof` asks for. Go's own names are the paths.
func addProfiles(m chi.Router) {
	m.Get("/debug/pprof", pprof.Index)
	m.Get("/debug/pprof/{profile}", pprof.Index)
	m.Get("/debug/pprof/cmdline", pprof.Cmdline)
	m.Get("/debug/pprof/profile", pprof.Profile)
	m.Get("/debug/pprof/symbol", pprof.Symbol)
	m.Post("/debug/pprof/symbol", pprof.Symbol)
	m.Get("/debug/pprof/trace", pprof.Trace)
}

// operatorsOnly lets those pass whose key may administer; on this machine everybody, as long as there is no such key.
func (s *Server) operatorsOnly(remote bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !remote && !s.keys.Administered() {
				next.ServeHTTP(w, r)
				return
			}
			account := s.keys.Find(presentedKey(r))
			switch {
			case account == nil:
				s.refuseStranger(w, r)
			case !account.Administers():
				s.edge.Refuse(w, r, &fault.Error{
					Status: http.StatusForbidden, Type: fault.TypeInvalidRequest, Code: fault.CodeForbidden,
					Message: "This address is for API keys with admin: true.",
				})
			default:
				web.RecordOf(r.Context()).Key = account.Name()
				next.ServeHTTP(w, r)
			}
		})
	}
}
