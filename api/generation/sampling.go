package generation

import (
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// defaultSampling is what Qwen recommends per variant, with and without images. The presence penalty is
// missing from the models' generation_config.json; it counts generated tokens only. For thinking with
// images Qwen names temperatures 0.6 and 1.0; 0.6 is its README's.
func defaultSampling(v router.Variant, images bool) engine.Sampling {
	s := engine.Sampling{RepetitionPenalty: 1}
	switch {
	case v == router.Instruct && images:
		s.Temperature, s.TopP, s.TopK, s.PresencePenalty = 0.7, 0.8, 20, 1.5
	case v == router.Instruct:
		s.Temperature, s.TopP, s.TopK, s.PresencePenalty = 1, 1, 40, 2
	case images:
		s.Temperature, s.TopP, s.TopK = 0.6, 0.95, 20
	default:
		s.Temperature, s.TopP, s.TopK, s.PresencePenalty = 1, 0.95, 20, 1.5
	}
	return s
}

// sampling lays the client's choices over the defaults: the model file's own, or Qwen's.
func sampling(file *engine.Sampling, v router.Variant, images bool, p *request.Sampling) engine.Sampling {
	s := defaultSampling(v, images)
	if file != nil {
		s = *file
	}
	override(&s.Temperature, p.Temperature)
	override(&s.TopP, p.TopP)
	override(&s.TopK, p.TopK)
	override(&s.MinP, p.MinP)
	override(&s.PresencePenalty, p.PresencePenalty)
	override(&s.FrequencyPenalty, p.FrequencyPenalty)
	override(&s.RepetitionPenalty, p.RepetitionPenalty)
	if greedy(&s, p) {
		// The likeliest token is asked for, so no default may make another one the likeliest.
		s.Temperature = 0
		s.PresencePenalty, s.FrequencyPenalty, s.RepetitionPenalty = 0, 0, 1
		override(&s.PresencePenalty, p.PresencePenalty)
		override(&s.FrequencyPenalty, p.FrequencyPenalty)
		override(&s.RepetitionPenalty, p.RepetitionPenalty)
	}
	s.LogitBias = p.LogitBias
	if p.Seed != nil {
		// The two's complement keeps different seeds different.
		seed := uint64(*p.Seed)
		s.Seed = &seed
	}
	return s
}

// greedy says whether only the likeliest token is wanted: at no temperature, with none of the probability to choose
// from, or of one token.
func greedy(s *engine.Sampling, p *request.Sampling) bool {
	const none = 1e-5 // vLLM's bound: what is below cannot be told from it
	return s.Temperature < none || p.TopP != nil && *p.TopP == 0 || p.TopK != nil && *p.TopK == 1
}

func override[T any](v *T, by *T) {
	if by != nil {
		*v = *by
	}
}
