package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/qwenvld/qwenvld"
	"github.com/qwenvld/qwenvld/api/access"
	"github.com/qwenvld/qwenvld/api/admission"
	"github.com/qwenvld/qwenvld/api/docs"
	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/api/intake"
	"github.com/qwenvld/qwenvld/api/metrics"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/multimodal"
	"github.com/qwenvld/qwenvld/multimodal/video"
	"github.com/qwenvld/qwenvld/router"
)

// Fetcher brings in the bytes behind an http(s) URL. It must refuse private addresses and bound size and
// time by itself, stop when ctx is done, and be safe for concurrent use.
type Fetcher interface {
	Fetch(ctx context.Context, url string) ([]byte, error)
}

// Decider picks the weights for a request. It must be a pure function, safe for concurrent use.
type Decider interface {
	Decide(in *router.Input) (router.Decision, error)
}

// ReasoningField says under which name reasoning is sent.
type ReasoningField string

// Names of the reasoning member.
const (
	ReasoningContent ReasoningField = "reasoning_content" // the default
	ReasoningShort   ReasoningField = "reasoning"
	ReasoningBoth    ReasoningField = "both"
)

// Config is what a Server needs. Zero durations and numbers take the defaults named beside them.
type Config struct {
	// ModelName is the routed model id; the variants append -instruct and -thinking.
	ModelName string
	// Engines holds one or both variants.
	Engines map[router.Variant]engine.Engine
	// Router decides where no client control does.
	Router Decider
	// RouterVersion names the router's weights in replies.
	RouterVersion string
	// Fetcher is nil where http(s) URLs of images are not allowed.
	Fetcher Fetcher
	// Images decodes pictures (a Decoder of its own).
	Images *multimodal.Decoder
	// Disk is where frames that are sent as pictures wait (Video's, or 4 GiB of the system's).
	Disk *video.Disk
	// Video decodes videos; nil where only lists of frames are taken. VideoFetcher is nil where their URLs are not allowed.
	Video        *video.Tool
	VideoFetcher VideoFetcher
	Limits       Limits
	// Unknown says what becomes of unknown members of requests (refuse).
	Unknown UnknownParameters
	// MayRepeat lets answers go on that only repeat themselves, unless their request says otherwise.
	MayRepeat bool
	Media     MediaLimits
	// SecondLook and Rerun say what may come of answers of instruct that look wrong; by default nothing.
	SecondLook SecondLook
	Rerun      Rerun
	// Reasoning is the name of the reasoning member, by default reasoning_content.
	Reasoning ReasoningField
	// Store keeps responses; nil where none are kept. The caller closes it after Wait.
	Store history.Store
	// Keys are the API keys that are accepted; without any, none is needed.
	Keys []access.Key
	// Metrics are served at /metrics; nil makes some that know no workers. PublicMetrics serves them to those without a key too, PublicInfo
	// readiness and the API's description.
	Metrics                   *metrics.Metrics
	PublicMetrics, PublicInfo bool
	// Origins are those from which browsers may ask ("https://chat.example.com", "*" for all); none by default.
	Origins []string
	// MaxConcurrent bounds the generations being worked on (64). MaxWaiting more requests (64; none if negative) may wait for a place, each
	// for Patience (5 s); then they are refused with 503. The client with the fewest places comes first.
	MaxConcurrent, MaxWaiting int
	Patience                  time.Duration
	// Bodies bound what is being received: Total (four times a body), Readers (1024), Rate (16 KiB/s) and Grace (10 s); Body is
	// Limits.BodyBytes.
	Bodies intake.Limits
	// KeepAlive is the longest silence of a stream before a comment is sent (15 s).
	KeepAlive time.Duration
	// WriteTimeout bounds each write to a client (30 s).
	WriteTimeout time.Duration
	// Logger gets one line per request. nil discards.
	Logger *slog.Logger
	// Now is the clock and NewID makes the random part of ids; both have defaults.
	Now   func() time.Time
	NewID func() string
}

// checkWords refuses words that say nothing.
func (c *Config) checkWords() error {
	switch c.Unknown {
	case RefuseUnknown, IgnoreUnknown:
	default:
		return fmt.Errorf("api: unknown_parameters %q is neither refuse nor ignore", c.Unknown)
	}
	switch c.Reasoning {
	case ReasoningContent, ReasoningShort, ReasoningBoth:
	default:
		return fmt.Errorf("api: unknown reasoning field %q", c.Reasoning)
	}
	return nil
}

func (c Config) withDefaults() (Config, error) {
	if c.ModelName == "" {
		return c, errors.New("api: no model name")
	}
	if len(c.Engines) == 0 || c.Router == nil {
		return c, errors.New("api: needs at least one engine and a router")
	}
	for v, e := range c.Engines {
		if v != router.Instruct && v != router.Thinking || e == nil {
			return c, fmt.Errorf("api: unusable engine for variant %q", v)
		}
	}
	c.Limits = c.Limits.withDefaults()
	c.Media = c.Media.withDefaults()
	setDefault(&c.Unknown, RefuseUnknown)
	setDefault(&c.Reasoning, ReasoningContent)
	if err := c.checkWords(); err != nil {
		return c, err
	}
	setDefault(&c.MaxConcurrent, 64)
	setDefault(&c.KeepAlive, 15*time.Second)
	setDefault(&c.WriteTimeout, 30*time.Second)
	if c.Images == nil {
		c.Images = multimodal.NewDecoder(multimodal.DecoderOptions{})
	}
	if c.Disk == nil && c.Video != nil {
		c.Disk = c.Video.Disk()
	}
	if c.Disk == nil {
		c.Disk = video.NewDisk("", 0)
	}
	setDefault(&c.MaxWaiting, 64)
	setDefault(&c.Patience, 5*time.Second)
	c.Bodies.Body = c.Limits.BodyBytes
	setDefault(&c.Bodies.Total, 4*c.Bodies.Body)
	setDefault(&c.Bodies.Readers, 1024)
	setDefault(&c.Bodies.Rate, 16<<10)
	setDefault(&c.Bodies.Grace, 10*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = randomID
	}
	if c.Metrics == nil {
		c.Metrics = metrics.New(metrics.Options{RouterVersion: c.RouterVersion, Now: c.Now})
	}
	return c, nil
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Server is the HTTP handler. It starts goroutines within a request and waits for them before the request ends, except for those of
// background responses: to drain it, call Drain, http.Server.Shutdown and Wait.
type Server struct {
	cfg           Config
	decoder       *requestDecoder
	templates     templates
	conversations conversations
	thoughts      secondThoughts
	routes        *chi.Mux
	keys          *access.Keyring
	// bodies are read without a place, then media are fetched with one of fetches, then a request is worked on with one of slots.
	bodies   *intake.Intake
	fetches  *admission.Gate
	slots    *admission.Gate
	draining atomic.Bool
	// stop closes stopping when draining begins; unsettled counts background responses that wait to be stored.
	stop      func()
	stopping  chan struct{}
	unsettled atomic.Int32
	started   time.Time
	words     vocabulary

	mu       sync.Mutex
	inflight map[*request]struct{}
	runs     runs
}

// request is a generation in flight.
type request struct {
	cancel context.CancelCauseFunc
}

// New returns a Server for c.
func New(c Config) (*Server, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg:      c,
		decoder:  newRequestDecoder(c.Limits),
		keys:     access.New(c.Keys, c.Now),
		bodies:   intake.New(c.Bodies, c.Now),
		fetches:  c.newGate(fetchers*c.MaxConcurrent, fetchers*c.MaxConcurrent*fetchShare/4),
		slots:    c.newGate(c.MaxConcurrent, 0),
		thoughts: newSecondThoughts(c.SecondLook, c.Rerun),
		started:  c.Now(),
		inflight: map[*request]struct{}{},
		runs:     runs{byID: map[string]*run{}},
		stopping: make(chan struct{}),
		words:    newVocabulary(qwenvld.OpenAPI),
	}
	s.conversations = newConversations()
	s.stop = sync.OnceFunc(func() { close(s.stopping) })
	if c.Store != nil {
		c.Store.Watch(s.watchStore)
		c.Metrics.Watch(c.Store)
	}
	s.decoder.mayRepeat = c.MayRepeat
	s.decoder.foreign.ignore, s.decoder.foreign.logger = c.Unknown == IgnoreUnknown, c.Logger
	s.routes = s.newRoutes()
	return s, nil
}

func (s *Server) newRoutes() *chi.Mux {
	m := chi.NewRouter()
	m.Use(onPath, middleware.GetHead, s.identify, s.logAccess, s.recoverPanic, s.boundHeader)
	if len(s.cfg.Origins) > 0 {
		m.Use(s.crossOrigin())
	}
	m.NotFound(s.authenticate(s.handle(notFound)).ServeHTTP)
	m.MethodNotAllowed(s.authenticate(s.handle(s.methodNotAllowed)).ServeHTTP)
	protected := m.With(s.authenticate)
	open := func(public bool) chi.Router {
		if public {
			return m
		}
		return protected
	}
	m.Get("/health/live", s.handle(s.live))
	m.Get("/healthz", s.handle(s.live))
	open(s.cfg.PublicMetrics).Get("/metrics", s.handle(s.metrics))
	s.informing(open(s.cfg.PublicInfo))
	s.answering(protected)
	return m
}

// informing adds what tells of the server itself.
func (s *Server) informing(m chi.Router) {
	m.Get("/health/ready", s.handle(s.ready))
	m.Get("/health", s.handle(s.ready))
	m.Get(docs.PathDescription, docs.Description)
	m.Get(docs.PathJSON, docs.JSON)
	m.Get(docs.PathPage, docs.Page)
	m.Get(docs.PathScript, docs.Script)
}

// answering adds what the models are asked for.
func (s *Server) answering(m chi.Router) {
	m.Get("/v1/models", s.handle(s.listModels))
	m.Get("/v1/models/{model}", s.handle(s.getModel))
	m.Get("/v1/responses/{id}", s.handle(s.getResponse))
	m.Delete("/v1/responses/{id}", s.handle(s.deleteResponse))
	m.Post("/v1/responses/{id}/cancel", s.handle(s.cancelResponse))
	m.Get("/v1/responses/{id}/input_items", s.handle(s.listInputItems))
	m.Post("/v1/embeddings", s.handle(s.metered(s.embeddings)))
	for path, h := range map[string]handlerFunc{
		"/v1/chat/completions":              s.chat,
		"/v1/chat/completions/input_tokens": s.countInput,
		"/v1/completions":                   s.completions,
		pathMessages:                        s.messages,
		pathMessages + "/count_tokens":      s.countTokens,
		"/v1/responses":                     s.createResponse,
		"/v1/responses/input_tokens":        s.countResponseInput,
		"/v1/route":                         s.route,
		"/tokenize":                         s.tokenize,
		"/detokenize":                       s.detokenize,
	} {
		m.Post(path, s.handle(s.metered(s.visited(h))))
	}
}

func notFound(_ http.ResponseWriter, r *http.Request) error {
	return &Error{
		Status: http.StatusNotFound, Type: typeInvalidRequest, Code: codeNotFound,
		Message: fmt.Sprintf("Unknown URL: %s %s", abbreviate(r.Method), abbreviate(r.URL.Path)),
	}
}

func (s *Server) methodNotAllowed(w http.ResponseWriter, r *http.Request) error {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		if !s.routes.Match(chi.NewRouteContext(), method, r.URL.Path) {
			continue
		}
		w.Header().Add("Allow", method)
		if method == http.MethodGet {
			w.Header().Add("Allow", http.MethodHead)
		}
	}
	return &Error{
		Status: http.StatusMethodNotAllowed, Type: typeInvalidRequest, Code: codeMethod,
		Message: fmt.Sprintf("Method %s is not allowed for %s", abbreviate(r.Method), abbreviate(r.URL.Path)),
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.routes.ServeHTTP(w, r) }

// Routes lists what is served, for checking the API description against it.
func (s *Server) Routes() chi.Routes { return s.routes }

// Drain refuses new generations with 503 and makes /health/ready say so. Call it before
// http.Server.Shutdown.
func (s *Server) Drain() {
	s.draining.Store(true)
	s.stop()
}

// Abort ends the generations in flight: streams get an error event, other requests a 503. Call it when
// the drain deadline has passed, then give http.Server.Shutdown a moment to finish.
func (s *Server) Abort() {
	s.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.inflight {
		r.cancel(errShuttingDown)
	}
}

// begin registers a generation so that Abort reaches it. end must be called.
func (s *Server) begin(parent context.Context) (ctx context.Context, cancel context.CancelCauseFunc, end func()) {
	ctx, cancel = context.WithCancelCause(parent)
	r := &request{cancel: cancel}
	s.mu.Lock()
	s.inflight[r] = struct{}{}
	s.mu.Unlock()
	return ctx, cancel, func() {
		cancel(nil)
		s.mu.Lock()
		delete(s.inflight, r)
		s.mu.Unlock()
	}
}

// handlerFunc is a handler that returns its error instead of writing it.
type handlerFunc func(w http.ResponseWriter, r *http.Request) error

// handle converts h's error once, for the client and for the access log.
func (s *Server) handle(h handlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil {
			return
		}
		s.refuse(w, r, publicError(r.Context(), err))
	}
}

// refuse sends e in the form of the API that was asked, and notes it for the access log. It is the only place where an error becomes a
// response.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, e *Error) {
	rec := recordOf(r.Context())
	rec.fail(e)
	s.setWriteDeadline(w)
	if e.Code == codeOverloaded {
		told := *e
		told.RetryAfter = s.retryIn()
		e = &told
	}
	if e.closes {
		w.Header().Set("Connection", "close")
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	if speaksAnthropic(r.URL.Path) {
		writeJSON(w, e.Status, newAnthropicError(e, rec.id))
	} else {
		writeJSON(w, e.Status, e.wire())
	}
}

// setWriteDeadline gives the next writes WriteTimeout. Writers without deadlines, as in tests, go without.
func (s *Server) setWriteDeadline(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(s.cfg.Now().Add(s.cfg.WriteTimeout))
}

// variants lists the configured variants in a fixed order.
func (s *Server) variants() []router.Variant {
	all := []router.Variant{router.Instruct, router.Thinking}
	return slices.DeleteFunc(all, func(v router.Variant) bool { return s.cfg.Engines[v] == nil })
}

// modelID is the id that answers for v.
func (s *Server) modelID(v router.Variant) string { return s.cfg.ModelName + "-" + string(v) }
