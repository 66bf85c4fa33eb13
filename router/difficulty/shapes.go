package difficulty

import (
	"bytes"
	"math/bits"

	"github.com/qwenvld/qwenvld/router"
)

// aspect is which property of a prompt's appearance a shape measures. The names of aspects are what people read as
// reasons.
type aspect uint8

const (
	aspectLength aspect = iota
	aspectNumbers
	aspectDigits
	aspectDecimals
	aspectOperators
	aspectRelations
	aspectCommands
	aspectOptions
	aspectLines
	aspectSentences
	aspectQuestions
	aspectUnits
	aspectCode
	aspectFence
	aspectTrace
	aspectMoney
	aspectScript
	aspectUpper
	aspectDensity
	aspectEnding
	aspectImages
	aspectImageLength
	aspectImageNumbers
	aspectImageOptions
	aspectImageQuestion
	aspectConcept
	aspectAskedConcept
	aspectConcepts
	aspectAskedConcepts
)

// aspectNames are indexed by aspect.
var aspectNames = [...]string{
	aspectLength: "length of the prompt", aspectNumbers: "count of numbers", aspectDigits: "count of digits",
	aspectDecimals:  "decimal numbers",
	aspectOperators: "arithmetic signs", aspectRelations: "equations", aspectCommands: "LaTeX",
	aspectOptions: "answer options",
	aspectLines:   "count of lines", aspectSentences: "count of sentences", aspectQuestions: "count of questions",
	aspectUnits: "numbers with units",
	aspectCode:  "code", aspectFence: "code block", aspectTrace: "stack trace", aspectMoney: "money",
	aspectScript:  "script",
	aspectUpper:   "capital letters",
	aspectDensity: "share of numbers", aspectEnding: "how the prompt ends", aspectImages: "pictures",
	aspectImageLength:  "pictures and the prompt's length",
	aspectImageNumbers: "pictures and numbers", aspectImageOptions: "pictures and answer options",
	aspectImageQuestion: "pictures and a question",
	aspectConcept:       "word for", aspectAskedConcept: "question with a word for",
	aspectConcepts: "count of telling words", aspectAskedConcepts: "count of telling words in the question",
}

// shape is a feature of how a prompt looks: the measure of one aspect, in steps.
type shape struct {
	index  uint32
	aspect aspect
	bucket uint8
}

// String names the aspect, and of concepts which one it is.
func (s shape) String() string {
	if s.aspect == aspectConcept || s.aspect == aspectAskedConcept {
		return aspectNames[s.aspect] + ` "` + concepts.names[s.bucket] + `"`
	}
	return aspectNames[s.aspect]
}

// shape adds one measure, in steps.
func (e *extraction) shape(a aspect, bucket int) {
	h := hash(hash(seedShape, uint32(a)), uint32(bucket))
	e.shapes = append(e.shapes, shape{h >> (32 - bucketBits), a, uint8(bucket)})
}

// magnitude is 0, 1, 2, 3-4, 5-8, 9-16 ... as 0, 1, 2, 3, ...
func magnitude(n int) int {
	if n <= 0 {
		return 0
	}
	return bits.Len(uint(n-1)) + 1
}

// addShapes adds the measures of all aspects. Every text has the same number of these features, but for those of
// pictures and of concepts.
func (e *extraction) addShapes(p *router.Features) {
	c := &e.counts
	length := magnitude(c.runes)
	e.shape(aspectLength, length)
	e.shape(aspectNumbers, magnitude(c.numbers))
	e.shape(aspectDigits, magnitude(c.digits))
	e.shape(aspectDecimals, min(c.decimals, 3))
	e.shape(aspectOperators, min(magnitude(c.symbols), 5))
	e.shape(aspectRelations, min(magnitude(c.relations), 4))
	e.shape(aspectCommands, min(magnitude(c.commands), 5))
	options := 0
	if c.options >= 3 {
		options = min(c.options, 6)
	}
	e.shape(aspectOptions, options)
	e.shape(aspectLines, magnitude(c.lines))
	e.shape(aspectSentences, min(magnitude(c.sentences), 6))
	e.shape(aspectQuestions, min(c.questions, 3))
	e.shape(aspectUnits, min(magnitude(c.units), 4))
	e.shape(aspectCode, min(magnitude(c.codeMarks), 7))
	e.shape(aspectFence, min(c.fences, 1))
	e.shape(aspectTrace, e.trace())
	e.shape(aspectMoney, min(c.money, 2))
	e.shape(aspectScript, share(c.grams, c.letters))
	e.shape(aspectUpper, share(c.upper, c.letters))
	e.shape(aspectDensity, share(2*(c.digits+c.symbols+c.relations), c.runes))
	e.shape(aspectEnding, e.ending())
	e.pictures(p, length, options)
	e.shapeSet(aspectConcept, &e.concepts)
	e.shapeSet(aspectAskedConcept, &e.askedConcepts)
	e.shape(aspectConcepts, min(e.concepts.count(), 12))
	e.shape(aspectAskedConcepts, min(e.askedConcepts.count(), 12))
}

// shapeSet adds a measure for each member of a set.
func (e *extraction) shapeSet(a aspect, set *conceptSet) {
	for i, word := range set {
		for ; word != 0; word &= word - 1 {
			e.shape(a, 64*i+bits.TrailingZeros64(word))
		}
	}
}

// PictureRows are the rows of the shapes that tell how many pictures there are, where there are any.
func PictureRows() []uint32 {
	var e extraction
	for n := 1; n <= maxImages; n++ {
		e.shape(aspectImages, n)
	}
	rows := make([]uint32, len(e.shapes))
	for i, s := range e.shapes {
		rows[i] = s.index
	}
	return rows
}

// maxImages is the last step in which pictures are counted.
const maxImages = 4

// pictures adds the features of requests with pictures. Words are not crossed with them: that learns the sources by
// heart.
func (e *extraction) pictures(p *router.Features, length, options int) {
	c := &e.counts
	images := min(magnitude(p.Images), maxImages)
	e.shape(aspectImages, images)
	if p.Images == 0 {
		return
	}
	e.shape(aspectImageLength, length)
	e.shape(aspectImageNumbers, min(magnitude(c.numbers), 4))
	e.shape(aspectImageOptions, min(options, 1))
	e.shape(aspectImageQuestion, min(c.questions, 1))
}

// share is n of total in five steps.
func share(n, total int) int {
	if n == 0 || total == 0 {
		return 0
	}
	return 1 + min(4*n/total, 3)
}

// trace recognises a stack trace or compiler error pasted in.
func (e *extraction) trace() int {
	if e.counts.lines < 2 {
		return 0
	}
	text := e.text
	for _, mark := range [...]string{
		"Traceback (most", "goroutine ", "Exception in thread", "\n\tat ", "\n    at ",
		"error: ", "Error: ",
	} {
		if contains(text, mark) {
			return 1
		}
	}
	return 0
}

// contains is strings.Contains over bytes, without the conversion's allocation.
func contains(b []byte, s string) bool {
	return bytes.Contains(b, []byte(s))
}

// ending classifies the last character that is not a space.
func (e *extraction) ending() int {
	for i := len(e.text) - 1; i >= 0; i-- {
		switch e.text[i] {
		case ' ', '\n', '\t', '\r':
			continue
		case '?':
			return 1
		case '.':
			return 2
		case ':':
			return 3
		case '!':
			return 4
		case '`', '}', ')':
			return 5
		}
		if asciiDigit(e.text[i]) {
			return 6
		}
		break
	}
	return 0
}
