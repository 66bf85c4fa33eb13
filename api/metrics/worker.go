package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// Worker is a process that holds one set of weights.
type Worker interface {
	// Health says where the weights stand, and how often a process has ended and another was started. It must not
	// block.
	Health() (state engine.State, restarts int64)
	// Cells tells how the cells of its KV cache stand. It must not block.
	Cells() engine.Cells
}

// workers reads the state of all workers at each scrape.
type workers struct {
	byVariant           map[router.Variant]Worker
	up, state, restarts *prometheus.Desc
	cells, evicted      *prometheus.Desc
}

func newWorkers(byVariant map[router.Variant]Worker) *workers {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prefix+name, help, append([]string{labelVariant}, labels...), nil)
	}
	return &workers{
		byVariant: byVariant,
		up:        desc("worker_up", "1 while the process that holds the weights is ready, else 0."),
		state:     desc("worker_state", "1 for the state that the weights are in, 0 for the others.", "state"),
		restarts:  desc("worker_restarts_total", "How often the process has ended and was started again."),
		cells:     desc("kv_cells", "Cells of the KV cache: live for requests, parked for prompts to come, or free.", "state"),
		evicted:   desc("kv_cells_evicted_total", "Parked cells that were given up since the process was started."),
	}
}

// Describe implements prometheus.Collector.
func (w *workers) Describe(out chan<- *prometheus.Desc) {
	out <- w.up
	out <- w.state
	out <- w.restarts
	out <- w.cells
	out <- w.evicted
}

// Collect implements prometheus.Collector.
func (w *workers) Collect(out chan<- prometheus.Metric) {
	for v, worker := range w.byVariant {
		state, restarts := worker.Health()
		out <- prometheus.MustNewConstMetric(w.up, prometheus.GaugeValue, flag(state == engine.StateReady), string(v))
		for _, s := range engine.States() {
			out <- prometheus.MustNewConstMetric(w.state, prometheus.GaugeValue, flag(s == state), string(v), string(s))
		}
		out <- prometheus.MustNewConstMetric(w.restarts, prometheus.CounterValue, float64(restarts), string(v))
		cells := worker.Cells()
		for state, n := range map[string]int{"live": cells.Live, "parked": cells.Parked, "free": cells.Free} {
			out <- prometheus.MustNewConstMetric(w.cells, prometheus.GaugeValue, float64(n), string(v), state)
		}
		out <- prometheus.MustNewConstMetric(w.evicted, prometheus.CounterValue, float64(cells.Evicted), string(v))
	}
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}
