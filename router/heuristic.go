package router

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	// scanRunes bounds how much of the head and of the tail of a turn is looked at.
	scanRunes = 1200
	// maxReasons bounds Assessment.Reasons.
	maxReasons = 4
	// bias is the log-odds of a turn that no rule knows: most requests are easy.
	bias = -1.2
	// threshold is the middle of the logistic scale; the bias carries the preference.
	threshold = 0.5
)

// Heuristic is a Scorer of hand-written rules in English, Chinese, Korean and Japanese. It knows nothing
// of a particular model and stands in where no trained scorer is configured.
type Heuristic struct {
	rules []rule
}

// NewHeuristic returns the rules as they ship.
func NewHeuristic() *Heuristic { return &Heuristic{rules: phraseRules()} }

// Threshold implements Scorer.
func (h *Heuristic) Threshold() float64 { return threshold }

// signal is a rule that matched.
type signal struct {
	name   string
	weight float64
}

// Assess implements Scorer.
func (h *Heuristic) Assess(f *Features) Assessment {
	text := normalise(f.Text)
	signals := make([]signal, 0, 8)
	for i := range h.rules {
		r := &h.rules[i]
		if slices.ContainsFunc(r.phrases, func(p string) bool { return containsPhrase(text, p) }) {
			signals = append(signals, signal{r.name, r.weight})
		}
	}
	signals = append(signals, shapeSignals(text, f)...)
	sum := bias
	for _, s := range signals {
		sum += s.weight
	}
	score := 1 / (1 + math.Exp(-sum))
	return Assessment{Score: score, Reasons: reasons(signals, score >= threshold), Budget: budgetClass(score)}
}

// shapeSignals looks at what a text is made of instead of its words.
func shapeSignals(text string, f *Features) []signal {
	var out []signal
	add := func(ok bool, name string, weight float64) {
		if ok {
			out = append(out, signal{name, weight})
		}
	}
	n := utf8.RuneCountInString(text)
	add(n >= 600, "long prompt", 1)
	add(n < 16 && f.Images == 0, "very short prompt", -0.8)
	add(strings.Contains(text, "```") || strings.Contains(text, "#include") || strings.Contains(text, "def "), "code block", 1.6)
	add(hasFormula(text), "formula", 2.2)
	add(optionCount(text) >= 3, "multiple choice", 1.8)
	add(f.Images >= 2, "several images", 1.2)
	return out
}

// reasons names the signals that point the way of the decision, the heaviest first; ties keep rule order.
func reasons(signals []signal, think bool) []string {
	kept := slices.DeleteFunc(slices.Clone(signals), func(s signal) bool { return (s.weight > 0) != think })
	slices.SortStableFunc(kept, func(a, b signal) int { return cmp.Compare(math.Abs(b.weight), math.Abs(a.weight)) })
	out := make([]string, 0, maxReasons)
	for _, s := range kept[:min(len(kept), maxReasons)] {
		out = append(out, s.name)
	}
	if len(out) == 0 {
		out = append(out, "nothing suggests hard reasoning")
	}
	return out
}

// budgetClass turns a score into one of the efforts' budgets: the surer, the more room.
func budgetClass(score float64) int {
	switch {
	case score < threshold:
		return 0
	case score < 0.7:
		return EffortMedium.Budget()
	case score < 0.95:
		return EffortHigh.Budget()
	default:
		return EffortXHigh.Budget()
	}
}

// normalise folds width and case and keeps only the head and tail of a long text.
func normalise(s string) string {
	// Four bytes a rune at most: cutting bytes first keeps the work small for huge inputs.
	if limit := 4 * scanRunes; len(s) > 2*limit {
		s = strings.ToValidUTF8(s[:limit], "") + "\n" + strings.ToValidUTF8(s[len(s)-limit:], "")
	}
	s = strings.ToLower(norm.NFKC.String(s))
	if r := []rune(s); len(r) > 2*scanRunes {
		s = string(r[:scanRunes]) + "\n" + string(r[len(r)-scanRunes:])
	}
	return s
}

// containsPhrase finds p in text; where p's ends are ASCII letters they must be word borders.
func containsPhrase(text, p string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], p)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(p)
		if !(asciiWord(p[0]) && start > 0 && asciiWord(text[start-1])) &&
			!(asciiWord(p[len(p)-1]) && end < len(text) && asciiWord(text[end])) {
			return true
		}
		_, size := utf8.DecodeRuneInString(text[start:])
		from = start + size
	}
}

func asciiWord(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= '0' && b <= '9'
}

// hasFormula recognises LaTeX commands and expressions such as "3x^2 + 5 = 0".
func hasFormula(text string) bool {
	for _, cmd := range []string{`\frac`, `\sqrt`, `\int`, `\sum`, `\begin{`, `\le`, `\ge`, "√", "∫", "∑", "≤", "≥", "∠"} {
		if strings.Contains(text, cmd) {
			return true
		}
	}
	digits, operators, equals := 0, 0, false
	for _, r := range text {
		switch {
		case unicode.IsDigit(r):
			digits++
		case strings.ContainsRune("+*/^×÷", r):
			operators++
		case r == '=':
			equals = true
		}
	}
	return digits >= 2 && (operators >= 1 && equals || operators >= 2)
}

// optionCount counts lines or items that look like answer options: "a)", "(b)", "c.", "1)".
func optionCount(text string) int {
	n := 0
	for _, field := range strings.Fields(text) {
		field = strings.TrimPrefix(field, "(")
		if len(field) >= 2 && (field[0] >= 'a' && field[0] <= 'f' || field[0] >= '1' && field[0] <= '6') &&
			(field[1] == ')' || field[1] == '.' || field[1] == ':') && (len(field) == 2 || !asciiWord(field[2])) {
			n++
		}
	}
	return n
}
