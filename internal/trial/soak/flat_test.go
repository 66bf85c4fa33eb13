package soak

import (
	"math/rand/v2"
	"testing"
)

func TestGrowthIsToldFromNoise(t *testing.T) {
	const n = 120
	draw := func(at func(i int, rng *rand.Rand) float64) []float64 {
		rng := rand.New(rand.NewPCG(1, 2))
		out := make([]float64, n)
		for i := range out {
			out[i] = at(i, rng)
		}
		return out
	}
	for name, tc := range map[string]struct {
		values []float64
		flat   bool
	}{
		"even":              {draw(func(int, *rand.Rand) float64 { return 100 }), true},
		"noise":             {draw(func(_ int, rng *rand.Rand) float64 { return 100 + 20*rng.Float64() }), true},
		"a start that ends": {draw(func(i int, _ *rand.Rand) float64 { return 100 - max(0, float64(25-i)) }), true},
		"one outlier":       {draw(func(i int, _ *rand.Rand) float64 { return map[bool]float64{true: 900, false: 100}[i == n-1] }), true},
		"falling":           {draw(func(i int, _ *rand.Rand) float64 { return 200 - float64(i)/2 }), true},
		"growing":           {draw(func(i int, _ *rand.Rand) float64 { return 100 + float64(i)/5 }), false},
		"growing in noise":  {draw(func(i int, rng *rand.Rand) float64 { return 100 + float64(i)/5 + 20*rng.Float64() }), false},
		"growing late":      {draw(func(i int, _ *rand.Rand) float64 { return 100 + max(0, float64(i-60)) }), false},
	} {
		s := series{name: name, tolerated: 5, values: tc.values}
		if v := s.judge(); v.flat != tc.flat {
			t.Errorf("%s: growth %.1f of %.1f", name, v.growth, v.median)
		}
	}
}

func TestWhatIsToleratedIsAShareOrANumber(t *testing.T) {
	values := []float64{1000, 1000, 1001, 1003, 1005, 1007, 1010, 1012}
	for tolerated, flat := range map[float64]bool{0: true, 20: true} { // 3% of 1000 are 30
		if v := (&series{tolerated: tolerated, values: values}).judge(); v.flat != flat {
			t.Errorf("%v: %+v", tolerated, v)
		}
	}
	small := []float64{10, 10, 10, 11, 12, 13, 14, 15}
	for tolerated, flat := range map[float64]bool{1: false, 6: true} {
		if v := (&series{tolerated: tolerated, values: small}).judge(); v.flat != flat {
			t.Errorf("%v: %+v", tolerated, v)
		}
	}
}
