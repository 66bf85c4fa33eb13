package train

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/difficulty"
)

// Adapted is what a calibration on outcomes came to. All measures are of outcomes that were left out of the fit that
// judged them.
type Adapted struct {
	Model *difficulty.Model
	// Outcomes is their number.
	Outcomes int
	// Prices are those that were tried, the dearest first.
	Prices []Price
	// Chosen is the new one, that of quality 5.
	Chosen Price
	// Direct, Always and Oracle are the costs of always answering directly, of always thinking, and of thinking just
	// where the thinking answer is the better one, which nobody can know before.
	Direct, Always, Oracle Cost
	// Qualities are the costs of routing at a quality of 0 to 10.
	Qualities [11]Cost
}

// Price is what a price of thinking comes to.
type Price struct {
	Lambda float64
	Share  float64 // thought about
	Score  float64 // mean score of the answers

	noise float64 // standard error of the score's distance from that of always thinking
}

const (
	// minOutcomes is the least that a calibration is fitted to.
	minOutcomes = 50
	adaptParts  = 5
	adaptEpochs = 12
	adaptRate   = 0.05
	adaptDecay  = 1e-4

	// lossAllowed is the share of always thinking's score that may be lost for less thinking. Where there are few
	// outcomes one question is more than that, and thinking about everything for its sake would be fitting noise: then
	// a standard error may be lost, up to lossBound.
	lossAllowed = 0.005
	lossBound   = 0.02
)

// Adapt moves weights towards the measured outcomes of one's own pair and sets the price so that answers keep the score
// of always thinking, but for half a percent or what cannot be told from nothing, at the least share of thinking,
// judged on outcomes left out.
func Adapt(m *difficulty.Model, examples []*Example, seed uint64) (*Adapted, error) {
	outcomes := slices.DeleteFunc(slices.Clone(examples), func(e *Example) bool { return !e.measured() })
	if len(outcomes) < minOutcomes {
		return nil, fmt.Errorf("calibration needs at least %d outcomes (weak and strong), there are %d", minOutcomes, len(outcomes))
	}
	slices.SortStableFunc(outcomes, byName)
	rng := rand.New(rand.NewPCG(seed, 5))
	rng.Shuffle(len(outcomes), func(i, j int) { outcomes[i], outcomes[j] = outcomes[j], outcomes[i] })
	base := startOf(m)
	h := m.Header
	left, err := base.leaveOut(outcomes, &h, seed)
	if err != nil {
		return nil, err
	}
	out := &Adapted{
		Outcomes: len(outcomes),
		Direct:   costOf(outcomes, func(int) bool { return false }),
		Always:   costOf(outcomes, func(int) bool { return true }),
		Oracle:   costOf(outcomes, func(i int) bool { return *outcomes[i].Strong > *outcomes[i].Weak }),
	}
	if err := out.price(left, h); err != nil {
		return nil, err
	}
	h.Lambda, h.Examples = out.Chosen.Lambda, h.Examples+len(outcomes)
	if err := out.qualities(left, &h); err != nil {
		return nil, err
	}
	heads := base.moved(outcomes, seed)
	columns := m.Columns()
	for i, c := range heads {
		columns.Weights[i], h.Bias[i] = c.weights, c.bias
	}
	out.Model, err = difficulty.New(h, columns)
	return out, err
}

// leaveOut judges each outcome by weights that were not fitted to it, and sets the calibration in h to those
// judgements.
func (s *start) leaveOut(outcomes []*Example, h *difficulty.Header, seed uint64) ([]leftOut, error) {
	raw := make([][difficulty.Heads]float64, len(outcomes))
	for part := range adaptParts {
		var seen []*Example
		for i, e := range outcomes {
			if i%adaptParts != part {
				seen = append(seen, e)
			}
		}
		heads := s.moved(seen, seed)
		for i := part; i < len(outcomes); i += adaptParts {
			for head, c := range heads {
				raw[i][head] = c.score(&outcomes[i].vector)
			}
		}
	}
	z, goal := make([]float64, len(raw)), make([]float64, len(raw))
	for head := range h.Calibration {
		for i, e := range outcomes {
			z[i], goal[i] = raw[i][head], target(head, e)
		}
		h.Calibration[head] = fitPlatt(z, goal)
		h.Calibration[head].A = max(h.Calibration[head].A, 0)
	}
	left := make([]leftOut, len(outcomes))
	gains, pays := make([]float64, len(raw)), make([]float64, len(raw))
	for i, e := range outcomes {
		left[i] = leftOut{e, router.Assessment{
			Instruct: h.Calibration[difficulty.HeadInstruct].Apply(raw[i][difficulty.HeadInstruct]),
			Thinking: h.Calibration[difficulty.HeadThinking].Apply(raw[i][difficulty.HeadThinking]),
			Tokens:   difficulty.TokensOf(h.Calibration[difficulty.HeadTokens].Apply(raw[i][difficulty.HeadTokens])),
		}}
		gains[i], pays[i] = left[i].said.Thinking-left[i].said.Instruct, float64(count(*e.Strong > *e.Weak))
	}
	h.Pays = fitPlatt(gains, pays)
	if h.Pays.A <= 0 {
		return nil, errors.New("calibration: the weights do not tell what thinking gains on these outcomes; use more or other prompts")
	}
	return left, nil
}

// price tries the price at which each outcome would just be thought about at quality 5.
func (a *Adapted) price(left []leftOut, h difficulty.Header) error {
	h.Lambda = 1
	just := make([]float64, len(left))
	order := make([]int, len(left))
	for i := range left {
		d, err := left[i].decide(&h, router.DefaultQuality)
		if err != nil {
			return err
		}
		just[i], order[i] = d.Gain/d.Price, i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(just[j], just[i]) })
	score, n := a.Direct.Score, float64(len(order))
	var missed, squares float64 // of what thinking gains where it is not used
	for _, e := range left {
		gain := *e.Strong - *e.Weak
		missed, squares = missed+gain, squares+gain*gain
	}
	a.Prices = append(a.Prices, Price{max(just[order[0]], 0) + 1, 0, score, noise(missed, squares, n)})
	for k, i := range order {
		gain := *left[i].Strong - *left[i].Weak
		score += gain / n
		missed, squares = missed-gain, squares-gain*gain
		lambda := 0.0
		if k+1 < len(order) {
			lambda = max((just[i]+just[order[k+1]])/2, 0)
		}
		if lambda == 0 || k%max(len(order)/200, 1) == 0 {
			a.Prices = append(a.Prices, Price{lambda, float64(k+1) / n, score, noise(missed, squares, n)})
		}
		if lambda == 0 {
			break
		}
	}
	a.choose()
	return nil
}

// noise is the standard error of a mean.
func noise(sum, squares, n float64) float64 {
	mean := sum / n
	return math.Sqrt(max(squares/n-mean*mean, 0) / n)
}

// choose takes the dearest price that loses little enough.
func (a *Adapted) choose() {
	best := a.Prices[0]
	for _, p := range a.Prices {
		if p.Score > best.Score {
			best = p
		}
	}
	a.Chosen = best
	goal := min(a.Always.Score, best.Score)
	for _, p := range a.Prices {
		if goal-p.Score <= max(lossAllowed*goal, min(p.noise, lossBound*goal)) {
			a.Chosen = p
			return
		}
	}
}

// start are a model's heads as columns that can be moved.
type start struct{ heads [difficulty.Heads]*column }

func startOf(m *difficulty.Model) *start {
	s := &start{}
	columns := m.Columns()
	for h := range s.heads {
		s.heads[h] = &column{weights: columns.Weights[h], bias: m.Bias[h]}
	}
	return s
}

// moved are copies fitted to outcomes, held to where they started by the decay.
func (s *start) moved(outcomes []*Example, seed uint64) [difficulty.Heads]*column {
	var out [difficulty.Heads]*column
	for h, from := range s.heads {
		c := &column{weights: slices.Clone(from.weights), bias: from.bias}
		rng := rand.New(rand.NewPCG(seed, uint64(h)))
		squares := make([]float32, len(c.weights))
		biasSquares := 0.0
		for range adaptEpochs {
			for _, i := range rng.Perm(len(outcomes)) {
				e := outcomes[i]
				g := sigmoid(c.score(&e.vector)) - target(h, e)
				biasSquares += g * g
				c.bias -= adaptRate * g / (math.Sqrt(biasSquares) + 1e-6)
				lexical, shape := e.vector.Values()
				update := func(f uint32, value float32) {
					d := float32(g)*value + adaptDecay*(c.weights[f]-from.weights[f])
					squares[f] += d * d
					c.weights[f] -= adaptRate * d / (float32(math.Sqrt(float64(squares[f]))) + 1e-6)
				}
				for _, f := range e.vector.Lexical {
					update(f, lexical)
				}
				for _, f := range e.vector.Shapes {
					update(f, shape)
				}
			}
		}
		out[h] = c
	}
	return out
}
