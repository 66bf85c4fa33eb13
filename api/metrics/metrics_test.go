package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// clock is a time that the test sets.
type clock struct{ now time.Time }

func (c *clock) after(d time.Duration) { c.now = c.now.Add(d) }

func newMetrics(o Options) (*Metrics, *clock) {
	c := &clock{now: time.Unix(1000, 0)}
	o.Now = func() time.Time { return c.now }
	return New(o), c
}

// described are the names and labels of all instruments, as "name: a, b".
func described(t *testing.T, m *Metrics) []string {
	t.Helper()
	all := make(chan *prometheus.Desc, 1000)
	for _, c := range m.own {
		c.Describe(all)
	}
	close(all)
	form := regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
	var out []string
	for d := range all {
		found := form.FindStringSubmatch(d.String())
		if found == nil {
			t.Fatalf("cannot read %s", d)
		}
		out = append(out, found[1]+": "+strings.Join(strings.Split(found[2], ","), ", "))
	}
	slices.Sort(out)
	return out
}

func TestEveryMetricIsInTheDocumentationAndTheReverse(t *testing.T) {
	page, err := os.ReadFile("../../docs/METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented, named []string
	row := regexp.MustCompile("(?m)^\\| `(qwenvld_[a-z_]+)` \\| (counter|gauge|histogram)(?:: ([^|]*))? \\| ")
	for _, r := range row.FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, r[1]+": "+strings.ReplaceAll(r[3], "`", ""))
		named = append(named, r[1])
		if counts := strings.HasSuffix(r[1], "_total"); counts != (r[2] == "counter") {
			t.Errorf("%s is a %s", r[1], r[2])
		}
	}
	slices.Sort(documented)
	m, _ := newMetrics(Options{})
	if diff := cmp.Diff(described(t, m), documented); diff != "" {
		t.Errorf("registered and documented differ (-registered +documented):\n%s", diff)
	}
	// The ready queries ask for nothing that is not there.
	for _, name := range regexp.MustCompile(`qwenvld_[a-z_]+`).FindAllString(string(page), -1) {
		plain := regexp.MustCompile(`_(sum|count|bucket)$`).ReplaceAllString(name, "")
		if !slices.Contains(named, name) && !slices.Contains(named, plain) {
			t.Errorf("%s is mentioned and does not exist", name)
		}
	}
	for _, c := range router.ReasonClasses() {
		if !strings.Contains(string(page), "`"+string(c)+"`") {
			t.Errorf("the reason %s is not explained", c)
		}
	}
}

func TestNamesAreThoseThatPrometheusAdvises(t *testing.T) {
	m, _ := newMetrics(Options{Workers: []Weights{{"m", router.Instruct, worker{state: engine.StateReady, restarts: 2}}}})
	m.Requested("/x", 200, time.Second)
	m.Failed("x")
	m.Carried(1, 1)
	m.Prepared(Image, Fetch)()
	m.Decided(&router.Decision{Variant: router.Thinking, Reasons: []string{"x"}, Uncertain: true})
	m.Routed(time.Millisecond)
	g := m.Begin(Start{Endpoint: "/x", Variant: router.Thinking, Answers: 1})
	g.Event(0, &engine.Event{Text: "a", Result: &engine.Result{Usage: engine.Usage{CompletionTokens: 2}}}, true)
	g.End(false)
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestTimesOfAGeneration(t *testing.T) {
	m, c := newMetrics(Options{})
	g := m.Begin(Start{Endpoint: "/x", Variant: router.Thinking, At: c.now, Answers: 1, PerPrompt: 1})
	c.after(2 * time.Second)
	g.Event(0, &engine.Event{}, false) // nothing to be seen yet
	c.after(time.Second)
	g.Event(0, &engine.Event{Text: "hm"}, false)
	c.after(4 * time.Second)
	g.Event(0, &engine.Event{Text: "42"}, true)
	c.after(4 * time.Second)
	g.Event(0, &engine.Event{Result: &engine.Result{Usage: engine.Usage{CompletionTokens: 5, ReasoningTokens: 2}, ThinkingClosedBy: "model"}}, false)
	if g.FirstToken() != 3*time.Second {
		t.Errorf("first token after %v", g.FirstToken())
	}
	c.after(time.Minute) // a reply that takes long to send is not the engine's
	g.End(true)
	want := ""
	for _, h := range []struct {
		name string
		sum  int
	}{{"generation_duration", 11}, {"time_per_token", 2}, {"time_to_answer", 7}, {"time_to_first_token", 3}, {"time_between_tokens", 4}} {
		got := sum(t, m, prefix+h.name+"_seconds")
		if got != float64(h.sum) {
			want += fmt.Sprintf("%s is %v, want %d\n", h.name, got, h.sum)
		}
	}
	if want != "" {
		t.Error(want)
	}
	if got := testutil.ToFloat64(m.generations.ended.WithLabelValues("/x", "thinking", outcomeCompleted)); got != 1 {
		t.Errorf("%v completed", got)
	}
}

// sum of a histogram that has one sample.
func sum(t *testing.T, m *Metrics, name string) float64 {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name && len(f.GetMetric()) == 1 && f.GetMetric()[0].GetHistogram().GetSampleCount() == 1 {
			return f.GetMetric()[0].GetHistogram().GetSampleSum()
		}
	}
	t.Fatalf("no single sample of %s", name)
	return 0
}

func TestWhatAnAnswerWaitedForInTheWorkerIsTold(t *testing.T) {
	m, _ := newMetrics(Options{})
	g := m.Begin(Start{Endpoint: "/x", Variant: router.Instruct, Answers: 2, PerPrompt: 2})
	g.Event(0, &engine.Event{Text: "a", Timing: &engine.Timing{
		Queued: 2 * time.Second, EncodeBegin: time.Second, EncodeEnd: 4 * time.Second, FirstToken: 7 * time.Second,
	}}, true)
	for name, want := range map[string]float64{"worker_queue_wait_seconds": 2, "image_encode_seconds": 3, "prefill_seconds": 5} {
		if got := sum(t, m, prefix+name); got != want {
			t.Errorf("%s: %v s, want %v", name, got, want)
		}
	}
	g.Event(1, &engine.Event{Text: "b", Timing: &engine.Timing{FirstToken: time.Second}}, true) // the picture was encoded by then
	if got := sum(t, m, prefix+"image_encode_seconds"); got != 3 {
		t.Errorf("%v s for a picture that was encoded before", got)
	}
}

func TestWordsOutsideTheSetsAreOther(t *testing.T) {
	m, _ := newMetrics(Options{})
	g := m.Begin(Start{Endpoint: "/x", Variant: router.Thinking, Answers: 1, PerPrompt: 1})
	g.Event(0, &engine.Event{Result: &engine.Result{FinishReason: "zebra", ThinkingClosedBy: "zebra"}}, false)
	g.End(false)
	m.Decided(&router.Decision{Variant: router.Thinking, Source: router.SourceRouter, Kind: "math", Reasons: []string{`"zebra"`, "sign zebra"}})
	for name, got := range map[string]float64{
		"end":    testutil.ToFloat64(m.generations.answers.WithLabelValues("thinking", unknown)),
		"closer": testutil.ToFloat64(m.generations.blocks.WithLabelValues(unknown)),
		"reason": testutil.ToFloat64(m.decisions.reasons.WithLabelValues("thinking", "prompt")),
	} {
		if got != 1 {
			t.Errorf("%s counted %v times", name, got)
		}
	}
}

func TestAnswersThatOnlyRepeatedThemselvesAreToldApart(t *testing.T) {
	m, _ := newMetrics(Options{})
	g := m.Begin(Start{Endpoint: "/x", Variant: router.Instruct, Answers: 1, PerPrompt: 1})
	g.Event(0, &engine.Event{Result: &engine.Result{FinishReason: engine.FinishLength, Repetition: true}}, false)
	g.End(false)
	for end, want := range map[string]float64{"repetition": 1, "length": 0} {
		if got := testutil.ToFloat64(m.generations.answers.WithLabelValues("instruct", end)); got != want {
			t.Errorf("%s: %v", end, got)
		}
	}
}

func TestConversationsThatStayAreNoEscalations(t *testing.T) {
	mode := func(v router.Variant) router.Mode { return router.Mode{Variant: v} }
	m, _ := newMetrics(Options{})
	for _, d := range []router.Decision{
		{Before: mode(""), Mode: mode(router.Thinking)},
		{Before: mode(router.Thinking), Mode: mode(router.Thinking)},
		{Before: mode(router.Instruct), Mode: mode(router.Instruct)},
	} {
		d.Source = router.SourceRouter
		m.Decided(&d)
	}
	for _, v := range variants() {
		if got := testutil.ToFloat64(m.decisions.moves.WithLabelValues(v, string(CauseTurn))); got != 0 {
			t.Errorf("%v to %s", got, v)
		}
	}
}

type worker struct {
	state    engine.State
	restarts int64
	cells    engine.Cells
}

func (w worker) Health() (engine.State, int64) { return w.state, w.restarts }
func (w worker) Cells() engine.Cells           { return w.cells }
func (w worker) Guesses() engine.Guesses       { return engine.Guesses{Made: 9, Held: 7} }
func (w worker) Pictures() engine.Pictures     { return engine.Pictures{Encoded: 4, Memory: 5, Folder: 6} }
func (worker) Resident() int64                 { return 4 << 20 }
func (worker) Memory() map[string]int64        { return map[string]int64{"host": 1 << 20} }

func TestMemoryIsThatOfLoadedWeights(t *testing.T) {
	for state, want := range map[engine.State]int{engine.StateReady: 1 << 20, engine.StateUnloading: 1 << 20, engine.StateUnloaded: 0, engine.StateFailed: 0} {
		m, _ := newMetrics(Options{Workers: []Weights{{"m", router.Instruct, worker{state: state}}}})
		want := fmt.Sprintf(`# HELP qwenvld_weights_memory_bytes What the weights take with caches and buffers, as is estimated before they are loaded; 0 while they are not.
# TYPE qwenvld_weights_memory_bytes gauge
qwenvld_weights_memory_bytes{device="host",model="m",variant="instruct"} %d
`, want)
		if err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), "qwenvld_weights_memory_bytes"); err != nil {
			t.Error(err)
		}
	}
}

func TestCellsOfTheCacheAreCounted(t *testing.T) {
	w := worker{state: engine.StateReady, cells: engine.Cells{Live: 3, Parked: 5, Free: 8, Evicted: 7, Preemptions: 4}}
	m, _ := newMetrics(Options{Workers: []Weights{{"m", router.Instruct, w}}, Version: "v1", RouterVersion: "r1"})
	server := httptest.NewServer(m)
	defer server.Close()
	want := `# HELP qwenvld_kv_cells Cells of the KV cache: live for requests, parked for prompts to come, or free.
# TYPE qwenvld_kv_cells gauge
qwenvld_kv_cells{model="m",state="free",variant="instruct"} 8
qwenvld_kv_cells{model="m",state="live",variant="instruct"} 3
qwenvld_kv_cells{model="m",state="parked",variant="instruct"} 5
# HELP qwenvld_kv_cells_evicted_total Parked cells that were given up since the process was started.
# TYPE qwenvld_kv_cells_evicted_total counter
qwenvld_kv_cells_evicted_total{model="m",variant="instruct"} 7
# HELP qwenvld_preemptions_total How often a request gave its cells up for others, to be computed again, since the process was started.
# TYPE qwenvld_preemptions_total counter
qwenvld_preemptions_total{model="m",variant="instruct"} 4
# HELP qwenvld_worker_resident_bytes Memory that the process takes, with the files that it maps.
# TYPE qwenvld_worker_resident_bytes gauge
qwenvld_worker_resident_bytes{model="m",variant="instruct"} 4.194304e+06
`
	names := []string{"qwenvld_kv_cells", "qwenvld_kv_cells_evicted_total", "qwenvld_preemptions_total", "qwenvld_worker_resident_bytes"}
	if err := testutil.ScrapeAndCompare(server.URL, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

func TestGuessedTokensAreCounted(t *testing.T) {
	m, _ := newMetrics(Options{Workers: []Weights{{"m", router.Instruct, worker{state: engine.StateReady}}}})
	want := `# HELP qwenvld_speculative_tokens_total Tokens of answers that were guessed and computed ahead since the process was started: ` +
		`accepted into the answer, or rejected.
# TYPE qwenvld_speculative_tokens_total counter
qwenvld_speculative_tokens_total{model="m",outcome="accepted",variant="instruct"} 7
qwenvld_speculative_tokens_total{model="m",outcome="rejected",variant="instruct"} 2
`
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), "qwenvld_speculative_tokens_total"); err != nil {
		t.Error(err)
	}
}

func TestWorkersAreAskedAtEachScrape(t *testing.T) {
	w := &worker{state: engine.StateLoading}
	m, _ := newMetrics(Options{Workers: []Weights{{"m", router.Instruct, w}, {"m", router.Thinking, worker{state: engine.StateReady}}}, Version: "v1", RouterVersion: "r1"})
	server := httptest.NewServer(m)
	defer server.Close()
	check := func(want string) {
		t.Helper()
		if err := testutil.ScrapeAndCompare(server.URL, strings.NewReader(want), "qwenvld_worker_up", "qwenvld_worker_state", "qwenvld_worker_restarts_total"); err != nil {
			t.Error(err)
		}
	}
	const form = `# HELP qwenvld_worker_restarts_total How often the process has ended and was started again.
# TYPE qwenvld_worker_restarts_total counter
qwenvld_worker_restarts_total{model="m",variant="instruct"} %d
qwenvld_worker_restarts_total{model="m",variant="thinking"} 0
# HELP qwenvld_worker_state 1 for the state that the weights are in, 0 for the others.
# TYPE qwenvld_worker_state gauge
qwenvld_worker_state{model="m",state="loading",variant="instruct"} %d
qwenvld_worker_state{model="m",state="ready",variant="instruct"} %d
qwenvld_worker_state{model="m",state="stalled",variant="instruct"} 0
qwenvld_worker_state{model="m",state="restarting",variant="instruct"} 0
qwenvld_worker_state{model="m",state="failed",variant="instruct"} 0
qwenvld_worker_state{model="m",state="stopped",variant="instruct"} 0
qwenvld_worker_state{model="m",state="downloading",variant="instruct"} 0
qwenvld_worker_state{model="m",state="unloaded",variant="instruct"} 0
qwenvld_worker_state{model="m",state="unloading",variant="instruct"} 0
qwenvld_worker_state{model="m",state="loading",variant="thinking"} 0
qwenvld_worker_state{model="m",state="ready",variant="thinking"} 1
qwenvld_worker_state{model="m",state="stalled",variant="thinking"} 0
qwenvld_worker_state{model="m",state="restarting",variant="thinking"} 0
qwenvld_worker_state{model="m",state="failed",variant="thinking"} 0
qwenvld_worker_state{model="m",state="stopped",variant="thinking"} 0
qwenvld_worker_state{model="m",state="downloading",variant="thinking"} 0
qwenvld_worker_state{model="m",state="unloaded",variant="thinking"} 0
qwenvld_worker_state{model="m",state="unloading",variant="thinking"} 0
# HELP qwenvld_worker_up 1 while the process that holds the weights is ready, else 0.
# TYPE qwenvld_worker_up gauge
qwenvld_worker_up{model="m",variant="instruct"} %d
qwenvld_worker_up{model="m",variant="thinking"} 1
`
	check(fmt.Sprintf(form, 0, 1, 0, 0))
	w.state, w.restarts = engine.StateReady, 3
	check(fmt.Sprintf(form, 3, 0, 1, 1))
	if got := testutil.CollectAndCount(m.registry, "qwenvld_build_info"); got != 1 {
		t.Errorf("%d builds", got)
	}
}

func TestWaitsForAPlaceAreTold(t *testing.T) {
	m, _ := newMetrics(Options{})
	m.Held(3 * time.Second)
	if got := sum(t, m, prefix+"weights_wait_seconds"); got != 3 {
		t.Errorf("waited %v s for weights", got)
	}
	m.Admitted(2 * time.Second)
	if got := sum(t, m, prefix+"queue_wait_seconds"); got != 2 {
		t.Errorf("waited %v s", got)
	}
	m.Admitted(0)
	m.Released()
	if got := testutil.ToFloat64(m.inFlight); got != 1 {
		t.Errorf("%v in flight", got)
	}
}

// What a request of 100 events costs in all.
func BenchmarkRequest(b *testing.B) {
	m := New(Options{})
	d := router.Decision{Variant: router.Thinking, Source: router.SourceRouter, Kind: "math", Reasons: []string{`"a"`, "sign +", "equations"}, Gain: 0.3}
	text := engine.Event{Text: "a"}
	last := engine.Event{Result: &engine.Result{
		FinishReason: engine.FinishStop, ThinkingClosedBy: "model",
		Usage: engine.Usage{PromptTokens: 100, CompletionTokens: 100, ReasoningTokens: 60},
	}}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Admitted(2 * time.Second)
			m.Routed(time.Microsecond)
			m.Decided(&d)
			m.Carried(1, 0)
			g := m.Begin(Start{Endpoint: "/v1/chat/completions", Variant: d.Variant, At: time.Now(), Answers: 1, PerPrompt: 1})
			for i := range 99 {
				g.Event(0, &text, i >= 60)
			}
			g.Event(0, &last, false)
			g.End(false)
			m.Requested("/v1/chat/completions", http.StatusOK, time.Second)
			m.Released()
		}
	})
}
