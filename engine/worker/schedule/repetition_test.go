package schedule

import (
	"math/rand/v2"
	"testing"
)

func TestLoopsAreFoundAndOrdinaryRepetitionIsNot(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	random := func(n int) []int32 {
		out := make([]int32, n)
		for i := range out {
			out[i] = rng.Int32N(1000)
		}
		return out
	}
	again := func(part []int32, times int) []int32 {
		out := random(50)
		for range times {
			out = append(out, part...)
		}
		return out
	}
	tests := []struct {
		name   string
		tokens []int32
		want   bool
	}{
		{"nothing", nil, false},
		{"random", random(2000), false},
		{"one token for ever", again([]int32{7}, 96), true},
		{"one token for a line", again([]int32{7}, 60), false},
		{"a sentence six times", again(random(30), 6), true},
		{"a sentence five times", again(random(30), 5), false},
		{"a paragraph six times", again(random(128), 6), true},
		{"a loop that ended", append(again([]int32{7}, 200), 8), false},
	}
	for _, tt := range tests {
		if got := loops(tt.tokens); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
