package jinja

import (
	"cmp"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// SpanKind says whose text a Span is.
type SpanKind int

const (
	// Own is the template's own text, whose special tokens are meant.
	Own SpanKind = iota
	// FromOutside is text whose special tokens are not meant.
	FromOutside
	// Shown is a mark: a medium takes its place.
	Shown
)

// Span is a part of what a template wrote.
type Span struct {
	Kind SpanKind
	// Text is what the template wrote, a mark included.
	Text string
	// Mark and Medium say, of a mark, which one it is and the ID of the medium it stands for; -1 where there is none
	// left for it.
	Mark, Medium int
}

// labeller writes on what it gets, with the label of a medium in front of the marks that have none. It looks for the
// marks' cores, since a template may write a mark in pieces.
type labeller struct {
	out    io.Writer
	medium Medium
	core   string
}

func (l *labeller) Write(p []byte) (int, error) {
	rest := string(p)
	var b strings.Builder
	for {
		at := strings.Index(rest, l.core)
		if at < 0 {
			b.WriteString(rest)
			break
		}
		before := rest[:at]
		b.WriteString(before)
		if last, _ := utf8.DecodeLastRuneInString(before); last != label {
			b.WriteString(string(label) + strconv.Itoa(l.medium.ID) + string(label))
		}
		b.WriteString(l.core)
		rest = rest[at+len(l.core):]
	}
	if _, err := io.WriteString(l.out, b.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// labelled is a label's place in a text without labels.
type labelled struct{ at, medium int }

// withoutLabels takes the labels out of a text.
func withoutLabels(text string) (string, []labelled) {
	if !strings.ContainsRune(text, label) {
		return text, nil
	}
	var b strings.Builder
	var labels []labelled
	for {
		before, rest, found := strings.Cut(text, string(label))
		b.WriteString(before)
		if !found {
			return b.String(), labels
		}
		name, after, _ := strings.Cut(rest, string(label))
		if id, err := strconv.Atoi(name); err == nil {
			labels = append(labels, labelled{b.Len(), id})
		}
		text = after
	}
}

// spans splits what the template wrote. The character before a fence came from outside, the rest is the template's own.
func (r *rendering) spans(text string) []Span {
	text, labels := withoutLabels(text)
	var out []Span
	for at := 0; at < len(text); {
		rest := text[at:]
		i := strings.IndexRune(rest, fence)
		if i < 0 {
			out = r.own(out, rest, at, labels)
			break
		}
		_, width := utf8.DecodeLastRuneInString(rest[:i])
		out = r.own(out, rest[:i-width], at, labels)
		if width > 0 {
			out = append(out, Span{Kind: FromOutside, Text: rest[i-width : i]})
		}
		at += i + len(string(fence))
	}
	r.assign(out)
	return out
}

// own splits the template's own text, which begins at offset, at its marks. A mark gets the medium of its label, or -1.
func (r *rendering) own(out []Span, text string, offset int, labels []labelled) []Span {
	for text != "" {
		first, mark := len(text), -1
		for m := range r.template.marks {
			if i := strings.Index(text, r.template.marks[m].Text); i >= 0 && i < first {
				first, mark = i, m
			}
		}
		if first > 0 {
			out = append(out, Span{Kind: Own, Text: text[:first]})
		}
		if mark < 0 {
			return out
		}
		end := first + len(r.template.marks[mark].Text)
		span := Span{Kind: Shown, Text: text[first:end], Mark: mark, Medium: -1}
		next, _ := slices.BinarySearchFunc(labels, offset+first, func(l labelled, at int) int { return cmp.Compare(l.at, at) })
		if next < len(labels) && labels[next].at < offset+end {
			span.Medium = labels[next].medium
		}
		out = append(out, span)
		text, offset = text[end:], offset+end
	}
	return out
}

// assign gives the marks of a kind the media of that kind in their order, unless each mark says itself which one it
// stands for: marks look alike, and a template may show media in an order of its own.
func (r *rendering) assign(spans []Span) {
	for mark := range r.template.marks {
		seen := map[int]bool{-1: true}
		distinct := true
		for _, s := range spans {
			if s.Kind == Shown && s.Mark == mark {
				distinct = distinct && !seen[s.Medium]
				seen[s.Medium] = true
			}
		}
		if distinct {
			continue
		}
		left := r.inOrder(mark)
		for i := range spans {
			if s := &spans[i]; s.Kind == Shown && s.Mark == mark {
				s.Medium = -1
				if len(left) > 0 {
					s.Medium, left = left[0], left[1:]
				}
			}
		}
	}
}

// inOrder are the media of one kind by their IDs.
func (r *rendering) inOrder(mark int) []int {
	var ids []int
	for _, m := range r.media {
		if m.Mark == mark {
			ids = append(ids, m.ID)
		}
	}
	slices.Sort(ids)
	return ids
}
