package train

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/difficulty"
)

// Report writes the measures of a leave-source-out run as Markdown, baselines beside them.
func Report(w io.Writer, v *Validation) error {
	var b strings.Builder
	think := v.Think()
	recalls, sources := macro(v.Examples, think)
	fmt.Fprintf(&b, "| | AUC all | text | image | instruct kept | thinking caught | balanced | ECE |\n|---|---|---|---|---|---|---|---|\n")
	gains := make([]float64, len(v.Examples))
	length, keywords := make([]float64, len(gains)), make([]float64, len(gains))
	rules := phraseRules()
	for i, e := range v.Examples {
		gains[i], length[i], keywords[i] = v.gain(i), float64(len(e.Text)), keywordScore(e.features(), rules)
	}
	row := func(name string, scores []float64, r Balanced, ece string) {
		fmt.Fprintf(&b, "| %s | %.3f | %.3f | %.3f | %.3f | %.3f | %.3f | %s |\n", name,
			v.auc(scores, nil), v.auc(scores, func(e *Example) bool { return !e.pictured() }),
			v.auc(scores, func(e *Example) bool { return e.pictured() }),
			r.Kept, r.Caught, r.Mean(), ece)
	}
	row("trained", gains, recalls, fmt.Sprintf("%.3f", v.ECE()))
	row("keywords", keywords, v.recallAbove(keywords, 0.5), "")
	row("length", length, v.recallAbove(length, v.lengthFor(length)), "")

	b.WriteString("\n| language | sources | instruct kept | thinking caught | balanced |\n|---|---|---|---|---|\n")
	for _, lang := range []string{"en", "zh", "ko", "ja", "de", "fr", "es", "ru", "it", "pt", "vi", "th"} {
		kept, caught := v.language(lang, think)
		fmt.Fprintf(&b, "| %s | %d | %.3f | %.3f | %.3f |\n", lang, v.sourcesOf(lang), kept, caught, (kept+caught)/2)
	}
	b.WriteString("\n| source | instruct kept | thinking caught | unsure, thought about |\n|---|---|---|---|\n")
	for _, r := range sources {
		name := r.Source
		if slices.Contains(HeldBack(), name) {
			name += " (held back)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, part(r.Kept, r.Instruct), part(r.Caught, r.Thinking), part(r.UnsureSum, r.Unsures))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func part(n, of int) string {
	if of == 0 {
		return ""
	}
	return fmt.Sprintf("%.3f of %d", float64(n)/float64(of), of)
}

func (v *Validation) auc(scores []float64, choose func(*Example) bool) float64 {
	var s []float64
	var y []bool
	for i, e := range v.Examples {
		if e.Label != LabelUnsure && (choose == nil || choose(e)) {
			s, y = append(s, scores[i]), append(y, e.Label == LabelThinking)
		}
	}
	return auc(s, y)
}

func (v *Validation) recallAbove(scores []float64, threshold float64) Balanced {
	think := make([]bool, len(scores))
	for i, s := range scores {
		think[i] = s >= threshold
	}
	r, _ := macro(v.Examples, think)
	return r
}

// lengthFor is the length above which as many easy prompts are kept as by the trained weights.
func (v *Validation) lengthFor(length []float64) float64 {
	sorted := slices.Clone(length)
	slices.Sort(sorted)
	for _, share := range []int{50, 60, 70, 80, 85, 90, 95, 97, 98, 99} {
		if t := sorted[len(sorted)*share/100]; v.recallAbove(length, t).Kept >= keptGoal {
			return t
		}
	}
	return sorted[len(sorted)-1]
}

// ECE is the calibration error of the score, with the calibration fitted to the other half of the sources each time.
func (v *Validation) ECE() float64 {
	var p []float64
	var y []bool
	for half := range 2 {
		var z, goal []float64
		for i, e := range v.Examples {
			if e.Label != LabelUnsure && len(e.Source)%2 != half {
				z, goal = append(z, v.gain(i)), append(goal, float64(count(e.Label == LabelThinking)))
			}
		}
		fit := fitPlatt(z, goal)
		for i, e := range v.Examples {
			if e.Label != LabelUnsure && len(e.Source)%2 == half {
				p, y = append(p, fit.Apply(v.gain(i))), append(y, e.Label == LabelThinking)
			}
		}
	}
	return calibrationError(p, y)
}

// language gives recalls over all labelled prompts of a language.
func (v *Validation) language(lang string, think []bool) (kept, caught float64) {
	var n, k, m, c float64
	for i, e := range v.Examples {
		if e.Lang != lang {
			continue
		}
		switch e.Label {
		case LabelInstruct:
			n++
			k += float64(count(!think[i]))
		case LabelThinking:
			m++
			c += float64(count(think[i]))
		default:
		}
	}
	return k / max(n, 1), c / max(m, 1)
}

func (v *Validation) sourcesOf(lang string) int {
	seen := map[string]bool{}
	for _, e := range v.Examples {
		if e.Lang == lang && e.Label != LabelUnsure {
			seen[e.Source] = true
		}
	}
	return len(seen)
}

// ReportOutcomes writes how much of the gap between answers is won on outcomes that were measured.
func ReportOutcomes(w io.Writer, examples []*Example, o *Options) error {
	var b strings.Builder
	b.WriteString("| outcomes | APGR | peak | at 20% / 50% / 80% thinking | thinking for 95% of the gap |\n|---|---|---|---|---|\n")
	row := func(name string, g Gap) {
		fmt.Fprintf(&b, "| %s | %.3f | %.2f | %.2f / %.2f / %.2f | %.0f%% |\n",
			name, g.Area, g.Peak, g.At[0], g.At[1], g.At[2], 100*g.Needed)
	}
	row("trained on outcomes, random folds", Outcomes(examples, false, o, 1))
	const splits = 3
	for seed := range uint64(splits) {
		row(fmt.Sprintf("trained on outcomes, unseen tasks, split %d", seed+1), Outcomes(examples, true, o, seed+1))
	}
	var measured []*Example
	for _, e := range examples {
		if e.measured() {
			measured = append(measured, e)
		}
	}
	length, keywords, tasks := make([]float64, len(measured)), make([]float64, len(measured)), make([]float64, len(measured))
	rules := phraseRules()
	sum, n := map[string]float64{}, map[string]float64{}
	for _, e := range measured {
		sum[taskOf(e)] += *e.Strong - *e.Weak
		n[taskOf(e)]++
	}
	for i, e := range measured {
		length[i], keywords[i], tasks[i] = float64(len(e.Text)), keywordScore(e.features(), rules), sum[taskOf(e)]/n[taskOf(e)]
	}
	row("length", gapWon(measured, length))
	row("keywords", gapWon(measured, keywords))
	row("oracle that knows each task's mean gain", gapWon(measured, tasks))
	_, err := io.WriteString(w, b.String())
	return err
}

// Flips asks a model about harmless changes of each prompt and returns the share of decisions that turn, by kind of
// change.
func Flips(m *difficulty.Model, examples []*Example) map[string]float64 {
	out := map[string]float64{}
	n := 0.0
	for i, e := range examples {
		if e.Label == LabelUnsure || e.measured() {
			continue
		}
		n++
		before := decides(m, e, e.Text)
		for name, change := range changes() {
			if decides(m, e, change(e.Text, i)) != before {
				out[name]++
			}
		}
	}
	for name := range changes() {
		out[name] /= max(n, 1)
	}
	return out
}

func decides(m *difficulty.Model, e *Example, text string) bool {
	f := e.features()
	f.Text = text
	a := m.Assess(f)
	return a.Thinking-a.Instruct > m.Price(a.Tokens, router.DefaultQuality)
}
