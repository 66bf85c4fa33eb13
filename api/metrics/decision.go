package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qwenvld/qwenvld/router"
)

// decisions are the router's instruments.
type decisions struct {
	all       *prometheus.CounterVec
	reasons   *prometheus.CounterVec
	uncertain *prometheus.CounterVec
	moves     *prometheus.CounterVec
	gain      *prometheus.CounterVec
	took      prometheus.Histogram
}

// Cause is what made a conversation change sides.
type Cause string

// Causes.
const (
	CauseTurn   Cause = "turn"   // the router found the turn hard, or the second in a row easy
	CauseClient Cause = "client" // the client named the other variant, or the user asked for it in words
	// Those of a single request: what its answer of instruct looked like.
	CauseSecondLook Cause = "second_look" // at its beginning
	CauseRerun      Cause = "rerun"       // as a whole
)

func newDecisions(m *Metrics) decisions {
	d := decisions{
		all: counters(m, "decisions_total", "Requests to generate by who was to answer, the control that decided and the kind of prompt.",
			labelVariant, "source", "kind"),
		reasons:   counters(m, "decision_reasons_total", "Decisions by what was among their reasons.", labelVariant, "reason"),
		uncertain: counters(m, "uncertain_decisions_total", "Decisions that a little more or less gain would have turned.", labelVariant),
		moves: counters(m, "escalations_total",
			"Conversations, and by second thoughts requests, that changed sides, by where to and why.", "to", "cause"),
		gain: counters(m, "expected_gain_total",
			"Sum of the gains in P(right) that the router expected from thinking, by who was to answer; gains below 0 count as 0.",
			labelVariant),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: prefix + "router_decision_duration_seconds", Help: "Time that the router takes for a decision.",
			Buckets: prometheus.ExponentialBuckets(1e-6, 4, 9),
		}),
	}
	register(m, d.took)
	for _, v := range variants() {
		d.uncertain.WithLabelValues(v)
		d.gain.WithLabelValues(v)
		for _, c := range []Cause{CauseTurn, CauseClient, CauseSecondLook, CauseRerun} {
			d.moves.WithLabelValues(v, string(c))
		}
	}
	return d
}

// Decided counts the decision about a request that is to be generated.
func (m *Metrics) Decided(d *router.Decision) {
	v := string(d.Variant)
	m.decisions.all.WithLabelValues(v, string(d.Source), d.Kind).Inc()
	for _, c := range d.Classes() {
		m.decisions.reasons.WithLabelValues(v, string(c)).Inc()
	}
	if d.Uncertain {
		m.decisions.uncertain.WithLabelValues(v).Inc()
	}
	m.decisions.gain.WithLabelValues(v).Add(max(0, d.Gain))
	if d.Before.Variant == "" || d.Before.Variant == d.Mode.Variant {
		return
	}
	cause := CauseClient
	if d.Source == router.SourceRouter {
		cause = CauseTurn
	}
	m.Escalated(d.Mode.Variant, cause)
}

// Escalated counts a move to other weights: up to thinking, or back down.
func (m *Metrics) Escalated(to router.Variant, cause Cause) {
	m.decisions.moves.WithLabelValues(string(to), string(cause)).Inc()
}

// Routed times the router.
func (m *Metrics) Routed(took time.Duration) { m.decisions.took.Observe(took.Seconds()) }
