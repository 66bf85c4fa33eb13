package train

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/qwenvld/qwenvld/router"
)

// scanRunes bounds how much of the head and of the tail of a turn is looked at.
const scanRunes = 1200

// keywordBias is the log-odds of a turn that no rule knows: most requests are easy.
const keywordBias = -1.2

// signal is a rule that matched.
type signal struct {
	name   string
	weight float64
}

// keywordScore is the baseline of hand-written rules in English, Chinese, Korean and Japanese that trained weights have
// to beat: the probability that the rules give to thinking.
func keywordScore(f *router.Features, rules []rule) float64 {
	text := normalise(f.Text)
	sum := keywordBias
	for i := range rules {
		r := &rules[i]
		if slices.ContainsFunc(r.phrases, func(p string) bool { return containsPhrase(text, p) }) {
			sum += r.weight
		}
	}
	for _, s := range shapeSignals(text, f) {
		sum += s.weight
	}
	return sigmoid(sum)
}

// shapeSignals looks at what a text is made of instead of its words.
func shapeSignals(text string, f *router.Features) []signal {
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
