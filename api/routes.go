package api

import (
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/qwenvld/qwenvld/api/anthropic"
	"github.com/qwenvld/qwenvld/api/docs"
	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/api/ollama"
	"github.com/qwenvld/qwenvld/api/openai/chat"
	"github.com/qwenvld/qwenvld/api/openai/completions"
	"github.com/qwenvld/qwenvld/api/openai/tokens"
	"github.com/qwenvld/qwenvld/api/playground"
	"github.com/qwenvld/qwenvld/api/web"
)

func (s *Server) newRoutes(c *Config, counted meter) (*chi.Mux, error) {
	site, err := playground.New(playground.Options{Samples: c.Samples})
	if err != nil {
		return nil, err
	}
	ownPages, err := s.sameOrigin(c.Origins)
	if err != nil {
		return nil, err
	}
	m := chi.NewRouter()
	m.Use(web.OnePath, middleware.GetHead, s.edge.Identify)
	if c.Tracer != nil {
		m.Use(counted.trace)
	}
	m.Use(s.edge.LogAccess, s.edge.RecoverPanic, s.edge.BoundHeader)
	if len(c.Hosts) > 0 {
		m.Use(s.ownHosts(c.Hosts))
	}
	if len(c.Origins) > 0 {
		m.Use(crossOrigin(c.Origins))
	}
	m.Use(ownPages)
	m.NotFound(s.authenticate(s.edge.Handle(notFound)).ServeHTTP)
	m.MethodNotAllowed(s.authenticate(s.edge.Handle(func(w http.ResponseWriter, r *http.Request) error {
		return methodNotAllowed(m, w, r)
	})).ServeHTTP)
	protected := m.With(s.authenticate)
	open := func(public bool) chi.Router {
		if public {
			return m
		}
		return protected
	}
	m.Get("/health/live", s.edge.Handle(s.live))
	m.Get("/healthz", s.edge.Handle(s.live))
	open(c.PublicMetrics).Get("/metrics", s.edge.Handle(s.serveMetrics))
	s.describe(open(c.PublicInfo))
	s.addSurfaces(protected, c)
	s.addPlayground(m, c, site)
	return m, nil
}

// describe adds what tells of the server itself.
func (s *Server) describe(m chi.Router) {
	m.Get("/health/ready", s.edge.Handle(s.ready))
	m.Get("/health", s.edge.Handle(s.ready))
	m.Get(docs.PathDescription, docs.Description)
	m.Get(docs.PathJSON, docs.JSON)
	m.Get(docs.PathPage, docs.Page)
	m.Get(docs.PathScript, docs.Script)
}

// addSurfaces adds what the models are asked for.
func (s *Server) addSurfaces(m chi.Router, c *Config) {
	conversations := chat.New(chat.Options{Trip: s.trip, Router: s.core, Reasoning: c.Reasoning, Now: c.Now, NewID: c.NewID})
	texts := completions.New(completions.Options{Trip: s.trip, Core: s.core, Now: c.Now, NewID: c.NewID})
	messages := anthropic.New(anthropic.Options{Trip: s.trip, NewID: c.NewID})
	ollamaAPI := ollama.New(ollama.Options{Trip: s.trip, Keeper: s.core, Models: s.ollamaModels, Now: c.Now})
	lookups := tokens.New(tokens.Options{
		Trip: s.trip, Core: s.core,
		Conversation: chat.NewDecoder(s.trip.Policy).Decode,
	})
	for path, h := range map[string]web.HandlerFunc{
		"/v1/models": s.listModels, "/v1/models/{model}": s.getModel,
		"/v1/responses/{id}": s.responses.Get, "/v1/responses/{id}/input_items": s.responses.InputItems,
		ollama.Prefix + "/tags": ollamaAPI.Tags, ollama.Prefix + "/version": ollamaAPI.Version,
	} {
		m.Get(path, s.edge.Handle(h))
	}
	m.Post("/admin/models/{model}/load", s.edge.Handle(s.administered(s.unlessDraining(s.loadModel))))
	m.Post("/admin/models/{model}/unload", s.edge.Handle(s.administered(s.unlessDraining(s.unloadModel))))
	m.Post("/v1/chat/completions/{id}/answer_now", s.edge.Handle(conversations.AnswerNow))
	m.Delete("/v1/responses/{id}", s.edge.Handle(s.responses.Delete))
	m.Post("/v1/responses/{id}/cancel", s.edge.Handle(s.responses.Cancel))
	m.Post(ollama.Prefix+"/show", s.edge.Handle(s.edge.Visit(clientOf, ollamaAPI.Show)))
	m.Post("/v1/embeddings", s.edge.Handle(s.metered(embeddings(c.Models[0].ID))))
	for path, h := range map[string]web.HandlerFunc{
		"/v1/chat/completions":              conversations.Complete,
		"/v1/chat/completions/input_tokens": conversations.Count,
		"/v1/route":                         conversations.Route,
		"/v1/completions":                   texts.Complete,
		"/tokenize":                         lookups.Tokenize,
		"/detokenize":                       lookups.Detokenize,
		anthropic.Path:                      messages.Messages,
		anthropic.Path + "/count_tokens":    messages.CountTokens,
		ollama.Prefix + "/chat":             ollamaAPI.Chat,
		"/v1/responses":                     s.responses.Create,
		"/v1/responses/input_tokens":        s.responses.CountInput,
	} {
		m.Post(path, s.edge.Handle(s.metered(s.timed(s.edge.Visit(clientOf, s.unlessDraining(h))))))
	}
}

// unlessDraining refuses what comes while the server stops.
func (s *Server) unlessDraining(h web.HandlerFunc) web.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if s.core.Draining() {
			return fault.ShuttingDown(nil)
		}
		return h(w, r)
	}
}

// embeddings refuses what no model can be configured for.
func embeddings(model string) web.HandlerFunc {
	return func(http.ResponseWriter, *http.Request) error {
		return fault.Field("model", fault.CodeUnsupported, "no embedding model is configured; %s answers questions only", model)
	}
}

func notFound(_ http.ResponseWriter, r *http.Request) error {
	return fault.NotFound("", fault.CodeNotFound, "Unknown URL: %s %s",
		jsonbody.Abbreviate(r.Method), jsonbody.Abbreviate(r.URL.Path))
}

func methodNotAllowed(routes chi.Routes, w http.ResponseWriter, r *http.Request) error {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		if !routes.Match(chi.NewRouteContext(), method, r.URL.Path) {
			continue
		}
		w.Header().Add("Allow", method)
		if method == http.MethodGet {
			w.Header().Add("Allow", http.MethodHead)
		}
	}
	return &fault.Error{
		Status: http.StatusMethodNotAllowed, Type: fault.TypeInvalidRequest, Code: fault.CodeMethod,
		Message: fmt.Sprintf("Method %s is not allowed for %s", jsonbody.Abbreviate(r.Method), jsonbody.Abbreviate(r.URL.Path)),
	}
}

func (s *Server) live(w http.ResponseWriter, _ *http.Request) error {
	s.edge.WriteJSON(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ok"})
	return nil
}

func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) error {
	s.edge.SetWriteDeadline(w)
	s.metrics.ServeHTTP(w, r)
	return nil
}
