// Package sampler chooses the next token from a row of logits: penalties and biases, temperature, top-k, top-p, min-p,
// and log-probabilities for the client.
//
// It is pure: no model, no clock, no global random source. The order of the steps is that of transformers (temperature
// before the truncations). It must not know what tokens mean; ending and stopping are decided by its callers.
package sampler

import (
	"errors"
	"math"
	"math/rand/v2"

	"github.com/qwenvld/qwenvld/engine"
)

// ErrNotFinite means that a row has no finite logit, as after an overflow in the model.
var ErrNotFinite = errors.New("the model's logits are not finite")

// Sampler draws the tokens of one sequence. It is not safe for concurrent use.
type Sampler struct {
	params    engine.Sampling
	rng       *rand.Rand
	generated map[int32]int      // how often a token was drawn
	prompt    map[int32]struct{} // kept for the repetition penalty only
	adjusted  []float32
	also      []float32
	picks     []candidate
}

// candidate is a token in the running; weight is its logit, later its probability up to a factor.
type candidate struct {
	id     int32
	weight float64
}

// New returns a Sampler. The same parameters, seed, prompt and logits give the same tokens.
func New(params engine.Sampling, prompt []int32, seed uint64) *Sampler {
	s := &Sampler{params: params, rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), generated: map[int32]int{}}
	if s.repeats() {
		s.prompt = make(map[int32]struct{}, len(prompt))
		for _, t := range prompt {
			s.prompt[t] = struct{}{}
		}
	}
	return s
}

func (s *Sampler) repeats() bool {
	return s.params.RepetitionPenalty > 0 && s.params.RepetitionPenalty != 1
}

// Limits say which tokens may be drawn. The zero value allows all.
type Limits struct {
	// Allowed has one bit a token; nil allows all.
	Allowed []uint64
	// Also are allowed beside them.
	Also []int32
	// Banned are not drawn.
	Banned []int32
}

func (l *Limits) none() bool { return l.Allowed == nil && len(l.Banned) == 0 }

// Sample draws a token and remembers it for the penalties. logits are left as they are.
func (s *Sampler) Sample(logits []float32, limits Limits) (int32, error) {
	row := s.adjust(logits, &limits)
	var token int32
	var err error
	if s.params.Temperature <= 0 {
		token, err = argmax(row)
	} else {
		token, err = s.draw(row)
	}
	if err != nil {
		return 0, err
	}
	s.Accept(token)
	return token, nil
}

// Accept counts a token that was forced into the sequence.
func (s *Sampler) Accept(token int32) { s.generated[token]++ }

// adjust applies penalties, biases and bans to a copy of logits, when there are any.
func (s *Sampler) adjust(logits []float32, limits *Limits) []float32 {
	p := &s.params
	penalised := p.PresencePenalty != 0 || p.FrequencyPenalty != 0 || s.repeats()
	if !penalised && len(p.LogitBias) == 0 && limits.none() {
		return logits
	}
	s.adjusted = append(s.adjusted[:0], logits...)
	row := s.adjusted
	if s.repeats() {
		s.repeatAll(row)
	}
	for t, n := range s.generated {
		if int(t) < len(row) {
			row[t] -= float32(p.PresencePenalty + float64(n)*p.FrequencyPenalty)
		}
	}
	for t, bias := range p.LogitBias {
		if t >= 0 && int(t) < len(row) {
			row[t] += float32(bias)
		}
	}
	if limits.Allowed != nil {
		s.allow(row, limits)
	}
	for _, t := range limits.Banned {
		row[t] = float32(math.Inf(-1))
	}
	return row
}

// allow rules out every token that limits do not name.
func (s *Sampler) allow(row []float32, limits *Limits) {
	const word = 64
	s.also = s.also[:0]
	for _, t := range limits.Also {
		s.also = append(s.also, row[t])
	}
	ruled := float32(math.Inf(-1))
	for i := min(len(limits.Allowed)*word, len(row)); i < len(row); i++ {
		row[i] = ruled
	}
	for w, bits := range limits.Allowed {
		part := row[min(w*word, len(row)):min((w+1)*word, len(row))]
		switch bits {
		case math.MaxUint64:
		case 0:
			for i := range part {
				part[i] = ruled
			}
		default:
			for i := range part {
				if bits>>i&1 == 0 {
					part[i] = ruled
				}
			}
		}
	}
	for i, t := range limits.Also {
		row[t] = s.also[i]
	}
}

// repeatAll penalises every token of the prompt and the answer once.
func (s *Sampler) repeatAll(row []float32) {
	for t := range s.prompt {
		s.repeat(row, t)
	}
	for t := range s.generated {
		if _, both := s.prompt[t]; !both {
			s.repeat(row, t)
		}
	}
}

// repeat is transformers' RepetitionPenaltyLogitsProcessor.
func (s *Sampler) repeat(row []float32, t int32) {
	if t < 0 || int(t) >= len(row) {
		return
	}
	if row[t] > 0 {
		row[t] /= float32(s.params.RepetitionPenalty)
	} else {
		row[t] *= float32(s.params.RepetitionPenalty)
	}
}

func argmax(row []float32) (int32, error) {
	best := -1
	for i, v := range row {
		if v > float32(math.Inf(-1)) && (best < 0 || v > row[best]) {
			best = i
		}
	}
	if best < 0 || math.IsInf(float64(row[best]), 1) {
		return 0, ErrNotFinite
	}
	return int32(best), nil
}

func (s *Sampler) draw(row []float32) (int32, error) {
	top, err := argmax(row)
	if err != nil {
		return 0, err
	}
	p := &s.params
	highest := float64(row[top])
	weigh := func(logit float64) float64 { return math.Exp((logit - highest) / p.Temperature) }
	s.picks = s.picks[:0]
	if p.TopK > 0 && p.TopK < len(row) {
		// Choosing by logit first saves the exponentials of a whole vocabulary.
		s.picks = largest(s.picks, row, p.TopK)
		for i := range s.picks {
			s.picks[i].weight = weigh(s.picks[i].weight)
		}
	} else {
		for i, v := range row {
			// NaN and -Inf fail the comparison and weigh nothing.
			if w := weigh(float64(v)); w > 0 {
				s.picks = append(s.picks, candidate{int32(i), w})
			}
		}
	}
	picks := s.picks
	if p.TopP > 0 && p.TopP < 1 {
		picks = nucleus(picks, p.TopP)
	}
	if p.MinP > 0 {
		picks = atLeast(picks, p.MinP) // the likeliest token weighs 1
	}
	return s.pick(picks), nil
}

func (s *Sampler) pick(picks []candidate) int32 {
	total := 0.0
	for _, c := range picks {
		total += c.weight
	}
	u := s.rng.Float64() * total
	for _, c := range picks {
		if u -= c.weight; u < 0 {
			return c.id
		}
	}
	return picks[len(picks)-1].id
}

// nucleus keeps the likeliest candidates that together reach share, at least one. It sorts only as many as needed.
func nucleus(picks []candidate, share float64) []candidate {
	total := 0.0
	for _, c := range picks {
		total += c.weight
	}
	goal, sum, done := share*total, 0.0, 0
	for n := 64; done < len(picks); n *= 4 {
		end := min(len(picks), done+n)
		selectTop(picks[done:], end-done)
		sortDescending(picks[done:end])
		for ; done < end; done++ {
			if sum += picks[done].weight; sum >= goal {
				return picks[:done+1]
			}
		}
	}
	return picks
}

func atLeast(picks []candidate, weight float64) []candidate {
	kept := picks[:0]
	for _, c := range picks {
		if c.weight >= weight {
			kept = append(kept, c)
		}
	}
	if len(kept) == 0 {
		return picks[:1]
	}
	return kept
}
