// Package phrases finds what a user asks for in words: to think before answering ("step by step", "/think"), or to
// answer directly ("just the answer", "/no_think").
//
// It reads one text and allocates nothing. It does not decide who answers, and it must not grow into a list of words
// that make a request look hard or easy: that is the scorer's task.
package phrases

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/qwenvld/qwenvld/router/nfkc"
)

// edgeRunes bounds the head and the tail of a text in which phrases are looked for. What stands between them is more
// often pasted than said.
const edgeRunes = 400

// Phrase is a way to say how an answer is to be found.
type Phrase struct {
	// Text is the phrase in lower case and NFKC. Where it begins or ends with a Latin letter or a digit, it matches at
	// a word's border only.
	Text string
	// Think says that the phrase asks for thinking; otherwise it asks for a direct answer.
	Think bool
}

// spoken lists the phrases in natural language.
func spoken() []Phrase {
	think := []string{
		"step by step", "step-by-step", "think carefully", "think hard", "think harder", "think deeply",
		"think it through", "think about it carefully", "reason carefully", "reason through", "take your time",
		"show your reasoning", "一步一步", "一步步", "逐步", "分步", "仔细思考", "仔细想", "深入思考", "认真思考", "好好想", "详细推理", "仔細思考", "逐步推理",
		"단계별로", "단계적으로", "차근차근", "한 단계씩", "곰곰이", "깊이 생각", "신중하게 생각", "자세히 추론", "ステップごと", "ステップバイステップ", "段階的に", "順を追って",
		"一歩ずつ", "よく考えて", "じっくり考えて", "慎重に考えて", "schritt für schritt", "étape par étape", "paso a paso", "passo a passo",
		"шаг за шагом", "пошагово",
	}
	direct := []string{
		"quick answer", "answer quickly", "answer briefly", "one-word answer", "one word answer", "answer in one word",
		"in one word", "just the answer", "only the answer", "don't think", "do not think", "without thinking",
		"no need to think", "don't overthink", "简单说", "简单回答", "简短回答", "一句话", "一个词回答", "直接回答", "只给答案", "只要答案", "不用思考",
		"不要思考", "简单說", "簡單說", "간단히", "간단하게", "짧게", "한마디로", "한 문장으로", "답만", "바로 답", "생각하지 말고", "一言で", "簡潔に", "手短に",
		"答えだけ", "すぐに答え", "考えずに",
	}
	out := make([]Phrase, 0, len(think)+len(direct))
	for _, p := range think {
		out = append(out, Phrase{p, true})
	}
	for _, p := range direct {
		out = append(out, Phrase{p, false})
	}
	return out
}

// switches lists the soft switches that Qwen3 was trained with.
func switches() []Phrase {
	return []Phrase{{"/no_think", false}, {"/nothink", false}, {"/think", true}}
}

// lexicon finds phrases by their first byte.
type lexicon [256][]Phrase

func newLexicon(phrases []Phrase) *lexicon {
	l := &lexicon{}
	for _, p := range phrases {
		l[p.Text[0]] = append(l[p.Text[0]], p)
	}
	return l
}

// lexicons are searched one after the other: a switch outweighs any phrase. They are never written to.
var lexicons = [...]*lexicon{newLexicon(switches()), newLexicon(spoken())}

// Find returns the phrase that counts in a text. Switches ("/no_think", "/think") are looked for first, then phrases
// such as "step by step" or "简单说". Where several stand in the text, the last one counts. Phrases do not count in
// quotes, in the name of a thing ("a step-by-step guide") or where they are denied ("no need to go step by step").
func Find(text string) (p Phrase, ok bool) {
	var memory [(2*edgeRunes + 1) * utf8.UTFMax]byte // on the stack, because every request comes through here
	folded := fold(memory[:0], text)
	for _, l := range lexicons {
		if p, ok := l.last(folded); ok {
			return p, true
		}
	}
	return Phrase{}, false
}

// fold appends the head and the tail of s to b, in NFKC and lower case.
func fold(b []byte, s string) []byte {
	const edgeBytes = edgeRunes * utf8.UTFMax
	head, tail := s, ""
	if len(s) > 2*edgeBytes {
		head, tail = s[:edgeBytes], s[len(s)-edgeBytes:]
	}
	head, tail = compatible(head), compatible(tail)
	if tail == "" {
		if utf8.RuneCountInString(head) <= 2*edgeRunes {
			return appendLower(b, head, 0, math.MaxInt)
		}
		tail = head
	}
	b = append(appendLower(b, head, 0, edgeRunes), '\n')
	return appendLower(b, tail, utf8.RuneCountInString(tail)-edgeRunes, math.MaxInt)
}

// compatible is s in NFKC.
func compatible(s string) string {
	if nfkc.Is(s) {
		return s
	}
	return norm.NFKC.String(s)
}

// appendLower appends the runes of s with the indices from <= i < to, in lower case.
func appendLower(b []byte, s string, from, to int) []byte {
	at := 0
	for _, r := range s {
		if at >= to {
			break
		}
		if at >= from {
			b = utf8.AppendRune(b, unicode.ToLower(r))
		}
		at++
	}
	return b
}

// last finds the last phrase in text that counts. Where several phrases begin at the same place, the first of the list
// counts.
func (l *lexicon) last(text []byte) (Phrase, bool) {
	for i := len(text) - 1; i >= 0; i-- {
		for _, p := range l[text[i]] {
			end := i + len(p.Text)
			if end > len(text) || text[i+1] != p.Text[1] || string(text[i:end]) != p.Text {
				continue
			}
			whole := string(text)
			if bordered(whole, i, end) && !quoted(whole, i, end) && !denied(whole[:i]) && !named(whole[end:]) {
				return p, true
			}
		}
	}
	return Phrase{}, false
}

// bordered reports whether text[from:to] begins and ends at the borders of words.
func bordered(text string, from, to int) bool {
	return !(wordByte(text[from]) && from > 0 && wordByte(text[from-1])) &&
		!(wordByte(text[to-1]) && to < len(text) && wordByte(text[to]))
}

func wordByte(b byte) bool { return b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '_' }

// quoted reports whether text[from:to] stands between quotation marks.
func quoted(text string, from, to int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:from])
	after, _ := utf8.DecodeRuneInString(text[to:])
	return strings.ContainsRune(`"'“‘「『《«`+"`", before) && strings.ContainsRune(`"'”’」』》».,`+"`", after)
}

// denied reports whether a denial stands among the few words before a phrase, in the same clause.
func denied(before string) bool {
	const reach = 28
	if len(before) > reach {
		before = strings.ToValidUTF8(before[len(before)-reach:], "")
	}
	for _, no := range []string{"don't", "don’t", "do not", "no need", "without", "not ", "不要", "不用", "无需", "不必", "別"} {
		if i := strings.LastIndex(before, no); i >= 0 && !strings.ContainsAny(before[i:], ".!?;\n。！？，,") {
			return true
		}
	}
	return false
}

// named reports whether what follows a phrase makes it the name of a thing. In Korean and Japanese a denial follows,
// too.
func named(after string) bool {
	for _, thing := range []string{
		" guide", " instruction", " tutorial", " recipe", " manual", " walkthrough", " plan", " process", " list",
		" procedure", " 가이드", " 설명하지 말", " 풀지 말", " 할 필요", "指南", "教程", "ガイド", "ではなく", "じゃなく",
	} {
		if strings.HasPrefix(after, thing) {
			return true
		}
	}
	return false
}
