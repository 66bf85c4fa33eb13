package api

import (
	"net/http"
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

// Every surface reads repetition_detection, which goes before the configuration.
func TestRepetitionIsLookedForUnlessItIsAllowed(t *testing.T) {
	turn := []any{object{"role": "user", "content": "hi"}}
	bodies := map[string]object{
		"/v1/chat/completions": {"messages": turn}, "/v1/responses": {"input": "hi"},
		"/v1/messages": {"messages": turn, "max_tokens": 9}, "/v1/completions": {"prompt": "hi"},
	}
	for path, body := range bodies {
		for _, configured := range []bool{false, true} {
			s := newSite(t, func(c *Config) { c.MayRepeat = configured })
			for _, c := range []struct{ asked, want any }{{nil, configured}, {true, false}, {false, true}} {
				body["model"], body["repetition_detection"] = "qwen3-vl-instruct", c.asked
				if got := s.post(path, body); got.status != http.StatusOK {
					t.Fatalf("%s: %d %s", path, got.status, got.body)
				}
				if got := s.instruct.Request(t).MayRepeat; got != c.want {
					t.Errorf("%s, configured %v, asked %v: %v", path, configured, c.asked, got)
				}
			}
			body["repetition_detection"] = "no"
			if got := s.post(path, body); got.status != http.StatusBadRequest || path != "/v1/messages" {
				if _, param, _ := got.failure(t); param != "repetition_detection" {
					t.Errorf("%s: %q is at fault", path, param)
				}
			}
		}
	}
}
