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
	at     int // of the lexical features, and after them of the shapes
}

// Explain implements router.Scorer: what the prompt is about, and the words and forms that spoke loudest for the side,
// the strongest first.
func (m *Model) Explain(f *router.Features, think bool) (kind string, reasons []string) {
	e := m.extraction(f)
	defer m.memory.Put(e)
	var top [maxReasons]contribution
	value := float64(lexicalValue(len(e.index)))
	for i, f := range e.index {
		keep(&top, contribution{m.contribution(f, value, think), i})
	}
	for i, s := range e.shapes {
		keep(&top, contribution{m.contribution(s.index, shapeValue, think), len(e.index) + i})
	}
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

func (m *Model) contribution(f uint32, value float64, think bool) float64 {
	w := m.weights[f*row : f*row+Heads]
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
	if at >= len(e.index) {
		return aspectNames[e.shapes[at-len(e.index)].aspect]
	}
	s := e.spans[at]
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
	var lexical, shapes [kinds]int32
	for _, i := range e.index {
		for k, w := range m.kinds[i>>KindShift*kinds : i>>KindShift*kinds+kinds] {
			lexical[k] += int32(w)
		}
	}
	for _, s := range e.shapes {
		for k, w := range m.kinds[s.index>>KindShift*kinds : s.index>>KindShift*kinds+kinds] {
			shapes[k] += int32(w)
		}
	}
	best, bestValue := 0, math.Inf(-1)
	value := float64(lexicalValue(len(e.index)))
	for k := range kinds {
		z := m.KindBias[k] + m.KindScale*(value*float64(lexical[k])+shapeValue*float64(shapes[k]))
		if cmp.Compare(z, bestValue) > 0 {
			best, bestValue = k, z
		}
	}
	return best
}
