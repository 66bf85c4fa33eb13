package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/qwenvld/qwenvld/router"
)

// Worker is a process that holds one set of weights.
type Worker interface {
	// Health says whether the process is ready, and how often one has ended and was started again. It must not block.
	Health() (ready bool, restarts int64)
}

// workers reads the state of all workers at each scrape.
type workers struct {
	byVariant    map[router.Variant]Worker
	up, restarts *prometheus.Desc
}

func newWorkers(byVariant map[router.Variant]Worker) *workers {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prefix+name, help, []string{labelVariant}, nil)
	}
	return &workers{
		byVariant: byVariant,
		up:        desc("worker_up", "1 while the process that holds the weights is ready, else 0."),
		restarts:  desc("worker_restarts_total", "How often the process has ended and was started again."),
	}
}

// Describe implements prometheus.Collector.
func (w *workers) Describe(out chan<- *prometheus.Desc) {
	out <- w.up
	out <- w.restarts
}

// Collect implements prometheus.Collector.
func (w *workers) Collect(out chan<- prometheus.Metric) {
	for v, worker := range w.byVariant {
		ready, restarts := worker.Health()
		up := 0.0
		if ready {
			up = 1
		}
		out <- prometheus.MustNewConstMetric(w.up, prometheus.GaugeValue, up, string(v))
		out <- prometheus.MustNewConstMetric(w.restarts, prometheus.CounterValue, float64(restarts), string(v))
	}
}
