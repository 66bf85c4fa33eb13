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
	// Guesses counts the tokens that it computed ahead. It must not block.
	Guesses() engine.Guesses
	// Pictures counts those whose rows were needed. It must not block.
	Pictures() engine.Pictures
	// Memory tells what the weights take while they are loaded, in bytes, by device. It must not block.
	Memory() map[string]int64
	// Resident is how many bytes of the process are in memory, 0 where that is not known. It must not block.
	Resident() int64
}

// Weights is a set of weights and what holds it.
type Weights struct {
	// Model is the id of the pair that it is a Variant of.
	Model   string
	Variant router.Variant
	Worker  Worker
}

// workers reads the state of all workers at each scrape.
type workers struct {
	all                 []Weights
	up, state, restarts *prometheus.Desc
	cells, evicted      *prometheus.Desc
	memory, resident    *prometheus.Desc
	preemptions         *prometheus.Desc
	guesses, pictures   *prometheus.Desc
}

func newWorkers(all []Weights) *workers {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prefix+name, help, append([]string{labelModel, labelVariant}, labels...), nil)
	}
	return &workers{
		all:      all,
		up:       desc("worker_up", "1 while the process that holds the weights is ready, else 0."),
		state:    desc("worker_state", "1 for the state that the weights are in, 0 for the others.", "state"),
		restarts: desc("worker_restarts_total", "How often the process has ended and was started again."),
		cells:    desc("kv_cells", "Cells of the KV cache: live for requests, parked for prompts to come, or free.", "state"),
		memory: desc("weights_memory_bytes",
			"What the weights take with caches and buffers, as is estimated before they are loaded; 0 while they are not.", "device"),
		evicted: desc("kv_cells_evicted_total", "Parked cells that were given up since the process was started."),
		guesses: desc("speculative_tokens_total",
			"Tokens of answers that were guessed and computed ahead since the process was started: accepted into the answer, or rejected.",
			"outcome"),
		pictures: desc("pictures_total",
			"Pictures and pairs of frames by where their rows came from since the process was started: encoded by it, at hand in its "+
				"memory, or in the folder that it shares with others.", "source"),
		resident: desc("worker_resident_bytes", "Memory that the process takes, with the files that it maps."),
		preemptions: desc("preemptions_total",
			"How often a request gave its cells up for others, to be computed again, since the process was started."),
	}
}

// Describe implements prometheus.Collector.
func (w *workers) Describe(out chan<- *prometheus.Desc) {
	out <- w.up
	out <- w.state
	out <- w.restarts
	out <- w.cells
	out <- w.evicted
	out <- w.memory
	out <- w.guesses
	out <- w.pictures
	out <- w.resident
	out <- w.preemptions
}

// Collect implements prometheus.Collector.
func (w *workers) Collect(out chan<- prometheus.Metric) {
	for i := range w.all {
		model, v, worker := w.all[i].Model, w.all[i].Variant, w.all[i].Worker
		state, restarts := worker.Health()
		out <- prometheus.MustNewConstMetric(w.up, prometheus.GaugeValue, flag(state == engine.StateReady), model, string(v))
		for _, s := range engine.States() {
			out <- prometheus.MustNewConstMetric(w.state, prometheus.GaugeValue, flag(s == state), model, string(v), string(s))
		}
		out <- prometheus.MustNewConstMetric(w.restarts, prometheus.CounterValue, float64(restarts), model, string(v))
		cells := worker.Cells()
		for kind, n := range map[string]int{"live": cells.Live, "parked": cells.Parked, "free": cells.Free} {
			out <- prometheus.MustNewConstMetric(w.cells, prometheus.GaugeValue, float64(n), model, string(v), kind)
		}
		for device, bytes := range worker.Memory() {
			if !state.Occupies() {
				bytes = 0
			}
			out <- prometheus.MustNewConstMetric(w.memory, prometheus.GaugeValue, float64(bytes), model, string(v), device)
		}
		out <- prometheus.MustNewConstMetric(w.evicted, prometheus.CounterValue, float64(cells.Evicted), model, string(v))
		g := worker.Guesses()
		for outcome, n := range map[string]uint64{"accepted": g.Held, "rejected": g.Made - g.Held} {
			out <- prometheus.MustNewConstMetric(w.guesses, prometheus.CounterValue, float64(n), model, string(v), outcome)
		}
		p := worker.Pictures()
		for source, n := range map[string]uint64{"encoded": p.Encoded, "memory": p.Memory, "folder": p.Folder} {
			out <- prometheus.MustNewConstMetric(w.pictures, prometheus.CounterValue, float64(n), model, string(v), source)
		}
		out <- prometheus.MustNewConstMetric(w.preemptions, prometheus.CounterValue, float64(cells.Preemptions), model, string(v))
		if bytes := worker.Resident(); bytes > 0 {
			out <- prometheus.MustNewConstMetric(w.resident, prometheus.GaugeValue, float64(bytes), model, string(v))
		}
	}
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}
