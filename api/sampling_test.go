package api

import (
	"testing"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// Who asks for the likeliest token gets it: no default penalty makes another one the likeliest.
func TestGreedyMeansTheLikeliestToken(t *testing.T) {
	file := &engine.Sampling{Temperature: 0.7, PresencePenalty: 1, RepetitionPenalty: 1.1}
	for name, c := range map[string]struct {
		file   *engine.Sampling
		params samplingParams
		greedy bool
		want   float64 // presence penalty
	}{
		"temperature 0":       {nil, samplingParams{Temperature: ptr(0.0)}, true, 0},
		"hardly any":          {nil, samplingParams{Temperature: ptr(1e-6)}, true, 0},
		"top_p 0":             {nil, samplingParams{TopP: ptr(0.0)}, true, 0},
		"top_k 1":             {nil, samplingParams{TopK: ptr(1)}, true, 0},
		"of a file":           {file, samplingParams{Temperature: ptr(0.0)}, true, 0},
		"a penalty asked for": {nil, samplingParams{Temperature: ptr(0.0), PresencePenalty: ptr(0.5)}, true, 0.5},
		"defaults":            {nil, samplingParams{}, false, 2},
		"a temperature":       {nil, samplingParams{Temperature: ptr(0.3)}, false, 2},
		"top_k 0 is no bound": {nil, samplingParams{TopK: ptr(0)}, false, 2},
	} {
		s := sampling(c.file, router.Instruct, false, &c.params)
		if (s.Temperature == 0) != c.greedy || s.PresencePenalty != c.want || c.greedy && s.RepetitionPenalty != 1 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
