package drive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/qwenvld/qwenvld/internal/loadtest/measure"
	"github.com/qwenvld/qwenvld/internal/loadtest/scenario"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server answers each request by its prompt: "N" gets N texts, pace apart, "endless" goes on until the client
// leaves, "refuse" is refused.
type server struct {
	*httptest.Server
	pace time.Duration

	mu     sync.Mutex
	log    []string // what happened, in order
	bodies []map[string]any
	atOnce int
	most   int
	cells  string
}

func newServer(t *testing.T, pace time.Duration) *server {
	t.Helper()
	s := &server{pace: pace}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

func (s *server) enter(body map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bodies = append(s.bodies, body)
	s.atOnce++
	s.most = max(s.most, s.atOnce)
}

func (s *server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.atOnce--
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/v1/models":
		fmt.Fprint(w, `{"data":[{"id":"m"},{"id":"n"}]}`)
		return
	case "/metrics":
		fmt.Fprint(w, s.cells)
		return
	}
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body)
	prompt := body["messages"].([]any)[0].(map[string]any)["content"].(string)
	s.enter(body)
	defer s.leave()
	s.note("begin %s", prompt)
	defer s.note("end %s", prompt)
	if prompt == "refuse" {
		http.Error(w, `{"error":{"message":"no"}}`, http.StatusServiceUnavailable)
		return
	}
	tick := time.NewTicker(s.pace)
	defer tick.Stop()
	n := 0
	if _, err := fmt.Sscan(prompt, &n); err != nil {
		n = 1 << 30
	}
	send(w, `{"choices":[{"delta":{"content":""}}]}`)
	for i := range n {
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
		kind := "content"
		if i == 0 {
			kind = "reasoning_content"
		}
		send(w, `{"choices":[{"delta":{"`+kind+`":"x"}}]}`)
	}
	send(w, `{"choices":[{"delta":{},"finish_reason":"length"}]}`)
	send(w, fmt.Sprintf(`{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":%d,"prompt_tokens_details":{"cached_tokens":3}}}`, n))
	send(w, "[DONE]")
}

func send(w http.ResponseWriter, data string) {
	fmt.Fprintf(w, "data: %s\n\n", data)
	_ = http.NewResponseController(w).Flush()
}

func question(role, prompt string) scenario.Ask {
	return scenario.Ask{Role: role, Body: scenario.Body{"messages": []map[string]string{{"role": "user", "content": prompt}}}}
}

func play(t *testing.T, s *server, stages ...scenario.Stage) *measure.Run {
	t.Helper()
	d := Driver{Timeout: time.Minute}
	run, err := d.Play(t.Context(), &Target{Name: "a", URL: s.URL, Model: "m"}, stages)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func TestAnAnswerIsTimedFromItsRequestToItsEnd(t *testing.T) {
	const pace = 5 * time.Millisecond
	run := play(t, newServer(t, pace), scenario.Stage{Asks: []scenario.Ask{question("a", "4")}})
	got := run.Traces[0]
	if len(got.Texts) != 4 || !got.Texts[0].Reasoning || got.Texts[1].Reasoning {
		t.Fatalf("texts %+v", got.Texts)
	}
	// A busy machine makes times longer, never shorter.
	if first, _ := got.First(); first < pace/2 {
		t.Errorf("the first token came after %v", first)
	}
	for before, text := range slices.All(got.Texts[1:]) {
		if text.At < got.Texts[before].At {
			t.Errorf("texts run backwards: %+v", got.Texts)
		}
	}
	if took := got.Ended - got.Sent; took < 3*pace || run.Took != took {
		t.Errorf("the answer took %v, the run %v", took, run.Took)
	}
	got.Sent, got.Ended, got.Texts = 0, 0, nil
	want := measure.Trace{Role: "a", PromptTokens: 7, CachedTokens: 3, CompletionTokens: 4, Finish: "length"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatArrivesBesideStreamsComesWhenAllOfThemRunAndEndsThem(t *testing.T) {
	s := newServer(t, time.Millisecond)
	run := play(t, s, scenario.Stage{
		Texts: 3, Beside: []scenario.Ask{question("stream", "endless"), question("stream", "endless")}, Asks: []scenario.Ask{question("late", "5")},
	}, scenario.Stage{Asks: []scenario.Ask{question("next", "2")}})
	late := run.Traces[2]
	for _, stream := range run.Traces[:2] {
		if !stream.Cancelled || stream.Failure != "" {
			t.Errorf("the stream was not left: %+v", stream)
		}
		if len(stream.Texts) < 3 || stream.Texts[2].At > late.Sent {
			t.Errorf("the late one was sent at %v, before a stream had three texts: %v", late.Sent, stream.Texts)
		}
		if stream.From > late.Sent || stream.To < late.Ended {
			t.Errorf("gaps count from %v to %v, not while the late one was asked (%v to %v)", stream.From, stream.To, late.Sent, late.Ended)
		}
	}
	if late.Cancelled || late.CompletionTokens != 5 || run.Traces[3].CompletionTokens != 2 {
		t.Errorf("%+v, %+v", late, run.Traces[3])
	}
}

func TestAStreamThatEndsTooSoonHoldsNobodyUp(t *testing.T) {
	run := play(t, newServer(t, time.Millisecond), scenario.Stage{
		Texts: 3, Beside: []scenario.Ask{question("stream", "1"), question("stream", "refuse")}, Asks: []scenario.Ask{question("late", "1")},
	})
	if run.Traces[0].Cancelled || run.Traces[1].Failure == "" || run.Traces[2].CompletionTokens != 1 {
		t.Errorf("%+v", run.Traces)
	}
}

func TestClientsLeave(t *testing.T) {
	s := newServer(t, time.Millisecond)
	soon, now := question("soon", "endless"), question("now", "endless")
	soon.LeaveAfter, now.LeaveAt = 2, time.Nanosecond
	run := play(t, s, scenario.Stage{Asks: []scenario.Ask{soon, now}})
	for _, trace := range run.Traces {
		if !trace.Cancelled || trace.Failure != "" {
			t.Errorf("%+v", trace)
		}
	}
	if n := len(run.Traces[0].Texts); n < 2 {
		t.Errorf("the client left after %d texts", n)
	}
}

func TestNoMoreThanTheLimitAreOnTheirWay(t *testing.T) {
	s := newServer(t, time.Millisecond)
	var asks []scenario.Ask
	for range 9 {
		asks = append(asks, question("a", "2"))
	}
	run := play(t, s, scenario.Stage{Asks: asks, Limit: 3})
	s.Close()
	if len(run.Traces) != 9 || s.most > 3 {
		t.Errorf("%d answers, %d at once", len(run.Traces), s.most)
	}
}

func TestArrivalsKeepTheirTimes(t *testing.T) {
	one, two := question("a", "1"), question("a", "1")
	two.At = 30 * time.Millisecond
	run := play(t, newServer(t, time.Millisecond), scenario.Stage{Asks: []scenario.Ask{one, two}})
	if apart := run.Traces[1].Sent - run.Traces[0].Sent; apart < 20*time.Millisecond {
		t.Errorf("they were sent %v apart", apart)
	}
}

func TestAFailureIsPartOfWhatIsMeasured(t *testing.T) {
	run := play(t, newServer(t, time.Millisecond), scenario.Stage{Asks: []scenario.Ask{question("a", "refuse"), question("a", "1")}})
	if !strings.Contains(run.Traces[0].Failure, "no") || run.Traces[1].Failure != "" {
		t.Errorf("%+v", run.Traces)
	}
}

func TestTheEndOfAllIsNoFailureOfAnAnswer(t *testing.T) {
	s := newServer(t, time.Millisecond)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	d := Driver{Timeout: time.Minute, Ended: func() { cancel(why) }}
	_, err := d.Play(ctx, &Target{Name: "a", URL: s.URL}, []scenario.Stage{{Asks: []scenario.Ask{question("a", "1")}}, {Asks: []scenario.Ask{question("a", "2")}}})
	s.Close()
	if !errors.Is(err, why) || slices.Contains(s.log, "begin 2") {
		t.Errorf("%v, %v", err, s.log)
	}
}

func TestRequestsAreMadeForTheirServer(t *testing.T) {
	us, rival := newServer(t, time.Millisecond), newServer(t, time.Millisecond)
	target := &Target{Name: "a", URL: us.URL, OtherURL: rival.URL, OtherModel: "thinking", Extra: map[string]any{"ignore_eos": true}}
	if err := target.FindModel(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := question("b", "1")
	other.Other = true
	d := Driver{Timeout: time.Minute}
	if _, err := d.Play(t.Context(), target, []scenario.Stage{{Asks: []scenario.Ask{question("a", "1"), other}}}); err != nil {
		t.Fatal(err)
	}
	for s, model := range map[*server]string{us: "m", rival: "thinking"} {
		s.Close()
		want := map[string]any{
			"model": model, "stream": true, "stream_options": map[string]any{"include_usage": true}, "ignore_eos": true,
			"messages": []any{map[string]any{"role": "user", "content": "1"}},
		}
		if diff := cmp.Diff([]map[string]any{want}, s.bodies); diff != "" {
			t.Errorf("%s (-want +got):\n%s", model, diff)
		}
	}
}

func TestCellsAreAwaited(t *testing.T) {
	s := newServer(t, time.Millisecond)
	target := &Target{Name: "a", URL: s.URL}
	if _, _, ok := target.AwaitFreeCells(t.Context()); ok {
		t.Error("there are cells without a gauge")
	}
	s.cells = "# TYPE qwenvld_kv_cells gauge\n" + `qwenvld_kv_cells{state="parked",variant="instruct"} 9` + "\n" +
		`qwenvld_kv_cells{state="live",variant="instruct"} 3` + "\n" + `qwenvld_kv_cells{state="live",variant="thinking"} 4` + "\n"
	if n, err := target.liveCells(t.Context()); n != 7 || err != nil {
		t.Errorf("%v, %v", n, err)
	}
}

func TestCellsAreFreeWhenTheGaugeStaysAtNothing(t *testing.T) {
	for name, c := range map[string]struct {
		gauge []float64 // the last one stays
		live  float64
		took  time.Duration
	}{
		"at once":         {[]float64{0}, 0, 0},
		"after a while":   {[]float64{5, 5, 0}, 0, 2 * gaugeInterval},
		"not by one zero": {[]float64{0, 5, 0, 0, 5, 0}, 0, 5 * gaugeInterval},
		"never":           {[]float64{5}, 5, longestFree},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := -1
				live, took, ok := awaitZero(t.Context(), func(context.Context) (float64, error) {
					i = min(i+1, len(c.gauge)-1)
					return c.gauge[i], nil
				})
				if live != c.live || took != c.took || !ok {
					t.Errorf("%v cells after %v, %v", live, took, ok)
				}
			})
		})
	}
}
