package worker

import (
	"strconv"

	"github.com/qwenvld/qwenvld/engine"
)

// samplingDefaults reads the sampling that a model file recommends, under llama.cpp's keys; nil where it names none.
// What it does not name is off.
func samplingDefaults(metadata func(key string) (string, bool)) *engine.Sampling {
	var s engine.Sampling
	named := false
	for key, set := range map[string]func(float64){
		"temp":           func(v float64) { s.Temperature = v },
		"top_p":          func(v float64) { s.TopP = v },
		"top_k":          func(v float64) { s.TopK = int(v) },
		"min_p":          func(v float64) { s.MinP = v },
		"penalty_repeat": func(v float64) { s.RepetitionPenalty = v },
	} {
		text, ok := metadata("general.sampling." + key)
		if !ok {
			continue
		}
		if v, err := strconv.ParseFloat(text, 64); err == nil && v >= 0 {
			set(v)
			named = true
		}
	}
	if !named {
		return nil
	}
	return &s
}
