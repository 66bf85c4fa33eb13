package difficulty

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/nfkc"
)

// FeatureVersion changes with every change of what a text's features are: weights fit one version only.
const FeatureVersion = 3

const (
	// buckets is the size of the hashed feature space (2^18, as feature hashing with 18 bits).
	bucketBits = 18
	buckets    = 1 << bucketBits

	// capHead and capTail bound, in runes, what is looked at of a long text.
	capHead = 1200
	capTail = 1200
	// maxFeatures bounds the lexical features of one text: three n-grams a rune, and a word and its pair.
	maxFeatures = 4 * (capHead + capTail + 64)
)

// group says what kind of thing a lexical feature is, for explanations.
type group uint8

const (
	groupWord group = iota
	groupPair
	groupStem
	groupGram
	groupCommand
	groupSymbol
)

// span remembers where in the normalised text a feature was found.
type span struct {
	from, to uint16
	group    group
}

// extraction is the working memory of one text's features. It is reused; nothing in it outlives a call.
type extraction struct {
	text  []byte
	index []uint32 // lexical features, each once
	spans []span
	// question are the features of what is asked for, questionAt their spans. asking says that features go there.
	question   []uint32
	questionAt []span
	asking     bool
	shapes     []shape
	iter       norm.Iter
	seen       [seenSize]uint32
	round      uint32

	// concepts are those of the whole text, askedConcepts those of what is asked for.
	concepts, askedConcepts conceptSet

	// state of the pass over the text
	prev   uint32 // hash of the token before, sentenceStart at the beginning of a sentence
	prevAt uint16
	counts counts
}

const (
	seenBits = 15
	seenSize = 1 << seenBits
)

// sentenceStart and questionEnd stand for words at the edges of a sentence.
const (
	sentenceStart = 0x9e3779b1
	questionEnd   = 0x7f4a7c15
)

// counts are what shapes are made of.
type counts struct {
	runes, letters, digits, numbers, decimals, symbols, relations, commands, lines, sentences, questions, upper, grams int
	options, units, fences, codeMarks, money, words                                                                    int
}

// extract fills e with the features of p.
func (e *extraction) extract(p *router.Features) {
	e.index, e.spans, e.shapes = e.index[:0], e.spans[:0], e.shapes[:0]
	e.question, e.questionAt = e.question[:0], e.questionAt[:0]
	e.counts, e.concepts, e.askedConcepts = counts{}, conceptSet{}, conceptSet{}
	if e.round++; e.round == 1<<(32-bucketBits) {
		clear(e.seen[:])
		e.round = 1
	}
	e.normalise(p.Text)
	e.prev, e.prevAt = sentenceStart, 0
	e.scan(0)
	e.ask()
	e.addShapes(p)
}

// normalise writes the head and the tail of text in NFKC into e.text. Compatibility forms such as full-width digits
// become plain.
func (e *extraction) normalise(text string) {
	e.text = e.text[:0]
	head, tail := text, ""
	if len(text) > capHead+capTail {
		head = headRunes(text, capHead)
		tail = tailRunes(text[len(head):], capTail)
	}
	e.appendNFKC(head)
	if tail != "" {
		e.text = append(e.text, '\n')
		e.appendNFKC(tail)
	}
}

// appendNFKC is bounded too: some single characters become many.
func (e *extraction) appendNFKC(s string) {
	limit := len(e.text) + 4*capHead
	if nfkc.Is(s) {
		e.text = append(e.text, s...)
	} else { // norm.NFKC.AppendString allocates
		for e.iter.InitString(norm.NFKC, s); !e.iter.Done() && len(e.text) < limit; {
			e.text = append(e.text, e.iter.Next()...)
		}
		if !e.iter.Done() { // what it still holds would be taken for a part of the next text
			e.iter = norm.Iter{}
		}
	}
	if len(e.text) > limit {
		for limit > 0 && !utf8.RuneStart(e.text[limit]) {
			limit--
		}
		e.text = e.text[:limit]
	}
}

// headRunes and tailRunes cut at n runes; broken bytes count as runes.
func headRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

func tailRunes(s string, n int) string {
	at := len(s)
	for ; n > 0 && at > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(s[:at])
		at -= size
	}
	return s[at:]
}

// class is what a rune is to the scanner.
type class uint8

const (
	classBlank class = iota
	classLetter
	classDigit
	classGram // scripts without spaces, or whose words carry their endings: n-grams instead of words
	classSymbol
	classStop  // ends a sentence
	classBreak // separates, and is no feature
)

// asciiClasses avoids the tables of package unicode for most text.
var asciiClasses = func() (t [utf8.RuneSelf]class) {
	for c := range t {
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			t[c] = classLetter
		case c >= '0' && c <= '9':
			t[c] = classDigit
		case c == ' ' || c == '\t' || c == '\r':
			t[c] = classBlank
		case c == '\n' || c == '.' || c == '?' || c == '!' || c == ';':
			t[c] = classStop
		case c == ',' || c == '"' || c == '\'' || c == '`' || c < ' ' || c == 127:
			t[c] = classBreak
		default:
			t[c] = classSymbol
		}
	}
	return t
}()

// gramRanges are the scripts that are looked at in n-grams, the commonest first.
var gramRanges = [...][2]rune{
	{0x4e00, 0x9fff},
	{0xac00, 0xd7a3},
	{0x3041, 0x30ff},
	{0x3400, 0x4dbf},
	{0x1100, 0x11ff},
	{0xf900, 0xfaff},
	{0x0e00, 0x0eff},
	{0x1780, 0x17ff},
	{0x20000, 0x3ffff},
}

func inGrams(r rune) bool {
	for _, g := range gramRanges {
		if r >= g[0] && r <= g[1] {
			return true
		}
	}
	return false
}

func classOf(r rune) class {
	switch {
	case r < utf8.RuneSelf:
		return asciiClasses[r]
	case inGrams(r):
		return classGram
	case strings.ContainsRune("。؟।…", r):
		return classStop
	case r == utf8.RuneError || strings.ContainsRune("、，“”‘’「」", r):
		return classBreak
	case unicode.IsLetter(r) || unicode.IsMark(r):
		return classLetter
	case unicode.IsDigit(r):
		return classDigit
	case unicode.IsSpace(r):
		return classBlank
	default:
		return classSymbol
	}
}

func hash(h, v uint32) uint32 {
	h ^= v
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}

// Seeds keep features of unlike kinds apart.
const (
	seedWord uint32 = 0x1000 + iota
	seedPair
	seedStem
	seedGram
	seedNumber
	seedCommand
	seedSymbol
	seedShape
	seedMark
	seedQuestion
)

// add takes a lexical feature in, once.
func (e *extraction) add(h uint32, from, to int, g group) {
	if e.asking {
		h = hash(seedQuestion, h)
	}
	h >>= 32 - bucketBits
	// A text of thousands of features makes the table dense: then a few are counted twice, which does little harm.
	slot := h & (seenSize - 1)
	for range 8 {
		switch s := e.seen[slot]; {
		case s>>bucketBits != e.round:
			e.seen[slot] = e.round<<bucketBits | h
			e.take(h, span{uint16(from), uint16(to), g})
			return
		case s&(buckets-1) == h:
			return
		}
		slot = (slot + 1) & (seenSize - 1)
	}
}

// take keeps a new feature.
func (e *extraction) take(h uint32, at span) {
	switch {
	case e.asking:
		e.question, e.questionAt = append(e.question, h), append(e.questionAt, at)
	case len(e.index) < maxFeatures:
		e.index, e.spans = append(e.index, h), append(e.spans, at)
	}
}

// token takes a word, number or symbol and its pair with the one before.
func (e *extraction) token(h uint32, from, to int, g group) {
	e.add(hash(seedWord, h), from, to, g)
	e.pair(h, from, to)
}

func (e *extraction) pair(h uint32, from, to int) {
	key := hash(hash(seedPair, e.prev), h)
	e.concept(key, nil)
	e.add(key, int(e.prevAt), to, groupPair)
	e.prev, e.prevAt = h, uint16(from)
}

func (e *extraction) stop(at int) {
	e.prev, e.prevAt = sentenceStart, uint16(at)
}
