package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/qwenvld/qwenvld/router"
)

// Queue is what those who choose among several daemons want to know of this one.
type Queue interface {
	// Waiting counts the requests that wait for a place, to be worked on and to fetch in. It must not block.
	Waiting() (working, fetching int)
}

// WatchQueue tells of q from now on.
func (m *Metrics) WatchQueue(q Queue) { m.queue.Store(&q) }

// newPoolMember registers the gauges of the model server protocol of Kubernetes' gateways for inference, by which a
// pool's members are chosen.
func newPoolMember(m *Metrics, all []Weights) {
	gauge := func(name, help string, f func() float64) {
		register(m, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + name, Help: help}, f))
	}
	gauge("queued_requests", "Requests that wait: for a place, or for what they name to be fetched.", func() float64 {
		q := m.queue.Load()
		if q == nil {
			return 0
		}
		working, fetching := (*q).Waiting()
		return float64(working + fetching)
	})
	gauge("running_requests", "Requests that are worked on.", func() float64 { return float64(m.running.Load()) })
	gauge("kv_cache_usage_ratio", "Share of the KV cache that requests hold, 0 to 1, of the weights whose share is greatest.",
		func() float64 { return cacheUsage(all) })
}

// cacheUsage is the greatest share of live cells. Parked ones are given up before anybody waits.
func cacheUsage(all []Weights) float64 {
	most := 0.0
	for i := range all {
		c := all[i].Worker.Cells()
		if total := c.Live + c.Parked + c.Free; total > 0 {
			most = max(most, float64(c.Live)/float64(total))
		}
	}
	return most
}

// Upstream is a server of others that has a variant's weights.
type Upstream struct {
	Model   string
	Variant router.Variant
	// Server is what the configuration, or what it names, calls it.
	Server, State string
	InFlight      int
	// Outcomes count its requests by what became of them.
	Outcomes map[string]int64
}

// upstreams reads the state of all servers of others at each scrape.
type upstreams struct {
	all                        func() []Upstream
	states                     []string
	state, inFlight, completed *prometheus.Desc
}

func newUpstreams(all func() []Upstream, states []string) *upstreams {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prefix+name, help, append([]string{labelModel, labelVariant, "server"}, labels...), nil)
	}
	return &upstreams{
		all: all, states: states,
		state:     desc("upstream_state", "1 for the state that a server of others is in, 0 for the others.", "state"),
		inFlight:  desc("upstream_requests_in_flight", "Requests that a server of others is answering."),
		completed: desc("upstream_requests_total", "Requests that a server of others was asked, by what became of them.", "outcome"),
	}
}

// Describe implements prometheus.Collector.
func (u *upstreams) Describe(out chan<- *prometheus.Desc) {
	out <- u.state
	out <- u.inFlight
	out <- u.completed
}

// Collect implements prometheus.Collector.
func (u *upstreams) Collect(out chan<- prometheus.Metric) {
	for _, s := range u.all() {
		labels := []string{s.Model, string(s.Variant), s.Server}
		for _, state := range u.states {
			out <- prometheus.MustNewConstMetric(u.state, prometheus.GaugeValue, flag(state == s.State), append(labels, state)...)
		}
		out <- prometheus.MustNewConstMetric(u.inFlight, prometheus.GaugeValue, float64(s.InFlight), labels...)
		for outcome, n := range s.Outcomes {
			out <- prometheus.MustNewConstMetric(u.completed, prometheus.CounterValue, float64(n), append(labels, outcome)...)
		}
	}
}
