package train

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/qwenvld/qwenvld/router/difficulty"
)

// Options of a fit. DefaultOptions were chosen on sources left out; docs/ROUTER.md has the comparison.
type Options struct {
	Rate   float64 // Adagrad's learning rate
	L2     float64
	Epochs int
	// Drop is the share of a prompt's words that each pass over it leaves out, so that none is relied on alone.
	Drop float64
	// PerSource bounds the examples taken from one source, but for our own prompts and outcomes.
	PerSource int
	// Mass is the power by which a cell of language and picture counts of its size.
	Mass float64
	// Unsure is the weight of an example whose label is unsure.
	Unsure float64
	Seed   uint64
}

// DefaultOptions returns the options of the shipped weights.
func DefaultOptions() Options {
	return Options{Rate: 0.4, L2: 3e-3, Epochs: 10, Drop: 0.5, PerSource: 600, Mass: 0.6, Unsure: 0.15, Seed: 1}
}

// sample is an example with its weight.
type sample struct {
	*Example
	weight float64
}

// outcomeWeight is the weight of a measured outcome: they come from few tasks and must not drown the labels.
const outcomeWeight = 0.1

// maxWeight bounds how much a rare cell's example counts.
const maxWeight = 20

// balance caps sources and weighs examples: within a language, with and without pictures apart, both labels count the
// same.
func balance(examples []*Example, o *Options) []sample {
	out := capSources(examples, o)
	mass := map[cell]float64{}
	for _, s := range out {
		mass[cell{s.Lang, s.pictured(), s.Label}] += o.baseWeight(s.Example)
	}
	total := 0.0
	for i := range out {
		s := &out[i]
		s.weight = o.baseWeight(s.Example)
		if !s.measured() {
			s.weight *= o.cellWeight(s.Example, mass)
		}
		total += s.weight
	}
	for i := range out {
		out[i].weight = min(out[i].weight*float64(len(out))/total, maxWeight)
	}
	return out
}

// capSources takes so many examples of each source as Options.PerSource allows, but all of our own.
func capSources(examples []*Example, o *Options) []sample {
	rng := rand.New(rand.NewPCG(o.Seed, 1))
	groups := map[string][]*Example{}
	var names []string
	for _, e := range examples {
		g := e.group()
		if groups[g] == nil {
			names = append(names, g)
		}
		groups[g] = append(groups[g], e)
	}
	slices.Sort(names)
	var out []sample
	for _, name := range names {
		g := groups[name]
		rng.Shuffle(len(g), func(i, j int) { g[i], g[j] = g[j], g[i] })
		n := len(g)
		if !ours(g[0]) {
			n = min(n, o.PerSource)
		}
		for _, e := range g[:n] {
			out = append(out, sample{e, 1})
		}
	}
	return out
}

// cell is a part of the examples in which labels are balanced, and one of those labels.
type cell struct {
	lang  string
	image bool
	label Label
}

// baseWeight is what an example weighs before labels are balanced.
func (o *Options) baseWeight(e *Example) float64 {
	switch {
	case e.measured():
		return outcomeWeight
	case e.Label == LabelUnsure:
		return o.Unsure
	default:
		return 1
	}
}

// cellWeight is by how much the examples of e's cell are weighed up or down, given the mass of all cells: both labels
// of a language get half of its share each, and languages count by a power of their mass.
func (o *Options) cellWeight(e *Example, mass map[cell]float64) float64 {
	own, other := mass[cell{e.Lang, e.pictured(), e.Label}], mass[cell{e.Lang, e.pictured(), e.Label.other()}]
	unsure := mass[cell{e.Lang, e.pictured(), LabelUnsure}]
	if e.Label == LabelUnsure {
		other, unsure = mass[cell{e.Lang, e.pictured(), LabelInstruct}], mass[cell{e.Lang, e.pictured(), LabelThinking}]
	}
	whole := own + other + unsure
	share := math.Pow(whole, o.Mass)
	half := own * share / whole
	if e.Label != LabelUnsure && other > 0 {
		half = share / 2
	}
	return half / own
}

func (l Label) other() Label {
	if l == LabelThinking {
		return LabelInstruct
	}
	return LabelThinking
}

// ours are prompts that were written to fill gaps, and outcomes: all of them are taken.
func ours(e *Example) bool {
	return e.measured() || e.Source == "synthetic_ml" || len(e.Source) > 4 && e.Source[:4] == "own_"
}

// column is one head's weights.
type column struct {
	weights []float32
	bias    float64
	shift   uint
}

// fitColumn is logistic regression on soft targets by Adagrad, one pass after the other in a seeded order.
func fitColumn(samples []sample, shift uint, goal func(*Example) float64, o *Options, seed uint64) *column {
	rng := rand.New(rand.NewPCG(o.Seed, seed))
	c := &column{weights: make([]float32, difficulty.Buckets>>shift), shift: shift}
	squares := make([]float32, len(c.weights))
	biasSquares := 0.0
	var kept []uint32
	for range o.Epochs {
		for _, i := range rng.Perm(len(samples)) {
			s := &samples[i]
			lexical, shape := s.vector.Values()
			kept = kept[:0]
			for _, f := range s.vector.Lexical {
				if rng.Float64() >= o.Drop {
					kept = append(kept, f>>shift)
				}
			}
			if len(kept) > 0 {
				lexical *= float32(math.Sqrt(float64(len(s.vector.Lexical)) / float64(len(kept))))
			}
			z := c.bias
			for _, f := range kept {
				z += float64(c.weights[f] * lexical)
			}
			for _, f := range s.vector.Shapes {
				z += float64(c.weights[f>>shift] * shape)
			}
			g := (1/(1+math.Exp(-z)) - goal(s.Example)) * s.weight
			biasSquares += g * g
			c.bias -= o.Rate * g / (math.Sqrt(biasSquares) + 1e-6)
			decay := float32(o.L2 * s.weight)
			update := func(f uint32, value float32) {
				d := float32(g)*value + decay*c.weights[f]
				squares[f] += d * d
				c.weights[f] -= float32(o.Rate) * d / (float32(math.Sqrt(float64(squares[f]))) + 1e-6)
			}
			for _, f := range kept {
				update(f, lexical)
			}
			for _, f := range s.vector.Shapes {
				update(f>>shift, shape)
			}
		}
	}
	return c
}

func (c *column) score(v *difficulty.Vector) float64 {
	lexical, shape := v.Values()
	z := c.bias
	for _, f := range v.Lexical {
		z += float64(c.weights[f>>c.shift] * lexical)
	}
	for _, f := range v.Shapes {
		z += float64(c.weights[f>>c.shift] * shape)
	}
	return z
}

// fitHeads fits the three heads at the same time.
func fitHeads(samples []sample, o *Options) [difficulty.Heads]*column {
	var out [difficulty.Heads]*column
	var wg sync.WaitGroup
	for h := range out {
		wg.Go(func() {
			out[h] = fitColumn(samples, 0, func(e *Example) float64 { return target(h, e) }, o, uint64(h)+10)
		})
	}
	wg.Wait()
	return out
}

// Fit trains on all examples and takes calibration and price from a cross-validation.
func Fit(set *Set, examples []*Example, cv *Validation, o *Options, note string) (*difficulty.Model, error) {
	samples := balance(examples, o)
	heads := fitHeads(samples, o)
	h := difficulty.Header{
		Data: set.Digest, Examples: len(examples), Calibration: cv.Calibration, Pays: cv.Pays, Lambda: cv.Lambda, Note: note,
	}
	var c difficulty.Columns
	for i, col := range heads {
		c.Weights[i], h.Bias[i] = col.weights, col.bias
	}
	kinds := *o
	kinds.Epochs = 3
	var named []sample
	for _, s := range samples {
		if kindOf(s.Example) >= 0 {
			named = append(named, sample{s.Example, 1})
		}
	}
	for k := range difficulty.Kinds() {
		col := fitColumn(named, difficulty.KindShift, func(e *Example) float64 {
			if kindOf(e) == k {
				return 1
			}
			return 0
		}, &kinds, uint64(k)+100)
		c.Kinds[k], h.KindBias[k] = col.weights, col.bias
	}
	return difficulty.New(h, &c)
}

// byName sorts examples so that the order of files does not matter.
func byName(a, b *Example) int {
	return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Text, b.Text))
}
