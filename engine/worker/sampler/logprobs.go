package sampler

import (
	"math"

	"github.com/qwenvld/qwenvld/engine"
)

// Logprobs returns token's log-probability under the plain softmax of logits, and the top alternatives, likeliest
// first. Their Bytes are left to the caller.
func Logprobs(logits []float32, token int32, top int) (float64, []engine.TopToken) {
	highest := math.Inf(-1)
	for _, v := range logits {
		highest = max(highest, finite(v))
	}
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(finite(v) - highest)
	}
	norm := highest + math.Log(sum)
	own := clamp(finite(logits[token]) - norm)
	if top <= 0 {
		return own, nil
	}
	best := largest(make([]candidate, 0, top+1), logits, top)
	out := make([]engine.TopToken, len(best))
	for i, c := range best {
		out[i] = engine.TopToken{ID: c.id, Logprob: clamp(c.weight - norm)}
	}
	return own, out
}

func finite(v float32) float64 {
	if v != v {
		return math.Inf(-1)
	}
	return float64(v)
}

// clamp keeps impossible tokens representable in JSON; OpenAI uses the same number for them.
func clamp(logprob float64) float64 { return max(logprob, -9999) }
