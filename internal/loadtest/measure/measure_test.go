package measure

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const ms = time.Millisecond

// texts are arrivals at these milliseconds.
func texts(at ...int) []Text {
	var out []Text
	for _, a := range at {
		out = append(out, Text{At: time.Duration(a) * ms})
	}
	return out
}

func TestFiguresOfARun(t *testing.T) {
	thinking := texts(300, 400, 500)
	thinking[0].Reasoning = true
	got := Of(&Run{
		Took: 2 * time.Second, Extra: Figures{Resident: 7},
		Traces: []Trace{
			{Role: "a", Sent: 100 * ms, Ended: 600 * ms, Texts: thinking, PromptTokens: 20, CachedTokens: 4, CompletionTokens: 5, Finish: "length"},
			{Role: "a", Sent: 100 * ms, Ended: 800 * ms, Texts: texts(500, 800), PromptTokens: 40, CompletionTokens: 2, Finish: "stop"},
			{Role: "a", Sent: 100 * ms, Failure: "refused"},
			{Role: Aside, Texts: texts(1, 2), CompletionTokens: 100},
		},
	}, Objective{FirstToken: 300 * ms})
	want := Figures{
		"a.first_token": 0.3, "a.first_token_max": 0.4, "a.first_answer": 0.35, "a.whole": 0.6,
		"a.gap_p50": 0.1, "a.gap_p99": 0.296, "a.gap_max": 0.3,
		"a.prompt_rate": 100, "a.decode_rate": (4/0.2 + 1/0.3) / 2,
		"a.prompt_tokens": 30, "a.cached_tokens": 2, "a.answer_tokens": 7, "a.failures": 1, "a.ended_early": 1,
		"total": 2, "rate": 3.5, "good": 1. / 3, "good_rate": 0.5, "resident": 7,
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGapsCountAsFarAsTheyTouchTheTimeThatCounts(t *testing.T) {
	for name, c := range map[string]struct {
		trace Trace
		want  []time.Duration
	}{
		"all":                       {Trace{Texts: texts(10, 20, 40)}, []time.Duration{10 * ms, 20 * ms}},
		"one text has no gap":       {Trace{Texts: texts(10)}, nil},
		"none before the time":      {Trace{Texts: texts(10, 20, 40, 50), From: 30 * ms, To: 45 * ms}, []time.Duration{20 * ms, 10 * ms}},
		"silence from end to end":   {Trace{Texts: texts(10, 90), From: 30 * ms, To: 45 * ms}, []time.Duration{80 * ms}},
		"silence at the end":        {Trace{Texts: texts(10, 20), From: 15 * ms, To: 95 * ms, Cancelled: true}, []time.Duration{10 * ms, 75 * ms}},
		"an answer that was whole":  {Trace{Texts: texts(10, 20), From: 15 * ms, To: 95 * ms}, []time.Duration{10 * ms}},
		"an answer that never came": {Trace{From: 15 * ms, To: 95 * ms}, nil},
	} {
		if diff := cmp.Diff(c.want, c.trace.Gaps()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestGoodAnswersKeepTheObjective(t *testing.T) {
	slow := texts(100, 110, 120, 400)
	for name, c := range map[string]struct {
		o     Objective
		trace Trace
		want  bool
	}{
		"first token in time":  {Objective{FirstToken: 100 * ms}, Trace{Texts: slow}, true},
		"first token too late": {Objective{FirstToken: 99 * ms}, Trace{Texts: slow}, false},
		"gap too long":         {Objective{Gap: 200 * ms}, Trace{Texts: slow}, false},
		"gaps short enough":    {Objective{Gap: 300 * ms}, Trace{Texts: slow}, true},
		"failed":               {Objective{Gap: time.Hour}, Trace{Texts: slow, Failure: "x"}, false},
		"nothing came":         {Objective{Gap: time.Hour}, Trace{}, false},
	} {
		if got := c.o.kept(&c.trace); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestQuantiles(t *testing.T) {
	for _, c := range []struct {
		values  []float64
		q, want float64
	}{
		{[]float64{7}, 0.5, 7},
		{[]float64{3, 1, 2}, 0.5, 2},
		{[]float64{4, 1, 3, 2}, 0.5, 2.5},
		{[]float64{4, 1, 3, 2}, 0, 1},
		{[]float64{4, 1, 3, 2}, 1, 4},
		{[]float64{0, 100}, 0.99, 99},
	} {
		if got := Quantile(c.values, c.q); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v at %v: %v, want %v", c.values, c.q, got, c.want)
		}
	}
	if got := Quantile(nil, 0.5); !math.IsNaN(got) {
		t.Errorf("of nothing: %v", got)
	}
}

func TestAQuantileLiesAmongItsValuesAndGrows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		values := make([]float64, 1+rng.IntN(30))
		for i := range values {
			values[i] = rng.NormFloat64()
		}
		before := slices.Clone(values)
		last := slices.Min(values)
		for q := 0.0; q <= 1; q += 0.05 {
			got := Quantile(values, q)
			if got < last-1e-12 || got > slices.Max(values)+1e-12 {
				t.Fatalf("%v at %v: %v after %v", values, q, got, last)
			}
			last = got
		}
		if !slices.Equal(before, values) {
			t.Fatal("the values were moved")
		}
	}
}

func TestRatiosAreOfMediansAndSpreadOverRounds(t *testing.T) {
	us := []Figures{{"x": 1}, {"x": 2}, {"x": 9}}
	rival := []Figures{{"x": 4}, {"x": 4}, {"x": 3}}
	got, ok := Ratio(us, rival, "x")
	if want := (Spread{Median: 0.5, Least: 0.25, Most: 3}); !ok || got != want {
		t.Errorf("%v, %v", got, ok)
	}
	for name, base := range map[string][]Figures{
		"another number of rounds": rival[:2],
		"a round without it":       {{"x": 4}, {}, {"x": 3}},
		"division by nothing":      {{"x": 4}, {"x": 0}, {"x": 3}},
	} {
		if got, ok := Ratio(us, base, "x"); ok {
			t.Errorf("%s: %v", name, got)
		}
	}
	if _, ok := Ratio(nil, nil, "x"); ok {
		t.Error("there is a ratio of nothing")
	}
}
