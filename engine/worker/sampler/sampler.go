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
	params engine.Sampling
	rng    *rand.Rand
	// seen are the tokens that penalties apply to, at the places that places tells.
	seen   []seenToken
	places map[int32]int

	// The rest is room that is used again for every token.
	undo  []change
	mask  []uint64
	picks []candidate
	sums  []float64 // of the weights of each block
	exp   exponential
}

// seenToken is a token of the answer, or one of the prompt where the repetition penalty counts these.
type seenToken struct {
	id    int32
	times int // in the answer
}

// change is what a logit was before it was adjusted.
type change struct {
	id    int32
	logit float32
}

// candidate is a token in the running; weight is its logit, later its probability up to a factor.
type candidate struct {
	id     int32
	weight float64
}

// New returns a Sampler. The same parameters, seed, prompt and logits give the same tokens.
func New(params engine.Sampling, prompt []int32, seed uint64) *Sampler {
	s := &Sampler{
		params: params, rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), places: map[int32]int{},
		exp: newExponential(),
	}
	if s.repeats() {
		for _, t := range prompt {
			s.place(t)
		}
	}
	return s
}

func (s *Sampler) repeats() bool {
	return s.params.RepetitionPenalty > 0 && s.params.RepetitionPenalty != 1
}

func (s *Sampler) penalises() bool {
	return s.params.PresencePenalty != 0 || s.params.FrequencyPenalty != 0 || s.repeats()
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

// Sample draws a token and remembers it for the penalties. It changes logits while it runs and leaves them as they
// were.
func (s *Sampler) Sample(logits []float32, limits Limits) (int32, error) {
	r := s.adjust(logits, &limits)
	var token int32
	var err error
	if s.params.Temperature <= 0 {
		token, _, err = r.highest()
	} else {
		token, err = s.draw(&r)
	}
	s.restore(logits)
	if err != nil {
		return 0, err
	}
	s.Accept(token)
	return token, nil
}

// Accept counts a token that was forced into the sequence.
func (s *Sampler) Accept(token int32) {
	if s.penalises() {
		s.seen[s.place(token)].times++
	}
}

// place is where a token stands among those that were seen.
func (s *Sampler) place(token int32) int {
	at, known := s.places[token]
	if !known {
		at = len(s.seen)
		s.places[token] = at
		s.seen = append(s.seen, seenToken{id: token})
	}
	return at
}

// adjust applies penalties, biases and limits to the logits that they concern, and notes what these were.
func (s *Sampler) adjust(logits []float32, limits *Limits) row {
	if s.penalises() {
		s.penalise(logits)
	}
	for t, bias := range s.params.LogitBias {
		if t >= 0 && int(t) < len(logits) {
			s.change(logits, t, logits[t]+float32(bias))
		}
	}
	if limits.Allowed != nil {
		return row{logits: logits, mask: s.maskOf(limits, len(logits))}
	}
	for _, t := range limits.Banned {
		s.change(logits, t, float32(math.Inf(-1)))
	}
	return row{logits: logits}
}

// penalise lowers the logits of what was seen: by the repetition penalty, as transformers'
// RepetitionPenaltyLogitsProcessor, and by the other two if it was in the answer.
func (s *Sampler) penalise(logits []float32) {
	p := &s.params
	repeats := s.repeats()
	for _, seen := range s.seen {
		if seen.id < 0 || int(seen.id) >= len(logits) {
			continue
		}
		v := logits[seen.id]
		switch {
		case !repeats:
		case v > 0:
			v /= float32(p.RepetitionPenalty)
		default:
			v *= float32(p.RepetitionPenalty)
		}
		if seen.times > 0 {
			v -= float32(p.PresencePenalty + float64(seen.times)*p.FrequencyPenalty)
		}
		s.change(logits, seen.id, v)
	}
}

func (s *Sampler) change(logits []float32, t int32, v float32) {
	s.undo = append(s.undo, change{t, logits[t]})
	logits[t] = v
}

// restore undoes the changes, the newest first, since a token may have been changed more than once.
func (s *Sampler) restore(logits []float32) {
	for i := len(s.undo) - 1; i >= 0; i-- {
		logits[s.undo[i].id] = s.undo[i].logit
	}
	s.undo = s.undo[:0]
}

// maskOf is one bit for each token that may be drawn.
func (s *Sampler) maskOf(limits *Limits, tokens int) []uint64 {
	words := (tokens + blockTokens - 1) / blockTokens
	s.mask = append(s.mask[:0], limits.Allowed[:min(words, len(limits.Allowed))]...)
	for len(s.mask) < words {
		s.mask = append(s.mask, 0)
	}
	for _, t := range limits.Also {
		s.mask[t/blockTokens] |= 1 << (t % blockTokens)
	}
	for _, t := range limits.Banned {
		s.mask[t/blockTokens] &^= 1 << (t % blockTokens)
	}
	return s.mask
}

func (s *Sampler) draw(r *row) (int32, error) {
	if k := s.params.TopK; k > 0 && k < len(r.logits) {
		return s.drawTop(r, k)
	}
	_, highest, err := r.highest()
	if err != nil {
		return 0, err
	}
	weigh := s.scale(float64(highest))
	switch p := &s.params; {
	case p.TopP > 0 && p.TopP < 1:
		s.picks = r.nucleus(s.picks[:0], weigh, p.TopP)
		return s.pick(atLeast(s.picks, p.MinP)), nil
	case p.MinP > 0:
		s.picks = r.atLeast(s.picks[:0], weigh, p.MinP)
		return s.pick(s.picks), nil
	default:
		return s.drawAny(r, weigh), nil
	}
}

// drawTop draws among the k likeliest tokens.
func (s *Sampler) drawTop(r *row, k int) (int32, error) {
	s.picks = r.largest(s.picks[:0], k)
	picks := s.picks
	if len(picks) == 0 || math.IsInf(picks[0].weight, 1) {
		return 0, ErrNotFinite
	}
	weigh := s.scale(picks[0].weight)
	total := 0.0
	for i := range picks {
		picks[i].weight = weigh.of(picks[i].weight)
		total += picks[i].weight
	}
	if p := s.params.TopP; p > 0 && p < 1 {
		picks = reaching(picks, p*total)
	}
	return s.pick(atLeast(picks, s.params.MinP)), nil
}

// drawAny draws among all tokens. Their weights are summed in blocks, so that few are looked at twice.
func (s *Sampler) drawAny(r *row, weigh scale) int32 {
	total := 0.0
	s.sums = s.sums[:0]
	for b := range r.blocks() {
		sum := r.sum(b, weigh)
		s.sums = append(s.sums, sum)
		total += sum
	}
	u := s.rng.Float64() * total
	last := 0 // block with a weight
	for b, sum := range s.sums {
		if sum == 0 {
			continue
		}
		last = b
		if u < sum {
			break
		}
		u -= sum
	}
	return r.at(last, weigh, u)
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

// atLeast keeps the candidates of at least some weight, and the first in any case. The likeliest token weighs 1.
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
