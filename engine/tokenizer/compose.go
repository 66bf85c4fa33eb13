package tokenizer

import (
	"context"
	"strings"
	"unicode/utf8"
)

// Hangul syllables are composed by arithmetic.
const (
	jamoL      = 0x1100
	jamoV      = 0x1161
	jamoT      = 0x11a7 // stands for no final consonant
	jamoLCount = 19
	jamoVCount = 21
	jamoTCount = 28
	hangul     = 0xac00
	hangulEnd  = hangul + jamoLCount*jamoVCount*jamoTCount
)

// maxShrink bounds how many times shorter composition can make a text. At worst seven bytes become the two of U+0390.
const maxShrink = 4

// checkEvery is how many bytes are worked on between two looks at a context.
const checkEvery = 1 << 16

// compose returns s in Unicode's normal form C. s must be UTF-8.
func (c *characters) compose(ctx context.Context, s string) (string, error) {
	var (
		out    strings.Builder
		run    marks
		copied int   // s[:copied] is in out, if anything had to change
		start  int   // of the last character that what follows may be composed with
		last   uint8 // combining class of the character before
		check  = checkEvery
	)
	for i := 0; i < len(s); {
		if i >= check {
			if err := ctx.Err(); err != nil {
				return "", context.Cause(ctx)
			}
			check = i + checkEvery
		}
		if s[i] < utf8.RuneSelf {
			start, last = i, 0
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		p := c.of(r)
		mark := p.mark()
		if p&unstable == 0 && (mark == 0 || mark >= last) {
			if mark == 0 {
				start = i
			}
			last = mark
			i += size
			continue
		}
		i = c.segmentEnd(s, i)
		if copied == 0 {
			out.Grow(len(s))
		}
		out.WriteString(s[copied:start])
		run.compose(c, &out, s[start:i])
		copied, start, last = i, i, 0
	}
	if copied == 0 {
		return s, nil
	}
	out.WriteString(s[copied:])
	return out.String(), nil
}

// segmentEnd is where the next character stands that is never composed with one before it.
func (c *characters) segmentEnd(s string, i int) int {
	for i < len(s) && s[i] >= utf8.RuneSelf {
		r, size := utf8.DecodeRuneInString(s[i:])
		if p := c.of(r); p.mark() == 0 && p&unstable == 0 {
			break
		}
		i += size
	}
	return i
}

// marks composes one character with what follows it.
type marks struct {
	runes   []rune
	classes []uint8
	spare   []rune
}

func (m *marks) compose(c *characters, out *strings.Builder, s string) {
	m.runes, m.classes = m.runes[:0], m.classes[:0]
	for _, r := range s {
		switch parts := c.decomp[r]; {
		case parts != nil:
			for _, p := range parts {
				m.add(c, p)
			}
		case r >= hangul && r < hangulEnd:
			n := r - hangul
			m.add(c, jamoL+n/(jamoVCount*jamoTCount))
			m.add(c, jamoV+n/jamoTCount%jamoVCount)
			if t := n % jamoTCount; t != 0 {
				m.add(c, jamoT+t)
			}
		default:
			m.add(c, r)
		}
	}
	m.order()
	m.join(c)
	for _, r := range m.runes {
		out.WriteRune(r)
	}
}

func (m *marks) add(c *characters, r rune) {
	m.runes = append(m.runes, r)
	m.classes = append(m.classes, c.of(r).mark())
}

// order sorts each run of marks by class and leaves those of one class as they stand.
func (m *marks) order() {
	for i := 0; i < len(m.runes); {
		if m.classes[i] == 0 {
			i++
			continue
		}
		j := i
		for j < len(m.runes) && m.classes[j] != 0 {
			j++
		}
		m.sort(i, j)
		i = j
	}
}

// sort counts, so that a run of a million marks takes no longer than as many short ones.
func (m *marks) sort(from, to int) {
	runes, classes := m.runes[from:to], m.classes[from:to]
	const few = 16
	if len(runes) <= few {
		for i := 1; i < len(runes); i++ {
			for j := i; j > 0 && classes[j-1] > classes[j]; j-- {
				runes[j-1], runes[j] = runes[j], runes[j-1]
				classes[j-1], classes[j] = classes[j], classes[j-1]
			}
		}
		return
	}
	var at [256]int
	for _, k := range classes {
		at[k]++
	}
	next := 0
	for k, n := range at {
		at[k] = next
		next += n
	}
	m.spare = append(m.spare[:0], runes...)
	sorted := runes
	for i, r := range m.spare {
		k := classes[i]
		sorted[at[k]] = r
		at[k]++
	}
	// at[k] is now where class k ends.
	i := 0
	for k, end := range at {
		for ; i < end; i++ {
			classes[i] = uint8(k)
		}
	}
}

// join composes each character with the last one that stands for itself, unless a mark of the same class or a higher
// one is between.
func (m *marks) join(c *characters) {
	const none = -1
	base, between := none, none // between: class of the last mark that stayed after base
	kept := 0
	for i, r := range m.runes {
		class := int(m.classes[i])
		if base != none && between < class {
			if composed, ok := c.pair(m.runes[base], r); ok {
				m.runes[base] = composed
				continue
			}
		}
		if class == 0 {
			base, between = kept, none
		} else {
			between = class
		}
		m.runes[kept] = r
		kept++
	}
	m.runes = m.runes[:kept]
}

func (c *characters) pair(a, b rune) (rune, bool) {
	switch {
	case a >= jamoL && a < jamoL+jamoLCount:
		if b >= jamoV && b < jamoV+jamoVCount {
			return hangul + ((a-jamoL)*jamoVCount+b-jamoV)*jamoTCount, true
		}
	case a >= hangul && a < hangulEnd && (a-hangul)%jamoTCount == 0:
		if b > jamoT && b < jamoT+jamoTCount {
			return a + b - jamoT, true
		}
	}
	composed, ok := c.pairs[[2]rune{a, b}]
	return composed, ok
}
