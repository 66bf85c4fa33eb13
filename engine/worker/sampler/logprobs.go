package sampler

import (
	"math"

	"github.com/qwenvld/qwenvld/engine"
)

// Logprobs returns token's log-probability under the plain softmax of logits, and the top alternatives, likeliest
// first. Their Bytes are left to the caller.
func (s *Sampler) Logprobs(logits []float32, token int32, top int) (float64, []engine.TopToken) {
	all := row{logits: logits}
	weigh := scale{highest: math.Inf(-1), inverse: 1, exp: &s.exp}
	s.picks = all.largest(s.picks[:0], max(top, 1))
	if len(s.picks) > 0 {
		weigh.highest = s.picks[0].weight
	}
	sum := 0.0
	for b := range all.blocks() {
		sum += all.sum(b, weigh)
	}
	norm := weigh.highest + math.Log(sum)
	own := clamp(float64(logits[token]) - norm)
	if top <= 0 {
		return own, nil
	}
	out := make([]engine.TopToken, len(s.picks))
	for i, c := range s.picks {
		out[i] = engine.TopToken{ID: c.id, Logprob: clamp(c.weight - norm)}
	}
	return own, out
}

// clamp keeps impossible tokens representable in JSON; OpenAI uses the same number for them.
func clamp(logprob float64) float64 {
	if logprob != logprob {
		return impossible
	}
	return max(logprob, impossible)
}

const impossible = -9999
