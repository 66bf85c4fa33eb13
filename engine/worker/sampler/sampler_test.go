package sampler

import (
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/qwenvld/qwenvld/engine"
)

// frequencies draws n tokens with fresh penalties each time and counts them.
func frequencies(t *testing.T, p engine.Sampling, logits []float32, n int) map[int32]float64 {
	t.Helper()
	s := New(p, nil, 1)
	out := map[int32]float64{}
	for range n {
		s.seen, s.places = s.seen[:0], map[int32]int{}
		token, err := s.Sample(logits, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		out[token] += 1 / float64(n)
	}
	return out
}

func logs(probabilities ...float64) []float32 {
	out := make([]float32, len(probabilities))
	for i, p := range probabilities {
		out[i] = float32(math.Log(p))
	}
	return out
}

func TestDrawsFollowTheTruncatedDistribution(t *testing.T) {
	logits := logs(0.1, 0.4, 0.2, 0.3)
	cases := map[string]struct {
		params engine.Sampling
		want   map[int32]float64
	}{
		"plain":                {engine.Sampling{Temperature: 1}, map[int32]float64{0: .1, 1: .4, 2: .2, 3: .3}},
		"top_k":                {engine.Sampling{Temperature: 1, TopK: 2}, map[int32]float64{1: 4. / 7, 3: 3. / 7}},
		"top_p":                {engine.Sampling{Temperature: 1, TopP: 0.65}, map[int32]float64{1: 4. / 7, 3: 3. / 7}},
		"top_p reaches":        {engine.Sampling{Temperature: 1, TopP: 0.71}, map[int32]float64{1: 4. / 9, 3: 3. / 9, 2: 2. / 9}},
		"top_p tiny":           {engine.Sampling{Temperature: 1, TopP: 1e-9}, map[int32]float64{1: 1}},
		"min_p":                {engine.Sampling{Temperature: 1, MinP: 0.6}, map[int32]float64{1: 4. / 7, 3: 3. / 7}},
		"temperature flattens": {engine.Sampling{Temperature: 1e6}, map[int32]float64{0: .25, 1: .25, 2: .25, 3: .25}},
		"temperature sharpens": {engine.Sampling{Temperature: 0.5}, map[int32]float64{0: 1. / 30, 1: 16. / 30, 2: 4. / 30, 3: 9. / 30}},
		// Temperature comes first: at 0.5 the two likeliest reach 25/30.
		"temperature, then top_p": {engine.Sampling{Temperature: 0.5, TopP: 0.8}, map[int32]float64{1: 16. / 25, 3: 9. / 25}},
		"greedy":                  {engine.Sampling{}, map[int32]float64{1: 1}},
		"bias":                    {engine.Sampling{LogitBias: map[int32]float64{0: 100}}, map[int32]float64{0: 1}},
		"bias bans":               {engine.Sampling{LogitBias: map[int32]float64{1: -100}}, map[int32]float64{3: 1}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := frequencies(t, tc.params, logits, 20000)
			for id := range int32(4) {
				if math.Abs(got[id]-tc.want[id]) > 0.015 || tc.want[id] == 0 && got[id] > 0 {
					t.Errorf("token %d was drawn %.3f of the time, want %.3f", id, got[id], tc.want[id])
				}
			}
		})
	}
}

func TestPenaltiesChangeTheNextToken(t *testing.T) {
	cases := map[string]struct {
		params engine.Sampling
		prompt []int32
		logits []float32
		want   []int32
	}{
		"none":                            {engine.Sampling{}, nil, []float32{2, 1, 0}, []int32{0, 0, 0}},
		"presence counts once":            {engine.Sampling{PresencePenalty: 1.5}, nil, []float32{2, 1, -9}, []int32{0, 1, 0, 0}},
		"presence ignores the prompt":     {engine.Sampling{PresencePenalty: 1.5}, []int32{0}, []float32{2, 1, -9}, []int32{0, 1}},
		"frequency grows":                 {engine.Sampling{FrequencyPenalty: 0.6}, nil, []float32{2, 1, -9}, []int32{0, 0, 1, 0, 1}},
		"repetition counts the prompt":    {engine.Sampling{RepetitionPenalty: 4}, []int32{0}, []float32{2, 1, -9}, []int32{1, 0, 0}},
		"repetition of negative logits":   {engine.Sampling{RepetitionPenalty: 4}, []int32{0}, []float32{-2, -3, -9}, []int32{1, 0, 0}},
		"an unknown token is no accident": {engine.Sampling{RepetitionPenalty: 4, LogitBias: map[int32]float64{99: 5}}, []int32{77}, []float32{1, 0}, []int32{0}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := New(tc.params, tc.prompt, 0)
			var got []int32
			before := slices.Clone(tc.logits)
			for range tc.want {
				token, err := s.Sample(tc.logits, Limits{})
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, token)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("drew %v, want %v", got, tc.want)
			}
			if !slices.Equal(before, tc.logits) {
				t.Error("the caller's logits changed")
			}
		})
	}
}

func TestTheSameSeedDrawsTheSameTokens(t *testing.T) {
	logits := make([]float32, 500)
	for i := range logits {
		logits[i] = float32(i % 7)
	}
	draw := func(seed uint64) (out []int32) {
		s := New(engine.Sampling{Temperature: 1, TopP: 0.9, PresencePenalty: 1}, nil, seed)
		for range 50 {
			token, err := s.Sample(logits, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, token)
		}
		return out
	}
	if !slices.Equal(draw(3), draw(3)) {
		t.Error("the same seed gave different tokens")
	}
	if slices.Equal(draw(3), draw(4)) {
		t.Error("different seeds gave the same 50 tokens")
	}
}

func TestBannedTokensAreNotDrawn(t *testing.T) {
	for _, temperature := range []float64{0, 1} {
		s := New(engine.Sampling{Temperature: temperature}, nil, 1)
		for range 50 {
			if token, err := s.Sample([]float32{9, 0, 8}, Limits{Banned: []int32{0, 2}}); err != nil || token != 1 {
				t.Fatalf("drew %d, %v", token, err)
			}
		}
	}
}

func TestBrokenLogitsAreAnErrorAndNoToken(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, row := range [][]float32{{nan, nan}, {-inf, -inf}, {inf, 1}, {}} {
		for _, temperature := range []float64{0, 1} {
			s := New(engine.Sampling{Temperature: temperature}, nil, 1)
			if token, err := s.Sample(row, Limits{}); !errors.Is(err, ErrNotFinite) {
				t.Errorf("%v gave %d, %v", row, token, err)
			}
		}
	}
	s := New(engine.Sampling{Temperature: 1}, nil, 1)
	if token, err := s.Sample([]float32{nan, 0, nan}, Limits{}); err != nil || token != 1 {
		t.Errorf("one finite logit among NaN gave %d, %v", token, err)
	}
}

func TestSelectionAgreesWithSorting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(0, 20), 1, 300).Draw(t, "weights")
		n := rapid.IntRange(0, len(weights)).Draw(t, "n")
		c := make([]candidate, len(weights))
		for i, w := range weights {
			c[i] = candidate{int32(i), float64(w)}
		}
		want := slices.Clone(c)
		sortDescending(want)
		selectTop(c, n)
		sortDescending(c[:n])
		if !slices.Equal(c[:n], want[:n]) {
			t.Fatalf("got %v, want %v", c[:n], want[:n])
		}
	})
}

func TestLogprobsAreThePlainSoftmax(t *testing.T) {
	logits := logs(0.1, 0.4, 0.2, 0.3)
	for i := range logits {
		logits[i] += 7
	}
	s := New(engine.Sampling{}, nil, 0)
	own, top := s.Logprobs(logits, 2, 3)
	if math.Abs(own-math.Log(0.2)) > 1e-6 {
		t.Errorf("own log-probability %g", own)
	}
	var ids []int32
	for _, c := range top {
		ids = append(ids, c.ID)
	}
	if !slices.Equal(ids, []int32{1, 3, 2}) || math.Abs(top[0].Logprob-math.Log(0.4)) > 1e-6 {
		t.Errorf("alternatives %v", top)
	}
	if _, none := s.Logprobs(logits, 2, 0); none != nil {
		t.Errorf("unasked alternatives %v", none)
	}
	if _, all := s.Logprobs(logits, 2, 20); len(all) != 4 {
		t.Errorf("%d alternatives of 4 tokens", len(all))
	}
	if own, _ := s.Logprobs([]float32{0, float32(math.Inf(-1))}, 1, 0); own != -9999 {
		t.Errorf("an impossible token has %g", own)
	}
}

func TestOnlyAllowedTokensAreDrawn(t *testing.T) {
	logits := make([]float32, 200)
	for i := range logits {
		logits[i] = float32(i)
	}
	allowed := make([]uint64, 4)
	allowed[0], allowed[2] = 1<<3, 1<<2
	for name, tc := range map[string]struct {
		limits Limits
		want   int32
	}{
		"bits":            {Limits{Allowed: allowed}, 130},
		"also":            {Limits{Allowed: allowed, Also: []int32{150}}, 150},
		"banned as well":  {Limits{Allowed: allowed, Also: []int32{150}, Banned: []int32{150, 130}}, 3},
		"a short bit set": {Limits{Allowed: allowed[:1]}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			for _, temperature := range []float64{0, 1e-3} {
				s := New(engine.Sampling{Temperature: temperature}, nil, 1)
				if got, err := s.Sample(logits, tc.limits); err != nil || got != tc.want {
					t.Errorf("temperature %v: %d, %v", temperature, got, err)
				}
			}
		})
	}
	if logits[0] != 0 || logits[199] != 199 {
		t.Error("the logits were changed")
	}
}
