package train

import (
	"math"
	"math/rand/v2"
	"slices"
)

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

// balanced draws from examples.
func balanced(examples []*Example) func(o *Options) []sample {
	return func(o *Options) []sample { return balance(examples, o) }
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
	case e.Pair != 0:
		return o.Contrast
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
