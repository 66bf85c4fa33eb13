package train

import (
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/difficulty"
)

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

// foldOf places sources into folds, twins together, by size so that the folds are alike. Topics of contrasting prompts
// are sources too, each in a fold of its own.
func foldOf(examples []*Example) map[string]int {
	sizes := map[string]int{}
	for _, e := range examples {
		if !e.contrasting() {
			sizes[leader(e.Source)]++
		}
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
	left := slices.DeleteFunc(topics(examples), func(topic string) bool { return slices.Contains(HeldBackTopics(), topic) })
	for i, topic := range left {
		folds[topic] = i % foldCount
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

// Validation is a run that leaves out: every example was judged by weights that saw neither its source nor a twin of
// it, or, in the run that leaves languages out, nothing in its language.
type Validation struct {
	Examples []*Example
	// raw are the heads' values before calibration.
	raw [][difficulty.Heads]float64

	Calibration [difficulty.Heads]difficulty.Platt
	// Pictures is added to the value of the instruct head where there are pictures: sources with and without them are
	// unlike, and one calibration does not fit both.
	Pictures float64
	Pays     difficulty.Platt
	Lambda   float64
}

// LeaveSourceOut trains once for each fold of sources and topics, and once for what is held back. It fits calibration
// and price to what comes out of the folds; what is held back has no say in them.
func LeaveSourceOut(examples []*Example, o *Options) *Validation {
	labelled := slices.DeleteFunc(slices.Clone(examples), (*Example).measured)
	folds := foldOf(labelled)
	v := &Validation{}
	for f := range foldCount {
		v.judge(examples, o, func(e *Example) bool {
			return !e.judged() && !e.alwaysSeen() && folds[leader(e.Source)] == f
		})
	}
	v.judge(examples, o, (*Example).judged)
	v.calibrate()
	return v
}

// languageGroups are left out together; English is always seen.
func languageGroups() [][]string {
	return [][]string{{"zh"}, {"ko"}, {"ja"}, {"de", "it", "vi", "ar"}, {"fr", "es", "ru", "th", "id"}}
}

// LeaveLanguageOut judges the contrasting prompts of each language by weights that saw nothing in it. Calibration and
// price are those of sources.
func LeaveLanguageOut(examples []*Example, o *Options, sources *Validation) *Validation {
	v := &Validation{Calibration: sources.Calibration, Pictures: sources.Pictures, Pays: sources.Pays, Lambda: sources.Lambda}
	for _, group := range languageGroups() {
		within := slices.DeleteFunc(slices.Clone(examples), func(e *Example) bool {
			return slices.Contains(group, e.Lang) && !e.contrasting()
		})
		v.judge(within, o, func(e *Example) bool { return !e.judged() && slices.Contains(group, e.Lang) })
	}
	return v
}

// judge fits weights to the examples that are neither left out nor held back, and judges those left out.
func (v *Validation) judge(examples []*Example, o *Options, out func(*Example) bool) {
	var seen, unseen []*Example
	for _, e := range examples {
		switch {
		case out(e) && !e.measured():
			unseen = append(unseen, e)
		case !out(e) && !e.judged():
			seen = append(seen, e)
		}
	}
	if len(unseen) == 0 {
		return
	}
	fewer := *o
	fewer.Seeds = o.FoldSeeds
	heads := fitHeads(balanced(seen), &fewer)
	for _, e := range unseen {
		var z [difficulty.Heads]float64
		for h, c := range heads {
			z[h] = c.score(&e.vector)
		}
		if e.pictured() {
			z[difficulty.HeadInstruct] += v.Pictures
		}
		v.Examples, v.raw = append(v.Examples, e), append(v.raw, z)
	}
}

// contrastMass is how much the contrasting prompts weigh in calibration and price beside all other sources together.
const contrastMass = 1

// masses are what examples weigh in a calibration: sources count the same, whatever their size, and what is held back
// not at all.
func (v *Validation) masses() []float64 {
	n := map[side]float64{}
	sides := [2]map[side]bool{{}, {}}
	for _, e := range v.Examples {
		if !e.judged() {
			n[side{e.Source, e.Label}]++
			sides[count(e.contrasting())][side{e.Source, e.Label}] = true
		}
	}
	least := float64(minLabelled)
	if !slices.ContainsFunc(slices.Collect(maps.Values(n)), func(n float64) bool { return n >= minLabelled }) {
		least = 0 // little data is better than none
	}
	out := make([]float64, len(v.Examples))
	for i, e := range v.Examples {
		at := side{e.Source, e.Label}
		switch {
		case e.judged(), n[at] < least:
		case e.contrasting():
			out[i] = contrastMass / n[at] / float64(len(sides[1]))
		default:
			out[i] = 1 / n[at] / float64(len(sides[0]))
		}
	}
	return out
}

// calibrate fits each head to its targets, the score to the labels, and the price to the balance of both recalls.
func (v *Validation) calibrate() {
	mass := v.masses()
	v.fitPictures(mass)
	z, goal, alike := make([]float64, len(v.raw)), make([]float64, len(v.raw)), make([]float64, len(v.raw))
	for i, e := range v.Examples {
		alike[i] = float64(count(!e.judged())) / float64(len(v.Examples))
	}
	for h := range difficulty.Heads {
		for i, e := range v.Examples {
			z[i], goal[i] = v.raw[i][h], likely(h, e)
		}
		weights := mass
		if h == difficulty.HeadTokens { // a number, in which sources are not to be balanced
			weights = alike
		}
		v.Calibration[h] = fitPlatt(z, goal, weights)
	}
	// What outcomes taught the thinking head carries over to other sources only as far as it is seen to, and never
	// turned round.
	if p := &v.Calibration[difficulty.HeadThinking]; p.A < 0 {
		p.A = 0
	}
	for range 2 { // each shifts the other a little
		v.Lambda = v.balancedPrice()
		v.balancePictures()
	}
	v.Pays = v.fitPays(mass)
}

// fitPictures fits the addition for pictures together with the calibration of the instruct head, and adds it.
func (v *Validation) fitPictures(mass []float64) {
	const head, rounds = difficulty.HeadInstruct, 30
	z, goal := make([]float64, len(v.raw)), make([]float64, len(v.raw))
	for i, e := range v.Examples {
		goal[i] = likely(head, e)
	}
	for range rounds {
		for i, e := range v.Examples {
			z[i] = v.raw[i][head]
			if e.pictured() {
				z[i] += v.Pictures
			}
		}
		p := fitPlatt(z, goal, mass)
		var slope, curve float64
		for i, e := range v.Examples {
			if e.pictured() {
				q := p.Apply(z[i])
				slope += mass[i] * p.A * (q - goal[i])
				curve += mass[i] * p.A * p.A * q * (1 - q)
			}
		}
		if curve == 0 {
			return
		}
		v.Pictures -= slope / curve
	}
	v.Pictures = math.Round(v.Pictures*1e4) / 1e4
	for i, e := range v.Examples {
		if e.pictured() {
			v.raw[i][head] += v.Pictures
		}
	}
}

// fitPays fits the score to the labels that are sure.
func (v *Validation) fitPays(mass []float64) difficulty.Platt {
	gains, labels, weights := make([]float64, len(v.raw)), make([]float64, len(v.raw)), make([]float64, len(v.raw))
	for i, e := range v.Examples {
		gains[i], labels[i] = v.gain(i), float64(count(e.Label == LabelThinking))
		if e.Label != LabelUnsure {
			weights[i] = mass[i]
		}
	}
	return fitPlatt(gains, labels, weights)
}

// balancedPrice is the price at which the recalls are balanced best.
func (v *Validation) balancedPrice() float64 {
	const steps, top = 200, 0.4
	return lowestGood(0, top, steps, func(lambda float64) float64 {
		v.Lambda = lambda
		return v.balance(all)
	})
}

// balancePictures moves the addition for pictures to where the recalls of prompts with pictures are balanced best: the
// likeliest addition follows how many of them were easy, which says nothing of other people's pictures.
func (v *Validation) balancePictures() {
	const reach, steps = 2.0, 80
	shift := func(by float64) {
		for i, e := range v.Examples {
			if e.pictured() {
				v.raw[i][difficulty.HeadInstruct] += by
			}
		}
		v.Pictures += by
	}
	if !slices.ContainsFunc(v.Examples, func(e *Example) bool { return e.pictured() && !e.judged() }) {
		return
	}
	start := v.Pictures
	best := lowestGood(-reach, reach, steps, func(by float64) float64 {
		shift(start + by - v.Pictures)
		return v.balance((*Example).pictured)
	})
	shift(start + best - v.Pictures)
	v.Pictures = math.Round(v.Pictures*1e4) / 1e4
}

// near is how far below the best value that the lowest good one may be.
const near = 0.003

// lowestGood tries values from the lowest on and returns the first that comes near the best: of the price and of the
// addition for pictures, since a thought too many costs time, one too few the answer.
func lowestGood(from, to float64, steps int, good func(float64) float64) float64 {
	found := make([]float64, steps+1)
	at := func(i int) float64 { return math.Round((from+(to-from)*float64(i)/float64(steps))*1e4) / 1e4 }
	for i := range found {
		found[i] = good(at(i))
	}
	best := slices.Max(found)
	return at(slices.IndexFunc(found, func(x float64) bool { return x >= best-near }))
}

// balance is the mean of both recalls over the chosen examples that are not held back: means over sources and, weighing
// as much, over the topics of contrasting prompts.
func (v *Validation) balance(choose func(*Example) bool) float64 {
	think := v.Think()
	public, _ := macro(v.Examples, think, func(e *Example) bool { return choose(e) && !e.judged() && !e.contrasting() })
	own, topics := macro(v.Examples, think, func(e *Example) bool { return choose(e) && !e.judged() && e.contrasting() })
	switch {
	case public.Mean() == 0: // no source has enough of a label
		return v.recall(func(e *Example) bool { return choose(e) && !e.judged() }).Mean()
	case len(topics) == 0:
		return public.Mean()
	default:
		return (public.Mean() + own.Mean()) / 2
	}
}

func (v *Validation) gain(i int) float64 {
	return v.Calibration[difficulty.HeadThinking].Apply(v.raw[i][difficulty.HeadThinking]) -
		v.Calibration[difficulty.HeadInstruct].Apply(v.raw[i][difficulty.HeadInstruct])
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
