package difficulty

import (
	"cmp"
	"math"
	"slices"

	"github.com/qwenvld/qwenvld/router"
)

// maxReasons bounds the reasons of an explanation.
const maxReasons = 3

// contribution is what one feature adds to the log-odds' difference between the variants.
type contribution struct {
	amount float64
	at     int // of the lexical features, after them of the question's, and after those of the shapes
}

// Explain implements router.Scorer: what the prompt is about, and the words and forms that spoke loudest for the side,
// the strongest first.
func (m *Model) Explain(f *router.Features, think bool) (kind string, reasons []string) {
	e := m.extraction(f)
	defer m.memory.Put(e)
	var top [maxReasons]contribution
	at := 0
	add := func(row uint32, value float64) {
		keep(&top, contribution{m.contribution(row, value, think), at})
		at++
	}
	e.each(add)
	for _, c := range top {
		if c.amount <= 0 {
			break
		}
		if r := e.describe(c.at); !slices.Contains(reasons, r) {
			reasons = append(reasons, r)
		}
	}
	return Kinds()[m.kind(e)], reasons
}

// each calls f with the row of weights and the value of each feature: those of the text, of the question, and the
// shapes.
func (e *extraction) each(f func(row uint32, value float64)) {
	value := float64(lexicalValue(len(e.index)))
	for _, row := range e.index {
		f(row, value)
	}
	value = questionValue * float64(lexicalValue(len(e.question)))
	for _, row := range e.question {
		f(row, value)
	}
	for _, s := range e.shapes {
		f(s.index, shapeValue)
	}
}

// Block is a part of the features.
type Block string

// Blocks of features.
const (
	BlockText     Block = "text"     // words of the whole text
	BlockQuestion Block = "question" // words of what is asked for
	BlockForm     Block = "form"     // counts, signs and pictures
)

// Contribution is what one feature, or the bias, adds to the log-odds that each variant's answer is right.
type Contribution struct {
	Feature            string
	Block              Block
	Instruct, Thinking float64
}

// Gain is what the feature adds in favour of thinking.
func (c *Contribution) Gain() float64 { return c.Thinking - c.Instruct }

// Contributions are those of all features of a prompt that have any, the weightiest first, and that of the bias.
func (m *Model) Contributions(f *router.Features) (features []Contribution, bias Contribution) {
	e := m.extraction(f)
	defer m.memory.Put(e)
	of := func(head int, amount float64) float64 { return m.Calibration[head].A * amount }
	at := 0
	e.each(func(row uint32, value float64) {
		w := m.weights[row*stride : row*stride+Heads]
		c := Contribution{
			Feature: e.describe(at), Block: e.block(at),
			Instruct: of(HeadInstruct, value*m.Scale[HeadInstruct]*float64(w[HeadInstruct])),
			Thinking: of(HeadThinking, value*m.Scale[HeadThinking]*float64(w[HeadThinking])),
		}
		if c.Instruct != 0 || c.Thinking != 0 {
			features = append(features, c)
		}
		at++
	})
	slices.SortStableFunc(features, func(a, b Contribution) int {
		return cmp.Compare(math.Abs(b.Gain()), math.Abs(a.Gain()))
	})
	return features, Contribution{
		Feature:  "bias",
		Instruct: of(HeadInstruct, m.Bias[HeadInstruct]) + m.Calibration[HeadInstruct].B,
		Thinking: of(HeadThinking, m.Bias[HeadThinking]) + m.Calibration[HeadThinking].B,
	}
}

func (e *extraction) block(at int) Block {
	switch {
	case at < len(e.index):
		return BlockText
	case at < len(e.index)+len(e.question):
		return BlockQuestion
	}
	return BlockForm
}

func (m *Model) contribution(f uint32, value float64, think bool) float64 {
	w := m.weights[f*stride : f*stride+Heads]
	c := value * (m.Scale[HeadThinking]*float64(w[HeadThinking])*m.Calibration[HeadThinking].A -
		m.Scale[HeadInstruct]*float64(w[HeadInstruct])*m.Calibration[HeadInstruct].A)
	if !think {
		return -c
	}
	return c
}

// keep puts c into the falling list if it belongs there.
func keep(top *[maxReasons]contribution, c contribution) {
	for i := range top {
		if c.amount > top[i].amount {
			copy(top[i+1:], top[i:])
			top[i] = c
			return
		}
	}
}

func (e *extraction) describe(at int) string {
	if shapes := len(e.index) + len(e.question); at >= shapes {
		return e.shapes[at-shapes].String()
	}
	spans := e.spans
	if at >= len(spans) {
		spans, at = e.questionAt, at-len(spans)
	}
	s := spans[at]
	text := printable(e.text[s.from:s.to])
	switch s.group {
	case groupCommand:
		return "LaTeX " + text
	case groupSymbol:
		return "sign " + text
	default:
		return "\"" + text + "\""
	}
}

// printable shortens what a feature was found in to a few words on one line.
func printable(b []byte) string {
	const bound = 40
	out := make([]rune, 0, bound)
	for _, r := range string(b) {
		if r == '\n' || r == '\t' || r == '\r' {
			r = ' '
		}
		if len(out) == bound {
			break
		}
		out = append(out, r)
	}
	return string(out)
}

// kind is the index of the likeliest kind.
func (m *Model) kind(e *extraction) int {
	lexical, question := m.sumKinds(e.index), m.sumKinds(e.question)
	var shapes [kinds]int32
	for _, s := range e.shapes {
		for k, w := range m.kinds[s.index>>KindShift*kinds : s.index>>KindShift*kinds+kinds] {
			shapes[k] += int32(w)
		}
	}
	best, bestValue := 0, math.Inf(-1)
	value, asked := float64(lexicalValue(len(e.index))), questionValue*float64(lexicalValue(len(e.question)))
	for k := range kinds {
		z := m.KindBias[k] + m.KindScale*(value*float64(lexical[k])+asked*float64(question[k])+shapeValue*float64(shapes[k]))
		if cmp.Compare(z, bestValue) > 0 {
			best, bestValue = k, z
		}
	}
	return best
}

// sumKinds adds up the kinds' weights of a block of features.
func (m *Model) sumKinds(features []uint32) (out [kinds]int32) {
	for _, i := range features {
		for k, w := range m.kinds[i>>KindShift*kinds : i>>KindShift*kinds+kinds] {
			out[k] += int32(w)
		}
	}
	return out
}
