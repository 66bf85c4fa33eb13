package router

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/qwenvld/qwenvld/router/nfkc"
)

// wishRunes bounds the head and the tail of a turn in which wishes are looked for: what stands between is pasted more often than said.
const wishRunes = 400

// phrase is a wish in the user's own words. Ends in Latin script match at word borders only.
type phrase struct {
	text    string
	variant Variant
}

// wishPhrases are written for lower-case NFKC text. A list of phrases that merely come with hard or easy requests would belong into
// the scorer's training data; these say how the answer is to be found.
func wishPhrases() []phrase {
	think := []string{
		"step by step", "step-by-step", "think carefully", "think hard", "think harder", "think deeply", "think it through",
		"think about it carefully", "reason carefully", "reason through", "take your time", "show your reasoning",
		"一步一步", "一步步", "逐步", "分步", "仔细思考", "仔细想", "深入思考", "认真思考", "好好想", "详细推理", "仔細思考", "逐步推理",
		"단계별로", "단계적으로", "차근차근", "한 단계씩", "곰곰이", "깊이 생각", "신중하게 생각", "자세히 추론",
		"ステップごと", "ステップバイステップ", "段階的に", "順を追って", "一歩ずつ", "よく考えて", "じっくり考えて", "慎重に考えて",
		"schritt für schritt", "étape par étape", "paso a paso", "passo a passo", "шаг за шагом", "пошагово",
	}
	direct := []string{
		"quick answer", "answer quickly", "answer briefly", "one-word answer", "one word answer", "answer in one word",
		"in one word", "just the answer", "only the answer", "don't think", "do not think", "without thinking", "no need to think",
		"don't overthink", "简单说", "简单回答", "简短回答", "一句话", "一个词回答", "直接回答", "只给答案", "只要答案", "不用思考", "不要思考",
		"简单說", "簡單說", "간단히", "간단하게", "짧게", "한마디로", "한 문장으로", "답만", "바로 답", "생각하지 말고",
		"一言で", "簡潔に", "手短に", "答えだけ", "すぐに答え", "考えずに",
	}
	out := make([]phrase, 0, len(think)+len(direct))
	for _, p := range think {
		out = append(out, phrase{p, Thinking})
	}
	for _, p := range direct {
		out = append(out, phrase{p, Instruct})
	}
	return out
}

// switches are Qwen3's own, and count anywhere in the head or tail.
func switches() []phrase {
	return []phrase{{"/no_think", Instruct}, {"/nothink", Instruct}, {"/think", Thinking}}
}

// lexicon finds phrases by their first byte.
type lexicon [256][]phrase

func newLexicon(phrases []phrase) *lexicon {
	l := &lexicon{}
	for _, p := range phrases {
		l[p.text[0]] = append(l[p.text[0]], p)
	}
	return l
}

// lexicons are asked one after the other. They are never written to.
var lexicons = [...]*lexicon{newLexicon(switches()), newLexicon(wishPhrases())}

// Wish finds what a user asks for in words: "/no_think" and "/think", then phrases such as "step by step" or "简单说". The last one
// counts. Phrases in quotes, in the name of a thing ("a step-by-step guide") or denied ("no need to go step by step") do not.
func Wish(text string) (v Variant, words string, ok bool) {
	var memory [(2*wishRunes + 1) * utf8.UTFMax]byte // on the stack: every request comes through here
	folded := fold(memory[:0], text)
	for _, l := range lexicons {
		if p, ok := l.last(folded); ok {
			return p.variant, p.text, true
		}
	}
	return "", "", false
}

// fold writes the head and the tail of s into b, their width and case folded.
func fold(b []byte, s string) []byte {
	const bytes = wishRunes * utf8.UTFMax
	head, tail := s, ""
	if len(s) > 2*bytes {
		head, tail = s[:bytes], s[len(s)-bytes:]
	}
	head, tail = compatible(head), compatible(tail)
	if tail == "" {
		if utf8.RuneCountInString(head) <= 2*wishRunes {
			return appendLower(b, head, 0, math.MaxInt)
		}
		tail = head
	}
	b = append(appendLower(b, head, 0, wishRunes), '\n')
	return appendLower(b, tail, utf8.RuneCountInString(tail)-wishRunes, math.MaxInt)
}

// compatible is s in NFKC.
func compatible(s string) string {
	if nfkc.Is(s) {
		return s
	}
	return norm.NFKC.String(s)
}

// appendLower appends the runes of s from one index up to another.
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

// last is the last phrase in text that is meant, the first of the list where several begin.
func (l *lexicon) last(text []byte) (phrase, bool) {
	for i := len(text) - 1; i >= 0; i-- {
		for _, p := range l[text[i]] {
			end := i + len(p.text)
			if end > len(text) || text[i+1] != p.text[1] || string(text[i:end]) != p.text {
				continue
			}
			whole := string(text)
			if bordered(whole, i, end) && !quoted(whole, i, end) && !denied(whole[:i]) && !named(whole[end:]) {
				return p, true
			}
		}
	}
	return phrase{}, false
}

func bordered(text string, from, to int) bool {
	return !(wordByte(text[from]) && from > 0 && wordByte(text[from-1])) &&
		!(wordByte(text[to-1]) && to < len(text) && wordByte(text[to]))
}

func wordByte(b byte) bool { return b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '_' }

// quoted reports whether quotation marks stand on both sides.
func quoted(text string, from, to int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:from])
	after, _ := utf8.DecodeRuneInString(text[to:])
	return strings.ContainsRune(`"'“‘「『《«`+"`", before) && strings.ContainsRune(`"'”’」』》».,`+"`", after)
}

// denied looks at the few words before.
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

// named looks at what follows: a thing of that name, or a denial, which stands behind in Korean and Japanese.
func named(after string) bool {
	for _, thing := range []string{
		" guide", " instruction", " tutorial", " recipe", " manual", " walkthrough", " plan", " process", " list", " procedure",
		" 가이드", " 설명하지 말", " 풀지 말", " 할 필요", "指南", "教程", "ガイド", "ではなく", "じゃなく",
	} {
		if strings.HasPrefix(after, thing) {
			return true
		}
	}
	return false
}
