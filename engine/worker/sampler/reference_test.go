package sampler

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/qwenvld/qwenvld/engine"
)

// reference is a sampler in the plainest form: it copies every row, and sorts and sums as one would on paper. Sampler must
// draw the same tokens.
type reference struct {
	params    engine.Sampling
	rng       *rand.Rand
	generated map[int32]int      // how often a token was drawn
	prompt    map[int32]struct{} // kept for the repetition penalty only
	adjusted  []float32
	also      []float32
	picks     []candidate
}

func newReference(params engine.Sampling, prompt []int32, seed uint64) *reference {
	s := &reference{params: params, rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), generated: map[int32]int{}}
	if s.repeats() {
		s.prompt = make(map[int32]struct{}, len(prompt))
		for _, t := range prompt {
			s.prompt[t] = struct{}{}
		}
	}
	return s
}

func (s *reference) repeats() bool {
	return s.params.RepetitionPenalty > 0 && s.params.RepetitionPenalty != 1
}

// Sample draws a token and remembers it for the penalties. logits are left as they are.
func (s *reference) Sample(logits []float32, limits Limits) (int32, error) {
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
func (s *reference) Accept(token int32) { s.generated[token]++ }

// adjust applies penalties, biases and bans to a copy of logits, when there are any.
func (s *reference) adjust(logits []float32, limits *Limits) []float32 {
	p := &s.params
	penalised := p.PresencePenalty != 0 || p.FrequencyPenalty != 0 || s.repeats()
	if !penalised && len(p.LogitBias) == 0 && limits.Allowed == nil && len(limits.Banned) == 0 {
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
func (s *reference) allow(row []float32, limits *Limits) {
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
func (s *reference) repeatAll(row []float32) {
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
func (s *reference) repeat(row []float32, t int32) {
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

func (s *reference) draw(row []float32) (int32, error) {
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
		s.picks = referenceLargest(s.picks, row, p.TopK)
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
		picks = atLeast(picks, p.MinP)
	}
	return s.pick(picks), nil
}

func (s *reference) pick(picks []candidate) int32 {
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

// referenceLargest appends the n tokens with the highest logits to into, highest first. NaN and -Inf are not candidates.
func referenceLargest(into []candidate, row []float32, n int) []candidate {
	const few = 64
	if n > few {
		for i, v := range row {
			if l := float64(v); l > math.Inf(-1) {
				into = append(into, candidate{int32(i), l})
			}
		}
		n = min(n, len(into))
		selectTop(into, n)
		sortDescending(into[:n])
		return into[:n]
	}
	floor := math.Inf(-1)
	for i, v := range row {
		l := float64(v)
		if !(l > floor) { // also when l is NaN
			continue
		}
		at := len(into)
		for at > 0 && into[at-1].weight < l {
			at--
		}
		into = slices.Insert(into, at, candidate{int32(i), l})
		if len(into) >= n {
			into = into[:n]
			floor = into[n-1].weight
		}
	}
	return into
}

// Logprobs returns token's log-probability under the plain softmax of logits, and the top alternatives, likeliest
// first. Their Bytes are left to the caller.
func (*reference) Logprobs(logits []float32, token int32, top int) (float64, []engine.TopToken) {
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
	best := referenceLargest(make([]candidate, 0, top+1), logits, top)
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
