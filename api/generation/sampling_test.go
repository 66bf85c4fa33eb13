package generation

import (
	"testing"

	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// Who asks for the likeliest token gets it: no default penalty makes another one the likeliest.
func TestGreedyMeansTheLikeliestToken(t *testing.T) {
	file := &engine.Sampling{Temperature: 0.7, PresencePenalty: 1, RepetitionPenalty: 1.1}
	for name, c := range map[string]struct {
		file   *engine.Sampling
		params request.Sampling
		greedy bool
		want   float64 // presence penalty
	}{
		"temperature 0":       {nil, request.Sampling{Temperature: new(0.0)}, true, 0},
		"hardly any":          {nil, request.Sampling{Temperature: new(1e-6)}, true, 0},
		"top_p 0":             {nil, request.Sampling{TopP: new(0.0)}, true, 0},
		"top_k 1":             {nil, request.Sampling{TopK: new(1)}, true, 0},
		"of a file":           {file, request.Sampling{Temperature: new(0.0)}, true, 0},
		"a penalty asked for": {nil, request.Sampling{Temperature: new(0.0), PresencePenalty: new(0.5)}, true, 0.5},
		"defaults":            {nil, request.Sampling{}, false, 2},
		"a temperature":       {nil, request.Sampling{Temperature: new(0.3)}, false, 2},
		"top_k 0 is no bound": {nil, request.Sampling{TopK: new(0)}, false, 2},
	} {
		s := sampling(c.file, router.Instruct, false, &c.params)
		if (s.Temperature == 0) != c.greedy || s.PresencePenalty != c.want || c.greedy && s.RepetitionPenalty != 1 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
