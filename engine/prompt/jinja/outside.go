package jinja

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// fence follows the first character of every special token's text that came from outside. label encloses, in front of a
// mark, which medium the mark stands for. Both are noncharacters, which no text for interchange holds; where one comes
// in regardless it is taken out.
const (
	fence = '\uFDD0'
	label = '\uFDD1'
)

var noncharacters = strings.NewReplacer(string(fence), "", string(label), "")

// Visible is text from outside as Render shows it: without broken bytes and without the two noncharacters that this
// package uses.
func Visible(text string) string {
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	return noncharacters.Replace(text)
}

// defuse returns outside text in which no special token's text is whole, not even together with what may follow it.
func (t *Template) defuse(text string) string {
	return t.fenceWhere(Visible(text), func(special, rest string) bool {
		return strings.HasPrefix(rest, special) || strings.HasPrefix(special, rest)
	})
}

// fenced is a template's text with fences where text from outside has them.
func (t *Template) fenced(text string) string {
	if strings.ContainsRune(text, fence) {
		return text // it came from outside itself
	}
	return t.fenceWhere(text, func(special, rest string) bool { return strings.HasPrefix(rest, special) })
}

// fenceWhere puts a fence behind the first character of every rest of text at which begins tells that a special token's
// text begins.
func (t *Template) fenceWhere(text string, begins func(special, rest string) bool) string {
	var b strings.Builder
	for i, c := range text {
		b.WriteRune(c)
		if slices.ContainsFunc(t.special, func(s string) bool { return begins(s, text[i:]) }) {
			b.WriteRune(fence)
		}
	}
	return b.String()
}
