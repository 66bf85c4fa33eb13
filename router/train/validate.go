package train

import (
	"math"
	"math/rand/v2"
	"path"
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/difficulty"
)

// HeldBack are the sources that no weights are ever trained on.
func HeldBack() []string {
	return []string{
		"gsm8k_test", "mgsm", "mathverse_text", "lrv", "vicuna_bench", "folio", "banking77", "belle_seed_zh", "followbench_zh",
		"screenqa_complex",
	}
}

// twins are sources that tell of each other and are left out together.
func twins() [][]string {
	return [][]string{
		{"gsm8k_train", "gsm8k_test", "mgsm"},
		{"math_hendrycks", "math_hendrycks_train", "olympiadbench"},
		{"agieval_gaokao", "gaokao_bench"},
		{"followbench_en", "followbench_zh"},
		{"jsquad", "docqa_ml", "xquad"},
		{"klue_nli_ko", "kornlu_ko"},
		{"screenqa", "screenqa_complex"},
		{"self_instruct_seed", "self_instruct_user", "belle_seed_zh"},
		{"mathvision", "mathverse_text"},
		{"folio", "logic_llm"},
	}
}

// foldCount is how many parts the sources are left out in.
const foldCount = 12

// foldOf places sources into folds, twins together, by size so that the folds are alike.
func foldOf(examples []*Example) map[string]int {
	sizes := map[string]int{}
	for _, e := range examples {
		sizes[leader(e.Source)]++
	}
	names := make([]string, 0, len(sizes))
	for n := range sizes {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int {
		if sizes[a] != sizes[b] {
			return sizes[b] - sizes[a]
		}
		return strings.Compare(a, b)
	})
	folds, load := map[string]int{}, [foldCount]int{}
	for _, n := range names {
		least := 0
		for f := range load {
			if load[f] < load[least] {
				least = f
			}
		}
		folds[n] = least
		load[least] += sizes[n]
	}
	return folds
}

func leader(source string) string {
	for _, g := range twins() {
		if slices.Contains(g, source) {
			return g[0]
		}
	}
	return source
}

// Validation is a leave-source-out run: every example was judged by weights that saw neither its source nor a twin of
// it.
type Validation struct {
	Examples []*Example
	// raw are the heads' values before calibration.
	raw [][difficulty.Heads]float64

	Calibration [difficulty.Heads]difficulty.Platt
	Pays        difficulty.Platt
	Lambda      float64
}

// keptGoal is the macro recall of instruct that the price is set for.
const keptGoal = 0.952

// LeaveSourceOut trains once for each fold, and once for the sources held back, and fits calibration and price to what
// comes out.
func LeaveSourceOut(examples []*Example, o *Options) *Validation {
	labelled := slices.DeleteFunc(slices.Clone(examples), (*Example).measured)
	held := HeldBack()
	folds := foldOf(labelled)
	v := &Validation{}
	for f := range foldCount + 1 {
		var seen, unseen []*Example
		for _, e := range examples {
			heldBack := slices.Contains(held, e.Source)
			out := heldBack // of the training: the last run is for the sources held back
			if f < foldCount {
				out = !heldBack && !ownPrompt(e) && folds[leader(e.Source)] == f
			}
			switch {
			case out && !e.measured():
				unseen = append(unseen, e)
			case !out && !heldBack:
				seen = append(seen, e)
			}
		}
		heads := fitHeads(balance(seen, o), o)
		for _, e := range unseen {
			var z [difficulty.Heads]float64
			for h, c := range heads {
				z[h] = c.score(&e.vector)
			}
			v.Examples, v.raw = append(v.Examples, e), append(v.raw, z)
		}
	}
	v.calibrate()
	return v
}

// ownPrompt are those written for this router: they are always trained on and never counted.
func ownPrompt(e *Example) bool { return strings.HasPrefix(e.Source, "own_") }

// calibrate fits each head to its targets, the score to the labels, and the price to the share of easy prompts kept.
func (v *Validation) calibrate() {
	z, goal := make([]float64, len(v.raw)), make([]float64, len(v.raw))
	for h := range difficulty.Heads {
		for i, e := range v.Examples {
			z[i], goal[i] = v.raw[i][h], likely(h, e)
		}
		v.Calibration[h] = fitPlatt(z, goal)
	}
	// What outcomes taught the thinking head carries over to other sources only as far as it is seen to, and never
	// turned round.
	if p := &v.Calibration[difficulty.HeadThinking]; p.A < 0 {
		p.A = 0
	}
	gains, labels := v.labelled()
	v.Pays = fitPlatt(gains, labels)
	low, high := 0.0, 1.0
	for range 30 {
		v.Lambda = (low + high) / 2
		if b, _ := macro(v.Examples, v.Think()); b.Kept < keptGoal {
			low = v.Lambda
		} else {
			high = v.Lambda
		}
	}
	v.Lambda = math.Round(high*1e4) / 1e4
}

func (v *Validation) gain(i int) float64 {
	return v.Calibration[difficulty.HeadThinking].Apply(v.raw[i][difficulty.HeadThinking]) -
		v.Calibration[difficulty.HeadInstruct].Apply(v.raw[i][difficulty.HeadInstruct])
}

// labelled are the gains and labels of the prompts whose label is sure.
func (v *Validation) labelled() (gains, labels []float64) {
	for i, e := range v.Examples {
		if e.Label != LabelUnsure {
			gains, labels = append(gains, v.gain(i)), append(labels, float64(count(e.Label == LabelThinking)))
		}
	}
	return gains, labels
}

// Think are the decisions at the default quality.
func (v *Validation) Think() []bool {
	out := make([]bool, len(v.Examples))
	m := difficulty.Model{Header: difficulty.Header{Lambda: v.Lambda}}
	for i := range out {
		tokens := difficulty.TokensOf(v.Calibration[difficulty.HeadTokens].Apply(v.raw[i][difficulty.HeadTokens]))
		out[i] = v.gain(i) > m.Price(tokens, router.DefaultQuality)
	}
	return out
}

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
		heads := fitHeads(mix(seen, others, o), o)
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
