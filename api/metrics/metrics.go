// Package metrics counts and times what the server does, for operators: who answers and why, what thinking costs in
// tokens and seconds, what is refused, and how the workers fare. It speaks Prometheus' text format; docs/METRICS.md
// explains every name.
//
// Labels hold words of small fixed sets, and the operator's own names of models and servers, so that neither their
// number nor what they tell depends on clients: never a text, a client's address, an id or a key's name. The package
// must not decide anything: what it counts changes nothing that the server answers.
package metrics

import (
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/qwenvld/qwenvld/router"
)

// Options are what Metrics cannot see by itself. The zero value will do.
type Options struct {
	// Version is the daemon's, RouterVersion that of the router's weights.
	Version, RouterVersion string
	// Workers are asked at each scrape.
	Workers []Weights
	// Upstreams, unless nil, tells of servers of others at each scrape; UpstreamStates are the words for where they
	// stand.
	Upstreams      func() []Upstream
	UpstreamStates []string
	// Now is the clock, time.Now by default.
	Now func() time.Time
}

// Metrics owns a registry and its instruments. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	handler  http.Handler
	now      func() time.Time
	own      []prometheus.Collector // all but those of Go and the process

	requests    *prometheus.CounterVec
	durations   *prometheus.HistogramVec
	errors      *prometheus.CounterVec
	inFlight    prometheus.GaugeFunc
	waits       prometheus.Histogram
	loads       prometheus.Histogram
	running     atomic.Int64 // requests that hold a place
	queue       atomic.Pointer[Queue]
	unstored    prometheus.Counter
	store       atomic.Pointer[Store]
	media       *prometheus.CounterVec
	mediaTimes  *prometheus.HistogramVec
	decisions   decisions
	generations generations
}

// New returns Metrics with a registry of its own.
func New(o Options) *Metrics {
	if o.Now == nil {
		o.Now = time.Now
	}
	m := &Metrics{registry: prometheus.NewRegistry(), now: o.Now}
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
	m.requests = counters(m, "http_requests_total", "HTTP requests that have ended.", labelEndpoint, "status")
	m.durations = histograms(m, "http_request_duration_seconds", "Time from a request's header to the end of its reply.",
		secondsBuckets(), labelEndpoint)
	m.errors = counters(m, "errors_total", "Requests and background responses that failed, by the code that the client was told.", "code")
	m.inFlight = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: prefix + "requests_in_flight", Help: "Requests that hold one of the places of limits.max_concurrent.",
	}, func() float64 { return float64(m.running.Load()) })
	register(m, m.inFlight)
	m.waits = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: prefix + "queue_wait_seconds", Help: "Time that requests waited for one of the places of limits.max_concurrent.",
		Buckets: secondsBuckets(),
	})
	register(m, m.waits)
	m.loads = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: prefix + "weights_wait_seconds", Buckets: secondsBuckets(),
		Help: "Time that requests waited for weights to be loaded, where these are not always there.",
	})
	register(m, m.loads)
	m.media = counters(m, "media_total", "Images and videos in requests to generate.", labelMedia)
	m.mediaTimes = histograms(m, "media_duration_seconds", "Time to fetch or to decode an image or a video.",
		secondsBuckets(), labelMedia, "step")
	m.decisions = newDecisions(m)
	m.generations = newGenerations(m)
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: prefix + "build_info", Help: "Always 1; the versions are in the labels.",
	}, []string{"version", "goversion", "router"})
	build.WithLabelValues(o.Version, runtime.Version(), o.RouterVersion).Set(1)
	register(m, build)
	register(m, newWorkers(o.Workers))
	newPoolMember(m, o.Workers)
	if o.Upstreams == nil {
		o.Upstreams = func() []Upstream { return nil }
	}
	register(m, newUpstreams(o.Upstreams, o.UpstreamStates))
	m.unstored = prometheus.NewCounter(prometheus.CounterOpts{
		Name: prefix + "responses_not_stored_total", Help: "Responses that were to be stored and could not be when they had ended.",
	})
	register(m, m.unstored)
	register(m, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: prefix + "response_store_up", Help: "0 while responses that are to be stored cannot be, else 1.",
	}, m.storeUp))
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// ServeHTTP implements http.Handler: it tells all metrics.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }

// Requested counts a request that has ended. endpoint is the pattern of its route, empty where none matched.
func (m *Metrics) Requested(endpoint string, status int, took time.Duration) {
	if endpoint == "" {
		endpoint = noEndpoint
	}
	m.requests.WithLabelValues(endpoint, strconv.Itoa(status)).Inc()
	m.durations.WithLabelValues(endpoint).Observe(took.Seconds())
}

// Failed counts an error by its code, which must be one of the API's own.
func (m *Metrics) Failed(code string) { m.errors.WithLabelValues(code).Inc() }

// Admitted counts a request as in flight, until Released, that waited for its place.
func (m *Metrics) Admitted(waited time.Duration) {
	m.running.Add(1)
	m.waits.Observe(waited.Seconds())
}

// Held notes how long a request waited for weights that may have to be loaded.
func (m *Metrics) Held(waited time.Duration) { m.loads.Observe(waited.Seconds()) }

// Released ends what Admitted began.
func (m *Metrics) Released() { m.running.Add(-1) }

// Store is where responses are kept.
type Store interface {
	// Trouble is why it cannot be used at the moment, nil if it can. It must not block.
	Trouble() error
}

// Watch has the state of s told at each scrape.
func (m *Metrics) Watch(s Store) { m.store.Store(&s) }

// storeUp is 1 but while there is a store that cannot be used.
func (m *Metrics) storeUp() float64 {
	if s := m.store.Load(); s != nil && (*s).Trouble() != nil {
		return 0
	}
	return 1
}

// Unstored counts a response that was to be stored and was not.
func (m *Metrics) Unstored() { m.unstored.Inc() }

// Media is a sort of input.
type Media string

// Sorts of input.
const (
	Image Media = "image"
	Video Media = "video"
)

// Step is what is done to media before the engine gets it.
type Step string

// Steps.
const (
	Fetch  Step = "fetch"
	Decode Step = "decode"
)

// Carried counts the media of a request.
func (m *Metrics) Carried(images, videos int) {
	m.media.WithLabelValues(string(Image)).Add(float64(images))
	m.media.WithLabelValues(string(Video)).Add(float64(videos))
}

// Prepared times a step from now until done is called, whether or not it succeeds.
func (m *Metrics) Prepared(media Media, step Step) (done func()) {
	start := m.now()
	return func() {
		m.mediaTimes.WithLabelValues(string(media), string(step)).Observe(m.now().Sub(start).Seconds())
	}
}

const (
	prefix        = "qwenvld_"
	labelEndpoint = "endpoint"
	labelModel    = "model"
	labelVariant  = "variant"
	labelMedia    = "media"
	noEndpoint    = "none"
	// unknown stands for words that are not of the set they should be of.
	unknown = "other"
)

// secondsBuckets reach from a cached reply of a small model to minutes of thinking.
func secondsBuckets() []float64 {
	return []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}
}

func variants() []string { return []string{string(router.Instruct), string(router.Thinking)} }

// oneOf is word if it is known.
func oneOf(known []string, word string) string {
	if slices.Contains(known, word) {
		return word
	}
	return unknown
}

func register(m *Metrics, c prometheus.Collector) {
	m.registry.MustRegister(c)
	m.own = append(m.own, c)
}

func counters(m *Metrics, name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
	register(m, c)
	return c
}

func histograms(m *Metrics, name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets}, labels)
	register(m, h)
	return h
}
