package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// generations are the instruments of what engines do.
type generations struct {
	ended       *prometheus.CounterVec
	inFlight    *prometheus.GaugeVec
	answers     *prometheus.CounterVec
	blocks      *prometheus.CounterVec
	prompt      *prometheus.CounterVec
	cached      *prometheus.CounterVec
	completion  *prometheus.CounterVec
	abandoned   *prometheus.CounterVec
	thoughts    prometheus.Histogram
	duration    *prometheus.HistogramVec
	firstToken  *prometheus.HistogramVec
	firstAnswer *prometheus.HistogramVec
	perToken    *prometheus.HistogramVec
	gaps        *prometheus.HistogramVec
	engineQueue *prometheus.HistogramVec
	encode      *prometheus.HistogramVec
	prefill     *prometheus.HistogramVec
}

const (
	outcomeCompleted = "completed"
	outcomeCancelled = "cancelled"
	outcomeFailed    = "failed"

	kindText      = "text"
	kindImage     = "image"
	kindVideo     = "video"
	kindAnswer    = "answer"
	kindReasoning = "reasoning"
)

// closers are the values of engine.Result.ThinkingClosedBy.
func closers() []string { return []string{"model", "budget", "loop", "end_token", "client"} }

// endRepetition stands for an answer that was ended because it only repeated itself.
const endRepetition = "repetition"

// ends are the reasons to finish an answer.
func ends() []string {
	return []string{string(engine.FinishStop), string(engine.FinishLength), endRepetition}
}

func endOf(r *engine.Result) string {
	if r.Repetition {
		return endRepetition
	}
	return string(r.FinishReason)
}

func newGenerations(m *Metrics) generations {
	g := generations{
		ended: counters(m, "generations_total", "Generations that have ended: completed, cancelled by the client, or failed.",
			labelEndpoint, labelVariant, "outcome"),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: prefix + "generations_in_flight",
			Help: "Generations that wait for an engine or run in it, background responses included.",
		}, []string{labelVariant}),
		answers: counters(m, "answers_total", "Answers that were completed, by why they ended.", labelVariant, "finish_reason"),
		blocks: counters(m, "thinking_blocks_total",
			"Think blocks by what closed them: the model, the budget, a loop, a client that would not wait, or an end token inside.",
			"closed_by"),
		prompt: counters(m, "prompt_tokens_total", "Tokens of prompts, those from a cache included.", labelVariant, "kind"),
		cached: counters(m, "cached_prompt_tokens_total", "Tokens of prompts that came from a cache.", labelVariant),
		completion: counters(m, "completion_tokens_total", "Tokens of completed answers, reasoning apart from the rest.",
			labelVariant, "kind"),
		abandoned: counters(m, "abandoned_tokens_total",
			"About how many tokens had been produced of answers that nobody got: cancelled, failed, or replaced by second thoughts.",
			labelVariant),
		thoughts: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: prefix + "thinking_block_tokens", Help: "Tokens of a think block.", Buckets: prometheus.ExponentialBuckets(16, 2, 12),
		}),
		duration: histograms(m, "generation_duration_seconds", "Time from a request to the end of its last answer, if completed.",
			secondsBuckets(), labelEndpoint, labelVariant),
		firstToken: histograms(m, "time_to_first_token_seconds", "Time from a request to its first token, of reasoning or of the answer.",
			secondsBuckets(), labelEndpoint, labelVariant),
		firstAnswer: histograms(m, "time_to_answer_seconds", "Time from a request to the first token of the answer, after any reasoning.",
			secondsBuckets(), labelEndpoint, labelVariant),
		perToken: histograms(m, "time_per_token_seconds", "Mean time between the tokens of a completed answer.",
			prometheus.ExponentialBuckets(0.001, 2, 12), labelEndpoint, labelVariant),
		gaps: histograms(m, "time_between_tokens_seconds", "Time between two tokens of an answer, as they come from the engine.",
			prometheus.ExponentialBuckets(0.001, 2, 15), labelVariant),
		engineQueue: histograms(m, "worker_queue_wait_seconds",
			"Time that an answer waited in the worker for its first rows to be computed.", secondsBuckets(), labelVariant),
		encode: histograms(m, "image_encode_seconds",
			"Time from when the first picture of an answer's prompt began to be encoded until the last one was, if any had to be.",
			secondsBuckets(), labelVariant),
		prefill: histograms(m, "prefill_seconds", "Time from the worker's queue to the first token: the prompt is computed.",
			secondsBuckets(), labelVariant),
	}
	register(m, g.inFlight)
	register(m, g.thoughts)
	for _, v := range variants() {
		g.inFlight.WithLabelValues(v)
		g.cached.WithLabelValues(v)
		g.abandoned.WithLabelValues(v)
		for _, kind := range []string{kindText, kindImage, kindVideo} {
			g.prompt.WithLabelValues(v, kind)
		}
		for _, kind := range []string{kindAnswer, kindReasoning} {
			g.completion.WithLabelValues(v, kind)
		}
		for _, end := range ends() {
			g.answers.WithLabelValues(v, end)
		}
	}
	for _, c := range closers() {
		g.blocks.WithLabelValues(c)
	}
	return g
}

// Start is what is known of a generation when it begins.
type Start struct {
	// Endpoint is the pattern of the route that asked.
	Endpoint string
	Variant  router.Variant
	// At is when the request came, by the clock of Options.
	At time.Time
	// Answers are all that were asked for, PerPrompt those that share a prompt, whose tokens count once.
	Answers, PerPrompt int
}

// Generation is the work that one request gives an engine, from Begin to End. It is not safe for concurrent use.
type Generation struct {
	m       *Metrics
	start   Start
	variant string
	first   time.Duration // after Start.At
	begun   bool          // a token came
	content bool          // one of no reasoning
	whole   bool          // see Settled
	ended   int
	answers []answer
	gaps    prometheus.Observer
}

// answer is how far one of a generation's answers has come.
type answer struct {
	first  time.Time
	last   time.Time // of a token
	tokens int       // about: the events so far
	ended  bool
}

// Abandoned counts tokens that were produced for nothing.
func (m *Metrics) Abandoned(v router.Variant, tokens int) {
	m.generations.abandoned.WithLabelValues(string(v)).Add(float64(tokens))
}

// Begin counts a generation as in flight. End must be called.
func (m *Metrics) Begin(s Start) *Generation {
	g := &Generation{m: m, start: s, variant: string(s.Variant), answers: make([]answer, s.Answers)}
	g.gaps = m.generations.gaps.WithLabelValues(g.variant)
	m.generations.inFlight.WithLabelValues(g.variant).Inc()
	return g
}

// Settled says who answers after all, and whether the answers were waited for as a whole, so that their events tell
// nothing of the time that they took. It comes before the first event.
func (g *Generation) Settled(v router.Variant, whole bool) {
	g.whole = whole
	g.m.generations.inFlight.WithLabelValues(g.variant).Dec()
	g.start.Variant, g.variant = v, string(v)
	g.gaps = g.m.generations.gaps.WithLabelValues(g.variant)
	g.m.generations.inFlight.WithLabelValues(g.variant).Inc()
}

// Event notes an event of an answer; content says that some of it is no reasoning.
func (g *Generation) Event(answer int, ev *engine.Event, content bool) {
	if ev.Timing != nil {
		g.timed(ev.Timing)
	}
	a := &g.answers[answer]
	a.tokens++
	if ev.Text != "" && !g.whole {
		now := g.m.now()
		if !a.last.IsZero() {
			g.gaps.Observe(now.Sub(a.last).Seconds())
		}
		a.last = now
	}
	if a.first.IsZero() && (ev.Text != "" || ev.Result != nil) {
		a.first = g.m.now()
		if !g.begun {
			g.begun, g.first = true, a.first.Sub(g.start.At)
			g.observe(g.m.generations.firstToken, g.first)
		}
	}
	if content && !g.content {
		g.content = true
		g.observe(g.m.generations.firstAnswer, g.m.now().Sub(g.start.At))
	}
	if ev.Result != nil {
		g.end(answer, ev.Result)
	}
}

// timed notes what an answer's first token waited for in the worker.
func (g *Generation) timed(t *engine.Timing) {
	i := &g.m.generations
	i.engineQueue.WithLabelValues(g.variant).Observe(t.Queued.Seconds())
	i.prefill.WithLabelValues(g.variant).Observe((t.FirstToken - t.Queued).Seconds())
	if t.EncodeEnd > 0 {
		i.encode.WithLabelValues(g.variant).Observe((t.EncodeEnd - t.EncodeBegin).Seconds())
	}
}

// FirstToken is how long the first token took, 0 as long as none came.
func (g *Generation) FirstToken() time.Duration { return g.first }

func (g *Generation) observe(h *prometheus.HistogramVec, d time.Duration) {
	h.WithLabelValues(g.start.Endpoint, g.variant).Observe(d.Seconds())
}

// end counts an answer that is complete.
func (g *Generation) end(answer int, r *engine.Result) {
	i, a := &g.m.generations, &g.answers[answer]
	a.ended = true
	g.ended++
	i.answers.WithLabelValues(g.variant, oneOf(ends(), endOf(r))).Inc()
	u := &r.Usage
	if answer%max(1, g.start.PerPrompt) == 0 {
		i.prompt.WithLabelValues(g.variant, kindText).Add(float64(max(0, u.PromptTokens-u.ImageTokens-u.VideoTokens)))
		i.prompt.WithLabelValues(g.variant, kindImage).Add(float64(u.ImageTokens))
		i.prompt.WithLabelValues(g.variant, kindVideo).Add(float64(u.VideoTokens))
		i.cached.WithLabelValues(g.variant).Add(float64(u.CachedTokens))
	}
	i.completion.WithLabelValues(g.variant, kindAnswer).Add(float64(max(0, u.CompletionTokens-u.ReasoningTokens)))
	i.completion.WithLabelValues(g.variant, kindReasoning).Add(float64(u.ReasoningTokens))
	if r.ThinkingClosedBy != "" {
		i.blocks.WithLabelValues(oneOf(closers(), r.ThinkingClosedBy)).Inc()
		i.thoughts.Observe(float64(u.ReasoningTokens))
	}
	if u.CompletionTokens > 1 && !g.whole {
		g.observe(i.perToken, g.m.now().Sub(a.first)/time.Duration(u.CompletionTokens-1))
	}
	if g.ended == len(g.answers) {
		g.observe(i.duration, g.m.now().Sub(g.start.At))
	}
}

// End takes the generation out of flight. Without all of its answers it was cancelled by the client, or it failed.
func (g *Generation) End(cancelled bool) {
	i := &g.m.generations
	i.inFlight.WithLabelValues(g.variant).Dec()
	outcome := outcomeCompleted
	switch {
	case g.ended == len(g.answers):
	case cancelled:
		outcome = outcomeCancelled
	default:
		outcome = outcomeFailed
	}
	i.ended.WithLabelValues(g.start.Endpoint, g.variant, outcome).Inc()
	for n := range g.answers {
		if a := &g.answers[n]; !a.ended {
			g.m.Abandoned(g.start.Variant, a.tokens)
		}
	}
}
