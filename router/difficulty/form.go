package difficulty

import (
	"bytes"
	"math/bits"

	"github.com/qwenvld/qwenvld/router"
)

// form says what a shape is about. Its names are what people read as reasons.
type form uint8

const (
	formLength form = iota
	formNumbers
	formDigits
	formDecimals
	formOperators
	formRelations
	formCommands
	formOptions
	formLines
	formSentences
	formQuestions
	formUnits
	formCode
	formFence
	formTrace
	formMoney
	formScript
	formUpper
	formDensity
	formEnding
	formImages
	formImageLength
	formImageNumbers
	formImageOptions
	formImageQuestion
)

// names are indexed by form.
var formNames = [...]string{
	formLength: "length of the prompt", formNumbers: "count of numbers", formDigits: "count of digits", formDecimals: "decimal numbers",
	formOperators: "arithmetic signs", formRelations: "equations", formCommands: "LaTeX", formOptions: "answer options",
	formLines: "count of lines", formSentences: "count of sentences", formQuestions: "count of questions", formUnits: "numbers with units",
	formCode: "code", formFence: "code block", formTrace: "stack trace", formMoney: "money", formScript: "script",
	formUpper:   "capital letters",
	formDensity: "share of numbers", formEnding: "how the prompt ends", formImages: "pictures",
	formImageLength:  "pictures and the prompt's length",
	formImageNumbers: "pictures and numbers", formImageOptions: "pictures and answer options", formImageQuestion: "pictures and a question",
}

// shape is a feature of form.
type shape struct {
	index uint32
	form  form
}

func (e *extraction) shape(f form, bucket int) {
	h := hash(hash(seedShape, uint32(f)), uint32(bucket))
	e.shapes = append(e.shapes, shape{h >> (32 - bucketBits), f})
}

// magnitude is 0, 1, 2, 3-4, 5-8, 9-16 ... as 0, 1, 2, 3, ...
func magnitude(n int) int {
	if n <= 0 {
		return 0
	}
	return bits.Len(uint(n-1)) + 1
}

// form adds what the text is made of. Every text has the same number of these features, but for those of pictures.
func (e *extraction) form(p *router.Features) {
	c := &e.counts
	length := magnitude(c.runes)
	e.shape(formLength, length)
	e.shape(formNumbers, magnitude(c.numbers))
	e.shape(formDigits, magnitude(c.digits))
	e.shape(formDecimals, min(c.decimals, 3))
	e.shape(formOperators, min(magnitude(c.symbols), 5))
	e.shape(formRelations, min(magnitude(c.relations), 4))
	e.shape(formCommands, min(magnitude(c.commands), 5))
	options := 0
	if c.options >= 3 {
		options = min(c.options, 6)
	}
	e.shape(formOptions, options)
	e.shape(formLines, magnitude(c.lines))
	e.shape(formSentences, min(magnitude(c.sentences), 6))
	e.shape(formQuestions, min(c.questions, 3))
	e.shape(formUnits, min(magnitude(c.units), 4))
	e.shape(formCode, min(magnitude(c.codeMarks), 7))
	e.shape(formFence, min(c.fences, 1))
	e.shape(formTrace, e.trace())
	e.shape(formMoney, min(c.money, 2))
	e.shape(formScript, share(c.grams, c.letters))
	e.shape(formUpper, share(c.upper, c.letters))
	e.shape(formDensity, share(2*(c.digits+c.symbols+c.relations), c.runes))
	e.shape(formEnding, e.ending())
	e.pictures(p, length, options)
}

// pictures adds the features of requests with pictures. Words are not crossed with them: that learns the sources by heart.
func (e *extraction) pictures(p *router.Features, length, options int) {
	c := &e.counts
	images := min(magnitude(p.Images), 4)
	e.shape(formImages, images)
	if p.Images == 0 {
		return
	}
	e.shape(formImageLength, length)
	e.shape(formImageNumbers, min(magnitude(c.numbers), 4))
	e.shape(formImageOptions, min(options, 1))
	e.shape(formImageQuestion, min(c.questions, 1))
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
	for _, mark := range [...]string{"Traceback (most", "goroutine ", "Exception in thread", "\n\tat ", "\n    at ", "error: ", "Error: "} {
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
