package probe

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// comparison is how the conclusion of an answer can be compared.
type comparison int

const (
	byNone    comparison = iota // an open answer
	byCalls                     // tool calls
	byJSON                      // a document
	byOption                    // a letter of a multiple choice
	byYesNo                     // or its like in other languages
	byFormula                   // in a box, sign for sign
	byNumber                    // the last one
	byWords                     // a few words
)

// conclusion is what an answer comes to.
type conclusion struct {
	by     comparison
	text   string // JSON, calls, letter, formula without spaces, or words in normal form
	number float64
	words  []string // those that carry meaning, sorted
}

// maxWords is how long an answer may be to be compared by its words.
const maxWords = 12

var (
	boxed = regexp.MustCompile(`\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}`)
	// option is a letter alone or before its text: "B", "(B)", "B. 42", "**B)** four".
	option = regexp.MustCompile(`^[\s*(]*([A-H])(?:[\s*]*$|[\s*]*[).:][\s*]*(?:\s.*)?$)`)
	// saidOption is a letter that a sentence gives as the answer.
	saidOption = regexp.MustCompile(`(?i:answer|option|choice|정답은?|答案是?|選択肢)(?i:\s+is|\s*[:：])?` +
		`[\s*(（]*([A-H])(?:[\s*]*(?:$|[).,:;])|[^\x00-\x7f])`)
	number   = regexp.MustCompile(`[-−]?\d[\d,]*(?:\.\d+)?(?:\s*/\s*\d+)?|[-−]?\.\d+`)
	fraction = regexp.MustCompile(`\\[dt]?frac\{(-?\d+)\}\{(\d+)\}`)
)

// score is how right an answer is, 0 or 1, by a reference answer. ok is false where they cannot be compared.
func score(r *reply, reference string) (value float64, ok bool) {
	return compare(conclude(&reply{text: reference}), conclude(r), r.text)
}

// agreement compares the direct answer with the thinking one. Open answers agree where they are the same, and cannot be
// compared elsewhere.
func agreement(direct, thinking *reply) (value float64, ok bool) {
	if said := strings.TrimSpace(thinking.String()); said != "" && said == strings.TrimSpace(direct.String()) {
		return 1, true
	}
	return compare(conclude(thinking), conclude(direct), direct.text)
}

// compare asks whether the answer, whose whole text is given too, concludes what the reference does.
func compare(want, got conclusion, text string) (value float64, ok bool) {
	var same bool
	switch want.by {
	case byNone:
		return 0, false
	case byNumber:
		n, found := lastNumber(text)
		same = found && near(n, want.number)
	case byOption:
		letter := optionOf(text)
		same = letter == want.text
	case byYesNo:
		same = yesNo(text) == want.text
	case byWords:
		same = got.by != byCalls && holds(text, want)
	default:
		same = got.by == want.by && got.text == want.text
	}
	if same {
		return 1, true
	}
	return 0, true
}

func near(a, b float64) bool {
	const relative = 1e-6
	return math.Abs(a-b) <= relative*max(math.Abs(a), math.Abs(b))
}

// conclude finds what an answer comes to. A box says it outright; else a letter, a number or few words are looked for,
// the first of these.
func conclude(r *reply) conclusion {
	if len(r.calls) > 0 {
		return conclusion{by: byCalls, text: strings.Join(r.calls, "\n")}
	}
	text := strings.TrimSpace(r.text)
	if v := document(text); v != "" {
		return conclusion{by: byJSON, text: v}
	}
	if letter := optionOf(text); letter != "" {
		return conclusion{by: byOption, text: letter}
	}
	inner, isBoxed := box(text)
	if word := yesNo(inner); word != "" && !isBoxed {
		return conclusion{by: byYesNo, text: word}
	}
	short := len(strings.Fields(normal(inner))) <= maxWords && len(inner) <= maxWords*16 // scripts without spaces
	if formula := formulaOf(inner); formula != "" && isBoxed {
		return conclusion{by: byFormula, text: formula}
	}
	if n, found := lastNumber(text); found && (isBoxed || short) {
		return conclusion{by: byNumber, number: n}
	}
	if words := carrying(normal(inner)); short && len(words) > 0 {
		return conclusion{by: byWords, text: normal(inner), words: words}
	}
	return conclusion{}
}

// formulaOf is a box's content without spaces where that is a formula and more than a number, else "".
func formulaOf(inner string) string {
	formula := strings.Join(strings.Fields(inner), "")
	plain := number.FindString(formula) == formula || fraction.FindString(formula) == formula
	if plain || !strings.ContainsAny(formula, `+-*/^=<>_\`) {
		return ""
	}
	return formula
}

// box is what stands in the last box of a text, else the whole text.
func box(text string) (inner string, ok bool) {
	if found := boxed.FindAllStringSubmatch(text, -1); found != nil {
		return found[len(found)-1][1], true
	}
	return text, false
}

// document is the canonical form of an answer that is a JSON object or list, in a code block or not.
func document(text string) string {
	if fenced, ok := strings.CutPrefix(text, "```"); ok {
		fenced = strings.TrimPrefix(fenced, "json")
		text = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(fenced), "```"))
	}
	if !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") {
		return ""
	}
	if v := canonical(text); v != text || strings.HasSuffix(text, "}") || strings.HasSuffix(text, "]") {
		return v
	}
	return ""
}

func optionOf(text string) string {
	inner, isBoxed := box(text)
	if isBoxed {
		inner = strings.NewReplacer(`\text{`, "", "}", "").Replace(inner)
	}
	if m := option.FindStringSubmatch(strings.TrimSpace(inner)); m != nil {
		return m[1]
	}
	if found := saidOption.FindAllStringSubmatch(inner, -1); found != nil {
		return found[len(found)-1][1]
	}
	return ""
}

// lastNumber is the number that an answer ends with: in the last box, else after the last equals sign, else the last of
// all.
func lastNumber(text string) (float64, bool) {
	inner, isBoxed := box(text)
	if m := fraction.FindStringSubmatch(inner); m != nil && isBoxed {
		return quotient(m[1], m[2])
	}
	if i := strings.LastIndexByte(inner, '='); i >= 0 && number.MatchString(inner[i:]) {
		inner = inner[i:]
	}
	found := number.FindAllString(inner, -1)
	if len(found) == 0 {
		return 0, false
	}
	last := strings.NewReplacer(",", "", "−", "-").Replace(found[len(found)-1])
	if over, under, ok := strings.Cut(last, "/"); ok {
		return quotient(strings.TrimSpace(over), strings.TrimSpace(under))
	}
	v, err := strconv.ParseFloat(last, 64)
	return v, err == nil
}

func quotient(over, under string) (float64, bool) {
	a, err := strconv.ParseFloat(over, 64)
	b, err2 := strconv.ParseFloat(under, 64)
	if err != nil || err2 != nil || b == 0 {
		return 0, false
	}
	return a / b, true
}

// yesNo is "yes" or "no" where an answer begins so.
func yesNo(text string) string {
	first := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) })
	if len(first) == 0 {
		return ""
	}
	switch first[0] {
	case "yes", "true", "네", "예", "是", "是的", "对", "有", "はい", "ja", "oui", "sí", "да":
		return "yes"
	case "no", "false", "아니요", "아니오", "不", "不是", "没有", "いいえ", "nein", "non", "нет":
		return "no"
	default:
		return ""
	}
}

// normal is text in NFKC and lower case, its marks replaced by spaces.
func normal(text string) string {
	words := strings.FieldsFunc(strings.ToLower(norm.NFKC.String(text)), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
	return strings.Join(words, " ")
}

// carrying are the words that carry meaning, each once.
func carrying(text string) []string {
	words := slices.DeleteFunc(strings.Fields(text), func(w string) bool {
		switch w {
		case "a", "an", "the", "is", "are", "was", "it", "its", "this", "that", "there", "of", "in", "on", "at", "to", "and", "i", "answer":
			return true
		default:
			return false
		}
	})
	slices.Sort(words)
	return slices.Compact(words)
}

// holds reports that a text says the reference's words, or part of them and nothing else: "red" and "The star is red."
// do for each other.
func holds(text string, want conclusion) bool {
	got := normal(text)
	switch {
	case got == "":
		return false
	case got == want.text, spaceless(got) && strings.Contains(got, want.text), spaceless(want.text) && strings.Contains(want.text, got):
		return true
	}
	words := carrying(got)
	return len(words) > 0 && (within(want.words, words) || within(words, want.words))
}

// spaceless reports a text in a script without spaces between its words, or with endings on them.
func spaceless(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai)
	})
}

func within(part, whole []string) bool {
	for _, w := range part {
		if _, found := slices.BinarySearch(whole, w); !found {
			return false
		}
	}
	return true
}
