package train

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/qwenvld/qwenvld/router/difficulty"
)

// Adapted is what a calibration on outcomes came to.
type Adapted struct {
	Model *difficulty.Model
	// Curve are the prices that were tried, on outcomes not trained on, the dearest first.
	Curve []Point
	// Chosen is the point of the new price.
	Chosen Point
	// Direct and Always are the mean scores of always answering directly and of always thinking.
	Direct, Always float64
}

// Point is what a price of thinking comes to.
type Point struct {
	Lambda float64
	Share  float64 // thought about
	Score  float64 // mean score of the answers
}

const (
	// minOutcomes is the least that a calibration is fitted to.
	minOutcomes  = 50
	adaptParts   = 5
	adaptEpochs  = 12
	adaptRate    = 0.05
	adaptDecay   = 1e-4
	keepOfAlways = 0.995
)

// Adapt moves weights towards the measured outcomes of one's own pair and sets the price so that answers keep 99.5% of the score of
// always thinking at the least share of thinking, judged on outcomes left out.
func Adapt(m *difficulty.Model, examples []*Example, seed uint64) (*Adapted, error) {
	outcomes := slices.DeleteFunc(slices.Clone(examples), func(e *Example) bool { return !e.measured() })
	if len(outcomes) < minOutcomes {
		return nil, fmt.Errorf("calibration needs at least %d outcomes (weak and strong), there are %d", minOutcomes, len(outcomes))
	}
	slices.SortStableFunc(outcomes, byName)
	rng := rand.New(rand.NewPCG(seed, 5))
	rng.Shuffle(len(outcomes), func(i, j int) { outcomes[i], outcomes[j] = outcomes[j], outcomes[i] })
	base := startOf(m)
	raw := make([][difficulty.Heads]float64, len(outcomes))
	for part := range adaptParts {
		var seen []*Example
		for i, e := range outcomes {
			if i%adaptParts != part {
				seen = append(seen, e)
			}
		}
		heads := base.moved(seen, seed)
		for i := part; i < len(outcomes); i += adaptParts {
			for h, c := range heads {
				raw[i][h] = c.score(&outcomes[i].vector)
			}
		}
	}
	out := &Adapted{}
	h := m.Header
	z, goal := make([]float64, len(raw)), make([]float64, len(raw))
	for head := range h.Calibration {
		for i, e := range outcomes {
			z[i], goal[i] = raw[i][head], target(head, e)
		}
		h.Calibration[head] = fitPlatt(z, goal)
		h.Calibration[head].A = max(h.Calibration[head].A, 0)
	}
	gains, pays := make([]float64, len(raw)), make([]float64, len(raw))
	for i, e := range outcomes {
		gains[i] = h.Calibration[difficulty.HeadThinking].Apply(raw[i][difficulty.HeadThinking]) -
			h.Calibration[difficulty.HeadInstruct].Apply(raw[i][difficulty.HeadInstruct])
		pays[i] = float64(count(*e.Strong > *e.Weak))
		out.Direct += *e.Weak / float64(len(outcomes))
		out.Always += *e.Strong / float64(len(outcomes))
	}
	h.Pays = fitPlatt(gains, pays)
	if h.Pays.A <= 0 {
		return nil, errors.New("calibration: the weights do not tell what thinking gains on these outcomes; use more or other prompts")
	}
	out.curve(outcomes, gains)
	h.Lambda, h.Examples = out.Chosen.Lambda, h.Examples+len(outcomes)
	heads := base.moved(outcomes, seed)
	columns := m.Columns()
	for i, c := range heads {
		columns.Weights[i], h.Bias[i] = c.weights, c.bias
	}
	var err error
	out.Model, err = difficulty.New(h, columns)
	return out, err
}

// curve tries every tenth gain as the price.
func (a *Adapted) curve(outcomes []*Example, gains []float64) {
	order := make([]int, len(gains))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(gains[j], gains[i]) })
	score, n := a.Direct, float64(len(order))
	a.Curve = append(a.Curve, Point{1, 0, score})
	for k, i := range order {
		score += (*outcomes[i].Strong - *outcomes[i].Weak) / n
		price := 0.0
		if k+1 < len(order) {
			price = max((gains[i]+gains[order[k+1]])/2, 0)
		}
		if price == 0 || k%max(len(order)/200, 1) == 0 {
			a.Curve = append(a.Curve, Point{price, float64(k+1) / n, score})
		}
		if price == 0 {
			break
		}
	}
	best := a.Curve[0]
	for _, p := range a.Curve {
		if p.Score > best.Score {
			best = p
		}
	}
	goal := keepOfAlways * min(a.Always, best.Score)
	a.Chosen = best
	for _, p := range a.Curve {
		if p.Score >= goal {
			a.Chosen = p
			break
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
