package prompt

import (
	"strings"

	"github.com/qwenvld/qwenvld/engine"
)

// passage is rendered content before it is placed: outside text with the template's own ranges marked.
// The thinking template cuts and trims content after rendering it, so the marks have to follow the text.
type passage struct {
	text  string
	marks []passageMark // sorted, not overlapping
}

// passageMark is a byte range that is not outside text.
type passageMark struct {
	start, end int
	kind       engine.PieceKind
	media      int // of an image or video: which one
}

func (p *passage) outside(text string) { p.text += text }

func (p *passage) mark(kind engine.PieceKind, text string) {
	if text == "" {
		return
	}
	p.media(kind, text, 0)
}

// media adds the mark of one image or video.
func (p *passage) media(kind engine.PieceKind, text string, which int) {
	p.marks = append(p.marks, passageMark{len(p.text), len(p.text) + len(text), kind, which})
	p.text += text
}

// slice is text[lo:hi] with its marks.
func (p passage) slice(lo, hi int) passage {
	out := passage{text: p.text[lo:hi]}
	for _, m := range p.marks {
		start, end := max(m.start, lo), min(m.end, hi)
		if start < end {
			out.marks = append(out.marks, passageMark{start - lo, end - lo, m.kind, m.media})
		}
	}
	return out
}

// trimLeft and trimRight drop newlines.
func (p passage) trimLeft() passage {
	return p.slice(len(p.text)-len(strings.TrimLeft(p.text, "\n")), len(p.text))
}

func (p passage) trimRight() passage {
	return p.slice(0, len(strings.TrimRight(p.text, "\n")))
}

// before is Python's split(sep)[0].
func (p passage) before(sep string) passage {
	if i := strings.Index(p.text, sep); i >= 0 {
		return p.slice(0, i)
	}
	return p
}

// after is Python's split(sep)[-1].
func (p passage) after(sep string) passage {
	if i := strings.LastIndex(p.text, sep); i >= 0 {
		return p.slice(i+len(sep), len(p.text))
	}
	return p
}

// place adds the passage to a prompt.
func (p passage) place(b *builder) {
	at := 0
	for _, m := range p.marks {
		b.text(p.text[at:m.start])
		switch m.kind {
		case engine.PieceImage:
			b.image(m.media)
		case engine.PieceVideo:
			b.video(m.media)
		default:
			b.add(m.kind, p.text[m.start:m.end])
		}
		at = m.end
	}
	b.text(p.text[at:])
}
