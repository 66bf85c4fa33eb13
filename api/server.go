package api

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/qwenvld/qwenvld"
	"github.com/qwenvld/qwenvld/api/access"
	"github.com/qwenvld/qwenvld/api/anthropic"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/api/intake"
	"github.com/qwenvld/qwenvld/api/media"
	"github.com/qwenvld/qwenvld/api/metrics"
	"github.com/qwenvld/qwenvld/api/ollama"
	"github.com/qwenvld/qwenvld/api/openai/responses"
	"github.com/qwenvld/qwenvld/api/remote"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/api/surface"
	"github.com/qwenvld/qwenvld/api/web"
	"github.com/qwenvld/qwenvld/router"
)

// Server is the HTTP handler. It starts goroutines within a request and waits for them before the request ends, except
// for those of background responses: to drain it, call Drain, http.Server.Shutdown and Wait.
type Server struct {
	core      *generation.Core
	edge      *web.Edge
	bodies    *intake.Intake
	keys      *access.Keyring
	metrics   *metrics.Metrics
	media     *media.Loader
	store     history.Store
	trip      *surface.Trip
	responses *responses.Handler
	routes    *chi.Mux
	now       func() time.Time
	started   time.Time
	stop      func()
}

// New returns a Server for c.
func New(c Config) (*Server, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	counted := meter{c.Metrics, c.Tracer, c.Now}
	s := &Server{
		keys: access.New(c.Keys, c.Now), bodies: intake.New(c.Bodies, c.Now), metrics: c.Metrics, store: c.Store,
		now: c.Now, started: c.Now(),
		media: media.New(media.Options{
			Fetcher: c.Fetcher, VideoFetcher: c.VideoFetcher, Images: c.Images, Disk: c.Disk, Video: c.Video, Limits: c.Media,
			Meter: counted,
		}),
	}
	s.core, err = generation.New(generation.Options{
		Models: s.models(&c), Router: c.Router, RouterVersion: c.RouterVersion, Media: s.media,
		SecondLook: c.SecondLook, Rerun: c.Rerun, MaxConcurrent: c.MaxConcurrent, MaxWaiting: c.MaxWaiting, Patience: c.Patience,
		MaxBacklog:    c.MaxBacklog,
		Timeout:       c.Timeout,
		KeyedPrefixes: c.KeyedPrefixes,
		Meter:         counted, Logger: c.Logger, Now: c.Now, NewID: c.NewID,
	})
	if err != nil {
		return nil, err
	}
	c.Metrics.WatchQueue(s.core)
	s.edge = web.New(web.Options{
		Logger: c.Logger, Now: c.Now, NewID: c.NewID, WriteTimeout: c.WriteTimeout, KeepAlive: c.KeepAlive, Grace: c.Bodies.Grace,
		Bodies: s.bodies, Vocabulary: qwenvld.OpenAPI, Counter: counted, RetryIn: s.core.RetryIn,
		Forms: []web.Form{
			{Prefix: anthropic.Path, Body: anthropic.ErrorBody, Event: anthropic.EventError},
			{Prefix: ollama.Prefix, Body: ollama.ErrorBody},
		},
	})
	s.trip = &surface.Trip{
		Edge: s.edge, Core: s.core, Caller: s.caller,
		Policy: &request.Policy{
			Limits: c.Limits, MayRepeat: c.MayRepeat, Unknown: &request.Unknown{Ignore: c.Unknown == IgnoreUnknown, Logger: c.Logger},
		},
	}
	s.responses = responses.New(responses.Options{
		Trip: s.trip, Store: c.Store, Owner: ownerOf, Bill: bill, Now: c.Now, NewID: c.NewID, Logger: c.Logger, Meter: c.Metrics,
	})
	if c.Store != nil {
		c.Metrics.Watch(c.Store)
	}
	s.stop = sync.OnceFunc(s.responses.Stop)
	s.routes, err = s.newRoutes(&c, counted)
	return s, err
}

// models are those of c with the backends of weights that servers of others have.
func (s *Server) models(c *Config) []generation.Model {
	out := make([]generation.Model, len(c.Models))
	for i := range c.Models {
		m := &c.Models[i]
		out[i] = generation.Model{ID: m.ID, Engines: m.Engines, Backends: map[router.Variant]generation.Backend{}}
		for v, cluster := range m.Clusters {
			out[i].Backends[v] = remote.New(remote.Options{
				Variant: v, Cluster: cluster, Media: s.media, ContextSize: m.RemoteContext, NewID: c.NewID, Logger: c.Logger,
				KeyedPrefixes: c.KeyedPrefixes,
			})
		}
	}
	return out
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.routes.ServeHTTP(w, r) }

// Routes lists what is served, for checking the API description against it.
func (s *Server) Routes() chi.Routes { return s.routes }

// Drain refuses new generations with 503 and makes /health/ready say so. Call it before http.Server.Shutdown.
func (s *Server) Drain() {
	s.core.Drain()
	s.stop()
}

// Abort ends the generations in flight: streams get an error event, other requests a 503. Call it when the drain
// deadline has passed, then give http.Server.Shutdown a moment to finish.
func (s *Server) Abort() {
	s.stop()
	s.core.Abort()
}

// Wait returns when no background response is in the making any more, or when ctx is done with its error.
func (s *Server) Wait(ctx context.Context) error { return s.responses.Wait(ctx) }
