package sampler

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/qwenvld/qwenvld/engine"
)

// logitsOf makes a row as models do and as they do not: flat or steep, with many equal logits, and with some that are
// no numbers or impossible.
func logitsOf(t *rapid.T, tokens int) []float32 {
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "row"), 0))
	spread := rapid.SampledFrom([]float64{0, 0.1, 3, 30, 1e4}).Draw(t, "spread")
	step := rapid.SampledFrom([]float64{0, 0.5, 4}).Draw(t, "step")
	odd := rapid.SampledFrom([]float64{0, 0.01, 0.5}).Draw(t, "odd")
	out := make([]float32, tokens)
	for i := range out {
		v := rng.NormFloat64() * spread
		if step > 0 {
			v = math.Round(v/step) * step
		}
		if rng.Float64() < odd {
			v = []float64{math.NaN(), math.Inf(-1), 0}[rng.IntN(3)]
		}
		out[i] = float32(v)
	}
	return out
}

func paramsOf(t *rapid.T, tokens int) engine.Sampling {
	p := engine.Sampling{
		Temperature:       rapid.SampledFrom([]float64{0, 0.01, 0.7, 1, 1.7, 1e9, 5e-324}).Draw(t, "temperature"),
		TopK:              rapid.SampledFrom([]int{0, 1, 3, 20, 64, 65, 200, 10000}).Draw(t, "top_k"),
		TopP:              rapid.SampledFrom([]float64{0, 1e-9, 0.3, 0.5, 0.8, 0.95, 0.9999999, 1}).Draw(t, "top_p"),
		MinP:              rapid.SampledFrom([]float64{0, 1e-12, 0.05, 0.5, 1}).Draw(t, "min_p"),
		PresencePenalty:   rapid.SampledFrom([]float64{0, 1.5, -2}).Draw(t, "presence"),
		FrequencyPenalty:  rapid.SampledFrom([]float64{0, 0.3}).Draw(t, "frequency"),
		RepetitionPenalty: rapid.SampledFrom([]float64{0, 1, 1.3, 0.7}).Draw(t, "repetition"),
	}
	if rapid.Bool().Draw(t, "biased") {
		p.LogitBias = map[int32]float64{0: 3, int32(tokens - 1): -100, int32(tokens): 5, -1: 5}
	}
	return p
}

func limitsOf(t *rapid.T, tokens int) (l Limits) {
	one := rapid.Int32Range(0, int32(tokens-1))
	l.Banned = rapid.SliceOfN(one, 0, 3).Draw(t, "banned")
	share := rapid.SampledFrom([]float64{-1, 0, 0.02, 0.5, 0.98, 1}).Draw(t, "allowed")
	if share < 0 {
		return l
	}
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "mask"), 1))
	l.Allowed = make([]uint64, max(0, (tokens+63)/64+rapid.IntRange(-1, 1).Draw(t, "words")))
	for i := range len(l.Allowed) * 64 {
		if rng.Float64() < share {
			l.Allowed[i/64] |= 1 << (i % 64)
		}
	}
	l.Also = rapid.SliceOfN(one, 0, 2).Draw(t, "also")
	return l
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// The sums of weights are taken in another order and their exponentials are rounded otherwise, in the last bits. For
// another token to be drawn, a random number would have to fall between the two results: of 2^53 numbers, a few.
func TestDrawsAreThoseOfTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tokens := rapid.IntRange(1, 700).Draw(t, "tokens")
		params, prompt := paramsOf(t, tokens), rapid.SliceOfN(rapid.Int32Range(-1, int32(tokens)), 0, 9).Draw(t, "prompt")
		seed := rapid.Uint64().Draw(t, "seed")
		s, ref := New(params, prompt, seed), newReference(params, prompt, seed)
		for range 20 {
			logits, limits := logitsOf(t, tokens), limitsOf(t, tokens)
			kept := slices.Clone(logits)
			got, err := s.Sample(logits, limits)
			want, refErr := ref.Sample(kept, limits)
			if got != want || !errors.Is(err, refErr) {
				t.Fatalf("drew %d, %v, the reference %d, %v", got, err, want, refErr)
			}
			if !sameBits(logits, kept) {
				t.Fatal("the logits were changed")
			}
			if rapid.Bool().Draw(t, "forced") {
				s.Accept(int32(tokens - 1))
				ref.Accept(int32(tokens - 1))
			}
		}
	})
}

func TestLogprobsAreThoseOfTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logits := logitsOf(t, rapid.IntRange(1, 700).Draw(t, "tokens"))
		top := rapid.IntRange(0, 70).Draw(t, "top")
		if _, err := argmax(logits); err != nil {
			return
		}
		own, others := New(engine.Sampling{}, nil, 0).Logprobs(logits, 0, top)
		want, wanted := (*reference)(nil).Logprobs(logits, 0, top)
		near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-12*max(1, math.Abs(b)) }
		if !near(own, want) || len(others) != len(wanted) {
			t.Fatalf("%v and %d others, the reference %v and %d", own, len(others), want, len(wanted))
		}
		for i := range others {
			if others[i].ID != wanted[i].ID || !near(others[i].Logprob, wanted[i].Logprob) {
				t.Fatalf("%+v, the reference %+v", others, wanted)
			}
		}
	})
}

func TestTheExponentialIsExact(t *testing.T) {
	e := newExponential()
	if e.of(0) != 1 {
		t.Errorf("e^0 is %v", e.of(0))
	}
	rapid.Check(t, func(t *rapid.T) {
		x := -rapid.Float64Range(0, -leastExponent).Draw(t, "x")
		if got, want := e.of(x), math.Exp(x); math.Abs(got-want) > 5e-16*want {
			t.Fatalf("e^%v is %v, not %v", x, got, want)
		}
	})
}

func benchmarkRow(tokens int) []float32 {
	rng := rand.New(rand.NewPCG(1, 2))
	logits := make([]float32, tokens)
	for i := range logits {
		logits[i] = float32(rng.NormFloat64() * 3)
	}
	return logits
}

// benchmarkMasks are those of the inside of a JSON string, where nearly everything is allowed, and of a place in it
// where nearly nothing is.
func benchmarkMasks(tokens int) map[string]Limits {
	rng := rand.New(rand.NewPCG(3, 4))
	dense, sparse := make([]uint64, (tokens+63)/64), make([]uint64, (tokens+63)/64)
	for t := range tokens {
		if rng.Float64() < 0.95 {
			dense[t/64] |= 1 << (t % 64)
		}
		if rng.Float64() < 0.0005 {
			sparse[t/64] |= 1 << (t % 64)
		}
	}
	end := []int32{int32(tokens - 1)}
	return map[string]Limits{"text": {Allowed: dense}, "key": {Allowed: sparse, Also: end, Banned: []int32{5}}}
}

var served = engine.Sampling{Temperature: 0.7, TopP: 0.8, TopK: 20, PresencePenalty: 1.5}

func TestDrawingAllocatesNothing(t *testing.T) {
	const tokens = 5000
	logits, limits := benchmarkRow(tokens), benchmarkMasks(tokens)
	limits["free"], limits["banned"] = Limits{}, Limits{Banned: []int32{1, 2, 3}}
	for name, p := range map[string]engine.Sampling{
		"greedy": {}, "served": served, "top_p": {Temperature: 1, TopP: 0.95}, "min_p": {Temperature: 1, MinP: 0.1},
		"plain": {Temperature: 1}, "repetition": {Temperature: 1, TopK: 40, RepetitionPenalty: 1.1},
	} {
		for form, l := range limits {
			s := New(p, []int32{1, 2, 3}, 1)
			draw := func() {
				token, err := s.Sample(logits, l)
				if err != nil {
					t.Fatal(err)
				}
				s.Logprobs(logits, token, 0)
			}
			for range 500 { // the tokens that are drawn are known then, and the room is large enough
				draw()
			}
			if n := testing.AllocsPerRun(20, draw); n > 0 {
				t.Errorf("%s, %s: %v allocations a token", name, form, n)
			}
		}
	}
}

// drawer is a Sampler or the reference.
type drawer interface {
	Sample(logits []float32, limits Limits) (int32, error)
	Accept(token int32)
	Logprobs(logits []float32, token int32, top int) (float64, []engine.TopToken)
}

// BenchmarkSample measures the reference as well, for ratios of one run.
func BenchmarkSample(b *testing.B) {
	const tokens = 151936 // of Qwen3
	logits, masks := benchmarkRow(tokens), benchmarkMasks(tokens)
	for _, c := range []struct {
		name     string
		params   engine.Sampling
		limits   Limits
		logprobs bool
	}{
		{name: "greedy"},
		{name: "served", params: served},
		{name: "top_p", params: engine.Sampling{Temperature: 1, TopP: 0.95}},
		{name: "plain", params: engine.Sampling{Temperature: 1}},
		{name: "logprobs", params: served, logprobs: true},
		{name: "text", params: served, limits: masks["text"]},
		{name: "key", params: served, limits: masks["key"]},
	} {
		for name, d := range map[string]drawer{"sampler": New(c.params, nil, 1), "reference": newReference(c.params, nil, 1)} {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				for t := range int32(2000) { // the answer so far
					d.Accept(7 * t)
				}
				b.ReportAllocs()
				for b.Loop() {
					token, err := d.Sample(logits, c.limits)
					if err != nil {
						b.Fatal(err)
					}
					if c.logprobs {
						d.Logprobs(logits, token, 20)
					}
				}
			})
		}
	}
}
