package compute

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
		{"a paragraph that ends in equal rows", again(append(random(20), again(random(20), 5)[50:]...), 6), true},
		{"a loop that ended", append(again([]int32{7}, 200), 8), false},
	}
	for _, tt := range tests {
		if got := loops(tt.tokens); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// What a page may hold is no loop in an answer.
func TestRepetitionThatAnswersAreMadeOfIsNoLoop(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	part := func(n int) []int32 {
		out := make([]int32, n)
		for i := range out {
			out[i] = rng.Int32N(1000)
		}
		return out
	}
	for name, c := range map[string]struct {
		period, times int
		want          bool
	}{
		"a line of dashes":          {1, 120, false},
		"a thousand zeros":          {2, 1000, false},
		"encoded bytes":             {1, 2000, false},
		"forty empty rows":          {12, 40, false},
		"a table of equal rows":     {30, 60, false},
		"a verse sung five times":   {150, 5, false},
		"a token for ever":          {1, 2100, true},
		"a row for ever":            {12, 180, true},
		"a sentence for ever":       {30, 70, true},
		"a paragraph for ever":      {128, 9, true},
		"a page for ever":           {500, 9, true},
		"longer than is looked for": {513, 20, false},
	} {
		tokens, p := part(200), part(c.period)
		for range c.times {
			tokens = append(tokens, p...)
		}
		if got := answerLoops(tokens); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
