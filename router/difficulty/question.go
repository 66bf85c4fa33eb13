package difficulty

import (
	"bytes"
	"unicode/utf8"
)

const (
	// maxAsked bounds, in bytes, how much of one sentence is taken for what is asked.
	maxAsked = 320
	// courtesy bounds, in bytes, a last sentence that may just be polite: the one before it is taken too.
	courtesy = 36
)

// piece is a part of the normalised text.
type piece struct{ from, to int }

// ask adds the words of what is asked for as a second block of features, apart from those of the whole text: in a long
// prompt most words tell of the situation, and few say what is to be done with it.
func (e *extraction) ask() {
	whole, counted := e.text, e.counts
	e.asking = true
	for _, p := range e.asked() {
		if p.from >= p.to {
			continue
		}
		e.text = whole[:p.to]
		e.stop(p.from)
		e.scan(p.from)
		e.pair(questionEnd, p.to, p.to)
		e.text = whole
	}
	e.asking = false
	e.counts = counted
}

// asked finds what is asked for: the last sentence with a question mark and whatever sentence ends the text, or without
// a question mark the first sentence and the last, since orders stand before what they are about or after it. The
// second piece is empty where one holds both.
func (e *extraction) asked() (pieces [2]piece) {
	t := e.text
	end := len(t)
	for end > 0 && isBlank(t[end-1]) {
		end--
	}
	t = t[:end]
	last := piece{sentenceFrom(t, end), end}
	mark := max(bytes.LastIndexByte(t, '?'), bytes.LastIndex(t, []byte("؟")))
	if mark < last.from && last.to-last.from <= courtesy {
		last.from = sentenceFrom(t, last.from)
	}
	switch {
	case mark >= last.from: // the end asks
		return [2]piece{last}
	case mark >= 0:
		return [2]piece{{sentenceFrom(t, mark+1), mark + 1}, last}
	}
	first := piece{0, sentenceTo(t)}
	if first.to >= last.from {
		return [2]piece{{0, min(first.to, last.from)}, last}
	}
	return [2]piece{first, last}
}

func isBlank(b byte) bool { return b == ' ' || b == '\n' || b == '\t' || b == '\r' }

// sentenceFrom is where the sentence begins that ends before end, at most maxAsked bytes before.
func sentenceFrom(t []byte, end int) int {
	at := end
	for at > 0 && endsSentence(t, at-1) { // its own marks
		at--
	}
	least := max(0, end-maxAsked)
	for ; at > least; at-- {
		if endsSentence(t, at-1) {
			return at
		}
	}
	for at < end && !utf8.RuneStart(t[at]) {
		at++
	}
	return at
}

// sentenceTo is where the first sentence ends, at most after maxAsked bytes.
func sentenceTo(t []byte) int {
	bound := min(len(t), maxAsked)
	for i := 1; i < bound; i++ {
		if endsSentence(t, i) {
			return i + 1
		}
	}
	for bound > 0 && bound < len(t) && !utf8.RuneStart(t[bound]) {
		bound--
	}
	return bound
}

// endsSentence reports whether the byte at i ends a sentence: it is a mark or the last byte of one. A point within a
// number or a name is none.
func endsSentence(t []byte, i int) bool {
	switch t[i] {
	case '\n', '!', '?', ';':
		return true
	case '.':
		return i+1 >= len(t) || isBlank(t[i+1]) || t[i+1] >= utf8.RuneSelf || t[i+1] == '"' || t[i+1] == ')'
	case 0x82: // 。
		return i >= 2 && t[i-1] == 0x80 && t[i-2] == 0xe3
	case 0x9f: // ؟
		return i >= 1 && t[i-1] == 0xd8
	case 0xa4: // ।
		return i >= 2 && t[i-1] == 0xa5 && t[i-2] == 0xe0
	}
	return false
}
