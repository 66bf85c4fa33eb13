package api

import (
	"time"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/media"
	"github.com/qwenvld/qwenvld/api/metrics"
	"github.com/qwenvld/qwenvld/router"
)

// meter lets the metrics count what packages do that know nothing of them.
type meter struct{ *metrics.Metrics }

var (
	_ generation.Meter = meter{}
	_ media.Meter      = meter{}
)

// Begin counts a generation as in flight.
func (m meter) Begin(endpoint string, v router.Variant, at time.Time, answers, perPrompt int) generation.Measure {
	return m.Metrics.Begin(metrics.Start{Endpoint: endpoint, Variant: v, At: at, Answers: answers, PerPrompt: perPrompt})
}

// Escalated counts a generation that the other variant answers after all.
func (m meter) Escalated(to router.Variant, cause string) {
	m.Metrics.Escalated(to, metrics.Cause(cause))
}

// Prepared begins to measure a step of bringing in a medium.
func (m meter) Prepared(medium, step string) (done func()) {
	return m.Metrics.Prepared(metrics.Media(medium), metrics.Step(step))
}
