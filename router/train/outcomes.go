package train

import (
	"math"
	"math/rand/v2"
	"path"
	"slices"

	"github.com/qwenvld/qwenvld/router/difficulty"
)

// Outcomes is a cross-validation on measured outcomes: random folds, or folds of whole tasks.
func Outcomes(examples []*Example, unseenTasks bool, o *Options, seed uint64) Gap {
	var measured []*Example
	var others []*Example
	for _, e := range examples {
		switch {
		case e.measured():
			measured = append(measured, e)
		case e.Source != "reasoning_gym":
			others = append(others, e)
		}
	}
	slices.SortStableFunc(measured, byName)
	rng := rand.New(rand.NewPCG(seed, 3))
	const parts = 5
	fold := make([]int, len(measured))
	if unseenTasks {
		tasks := map[string]int{}
		var names []string
		for _, e := range measured {
			if _, ok := tasks[taskOf(e)]; !ok {
				tasks[taskOf(e)] = 0
				names = append(names, taskOf(e))
			}
		}
		slices.Sort(names)
		for i, p := range rng.Perm(len(names)) {
			tasks[names[p]] = i % parts
		}
		for i, e := range measured {
			fold[i] = tasks[taskOf(e)]
		}
	} else {
		for i, p := range rng.Perm(len(measured)) {
			fold[p] = i % parts
		}
	}
	scores := make([]float64, len(measured))
	for f := range parts {
		var seen []*Example
		for i, e := range measured {
			if fold[i] != f {
				seen = append(seen, e)
			}
		}
		heads := fitHeads(func(o *Options) []sample { return mix(seen, others, o) }, o)
		for i, e := range measured {
			if fold[i] == f {
				scores[i] = sigmoid(heads[difficulty.HeadThinking].score(&e.vector)) -
					sigmoid(heads[difficulty.HeadInstruct].score(&e.vector))
			}
		}
	}
	return gapWon(measured, scores)
}

// taskOf is the task an outcome was measured on, whatever its difficulty: the last part of the kind.
func taskOf(e *Example) string { return path.Base(e.Kind) }

// mix weighs outcomes ten times as much as labels.
func mix(measured, others []*Example, o *Options) []sample {
	out := balance(others, o)
	for i := range out {
		out[i].weight *= 0.1
	}
	for _, e := range measured {
		out = append(out, sample{e, 1})
	}
	return out
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
