package train

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/difficulty"
)

// view is a part of a validation that is reported apart.
type view struct {
	name   string
	choose func(*Example) bool
}

// views are those of a run that leaves sources and topics out; the first two are not held back.
func views() []view {
	return []view{
		{"sources left out", func(e *Example) bool { return !e.judged() && !e.contrasting() }},
		{"topics left out", func(e *Example) bool { return !e.judged() && e.contrasting() }},
		{"sources held back", func(e *Example) bool { return e.judged() && !e.contrasting() }},
		{"topics held back", func(e *Example) bool { return e.judged() && slices.Contains(HeldBackTopics(), e.Source) }},
		{"languages held back, other topics", func(e *Example) bool {
			return e.judged() && e.contrasting() && !slices.Contains(HeldBackTopics(), e.Source)
		}},
		{"topics and languages held back", func(e *Example) bool { return e.judged() && e.contrasting() }},
	}
}

// Report writes the measures of a run that left sources and topics out, and of one that left languages out, as
// Markdown, baselines beside them.
func Report(w io.Writer, sources, languages *Validation) error {
	var b strings.Builder
	b.WriteString("| | AUC all | text | pictures | instruct kept | thinking caught | balanced | ECE | with pictures |\n" +
		"|---|---|---|---|---|---|---|---|---|\n")
	for _, p := range views() {
		sources.overview(&b, p.name, p.choose)
	}
	languages.overview(&b, "languages left out", all)
	for _, p := range views()[:2] {
		sources.baselines(&b, p.name, p.choose)
	}
	b.WriteString("\n| topic | AUC | instruct kept | thinking caught | balanced |\n|---|---|---|---|---|\n")
	for _, topic := range topics(sources.Examples) {
		name := strings.TrimPrefix(topic, "own_")
		if slices.Contains(HeldBackTopics(), topic) {
			name += " (held back)"
		}
		sources.row(&b, name, func(e *Example) bool { return e.Source == topic })
	}
	b.WriteString("\n| script | AUC | instruct kept | thinking caught | balanced | left out as a language: AUC | balanced |\n" +
		"|---|---|---|---|---|---|---|\n")
	for _, script := range scriptNames() {
		sources.scriptRow(&b, script, languages)
	}
	_, rows := macro(sources.Examples, sources.Think(), func(e *Example) bool { return !e.contrasting() })
	b.WriteString("\n| source | instruct kept | thinking caught | unsure, thought about |\n|---|---|---|---|\n")
	for _, r := range rows {
		name := r.Source
		if slices.Contains(HeldBack(), name) {
			name += " (held back)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, part(r.Kept, r.Instruct), part(r.Caught, r.Thinking), part(r.UnsureSum, r.Unsures))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func all(*Example) bool { return true }

// gains are the predicted ones.
func (v *Validation) gains() []float64 {
	out := make([]float64, len(v.Examples))
	for i := range out {
		out[i] = v.gain(i)
	}
	return out
}

// overview is a row of all measures of the chosen examples.
func (v *Validation) overview(b *strings.Builder, name string, choose func(*Example) bool) {
	gains := v.gains()
	recalls, _ := macro(v.Examples, v.Think(), choose)
	pictured := func(e *Example) bool { return choose(e) && e.pictured() }
	fmt.Fprintf(b, "| %s | %s | %s | %s | %.3f | %.3f | %.3f | %.3f | %.3f |\n", name, figure(v.auc(gains, choose)),
		figure(v.auc(gains, func(e *Example) bool { return choose(e) && !e.pictured() })), figure(v.auc(gains, pictured)),
		recalls.Kept, recalls.Caught, recalls.Mean(), v.ECE(choose), v.ECE(pictured))
}

// figure is empty where there is no number.
func figure(x float64) string {
	if math.IsNaN(x) {
		return ""
	}
	return fmt.Sprintf("%.3f", x)
}

// baselines are rows of the rules in words and of the length, each above the threshold that balances its recalls best.
func (v *Validation) baselines(b *strings.Builder, name string, choose func(*Example) bool) {
	length, keywords := make([]float64, len(v.Examples)), make([]float64, len(v.Examples))
	rules := phraseRules()
	for i, e := range v.Examples {
		length[i], keywords[i] = float64(utf8.RuneCountInString(e.Text)), keywordScore(e.features(), rules)
	}
	for _, base := range []struct {
		name   string
		scores []float64
	}{{"keywords", keywords}, {"length", length}} {
		recalls := v.bestRecall(base.scores, choose)
		fmt.Fprintf(b, "| %s: %s | %s | %s | %s | %.3f | %.3f | %.3f | | |\n", name, base.name, figure(v.auc(base.scores, choose)),
			figure(v.auc(base.scores, func(e *Example) bool { return choose(e) && !e.pictured() })),
			figure(v.auc(base.scores, func(e *Example) bool { return choose(e) && e.pictured() })),
			recalls.Kept, recalls.Caught, recalls.Mean())
	}
}

// bestRecall is the most balanced recall that a threshold on scores can have.
func (v *Validation) bestRecall(scores []float64, choose func(*Example) bool) Balanced {
	sorted := slices.Sorted(slices.Values(scores))
	var best Balanced
	think := make([]bool, len(scores))
	const steps = 100
	for step := range steps {
		threshold := sorted[len(sorted)*step/steps]
		for i, s := range scores {
			think[i] = s >= threshold
		}
		if r, _ := macro(v.Examples, think, choose); r.Mean() > best.Mean() {
			best = r
		}
	}
	return best
}

// recall is over all chosen prompts, whatever their source.
func (v *Validation) recall(choose func(*Example) bool) Balanced {
	var n, k, m, c float64
	for i, think := range v.Think() {
		switch e := v.Examples[i]; {
		case !choose(e):
		case e.Label == LabelInstruct:
			n++
			k += float64(count(!think))
		case e.Label == LabelThinking:
			m++
			c += float64(count(think))
		}
	}
	return Balanced{k / max(n, 1), c / max(m, 1)}
}

func (v *Validation) row(b *strings.Builder, name string, choose func(*Example) bool) {
	r := v.recall(choose)
	fmt.Fprintf(b, "| %s | %s | %.3f | %.3f | %.3f |\n", name, figure(v.auc(v.gains(), choose)), r.Kept, r.Caught, r.Mean())
}

// scriptRow is about the contrasting prompts in a script, of topics left out or held back and of languages left out.
func (v *Validation) scriptRow(b *strings.Builder, script string, languages *Validation) {
	choose := func(e *Example) bool { return e.contrasting() && scriptOf(e) == script }
	r := v.recall(choose)
	auc, balanced := "", ""
	if x := languages.auc(languages.gains(), choose); !math.IsNaN(x) {
		auc, balanced = figure(x), figure(languages.recall(choose).Mean())
	}
	fmt.Fprintf(b, "| %s | %s | %.3f | %.3f | %.3f | %s | %s |\n",
		script, figure(v.auc(v.gains(), choose)), r.Kept, r.Caught, r.Mean(), auc, balanced)
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
		if e.Label != LabelUnsure && choose(e) {
			s, y = append(s, scores[i]), append(y, e.Label == LabelThinking)
		}
	}
	return auc(s, y)
}

// ECE is the calibration error of the score over the chosen examples whose label is sure. Sources and their labels
// weigh the same. Each half of the sources is judged by a calibration fitted to the other half, and what is held back
// by one fitted to both.
func (v *Validation) ECE(choose func(*Example) bool) float64 {
	mass := v.masses()
	half := v.halves()
	var fits [2]difficulty.Platt
	for h := range fits {
		other := slices.Clone(mass)
		for i, e := range v.Examples {
			if half[e.Source] == h {
				other[i] = 0
			}
		}
		fits[h] = v.fitPays(other)
	}
	n := map[string]float64{}
	for _, e := range v.Examples {
		n[e.Source+string(e.Label)]++
	}
	var p, m []float64
	var y []bool
	for i, e := range v.Examples {
		if e.Label == LabelUnsure || !choose(e) {
			continue
		}
		fit := fits[half[e.Source]]
		if mass[i] == 0 {
			fit = v.Pays
		}
		p, y, m = append(p, fit.Apply(v.gain(i))), append(y, e.Label == LabelThinking), append(m, 1/n[e.Source+string(e.Label)])
	}
	return calibrationError(p, y, m)
}

// halves divides the sources.
func (v *Validation) halves() map[string]int {
	out := map[string]int{}
	for _, e := range v.Examples {
		out[e.Source] = 0
	}
	for i, name := range slices.Sorted(maps.Keys(out)) {
		out[name] = i % 2
	}
	return out
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

// ReportFlips writes how often harmless changes turn the decisions of m.
func ReportFlips(w io.Writer, m *difficulty.Model, examples []*Example) error {
	flips := Flips(m, examples)
	var b strings.Builder
	b.WriteString("\n| harmless change | decisions turned |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(flips)) {
		fmt.Fprintf(&b, "| %s | %.1f%% |\n", name, 100*flips[name])
	}
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
