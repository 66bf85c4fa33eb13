// Package answer turns the bytes of generated tokens into text that is safe to show: whole UTF-8 characters, stop
// strings cut off before any of their letters leaves, and the end of the think block found.
//
// It is pure and knows no tokens. It must not parse what the text means (tool calls, reasoning tags as markup): that is
// engine/prompt's work in the daemon.
package answer

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// Options configure a Text.
type Options struct {
	// Stop strings end the answer. They are looked for only after the think block.
	Stop []string
	// Thinking means that the text begins inside a think block, which EndTag closes.
	Thinking bool
	EndTag   string
}

// Text collects an answer. It is not safe for concurrent use.
type Text struct {
	stop     []string
	endTag   string
	thinking bool
	held     []byte // not released yet
	tail     []byte // end of the think block so far, to find a tag that spans tokens
	released int
	stopped  string
	done     bool
}

// New returns an empty Text. Empty stop strings are ignored.
func New(o Options) *Text {
	stop := slices.DeleteFunc(slices.Clone(o.Stop), func(s string) bool { return s == "" })
	return &Text{stop: stop, endTag: o.EndTag, thinking: o.Thinking && o.EndTag != ""}
}

// Add appends a token's bytes and returns the text that can be shown now. When a stop string is complete it returns
// what stands before it; Stopped tells, and everything added later is dropped.
func (t *Text) Add(b []byte) string {
	if t.done {
		return ""
	}
	t.held = append(t.held, b...)
	search := 0
	if t.thinking {
		if search = t.closeThinking(b); search < 0 {
			return t.release(len(t.held) - partialRune(t.held))
		}
	}
	if at, s := t.find(search); at >= 0 {
		t.stopped, t.done = s, true
		out := t.release(at)
		t.held = nil
		return out
	}
	keep := max(t.partialStop(search), partialRune(t.held))
	return t.release(len(t.held) - keep)
}

// closeThinking looks for the end tag in what came with b. It returns the offset in held from which stop strings count,
// -1 while the block is open.
func (t *Text) closeThinking(b []byte) int {
	t.tail = append(t.tail, b...)
	at := bytes.Index(t.tail, []byte(t.endTag))
	if at < 0 {
		t.tail = t.tail[max(0, len(t.tail)-len(t.endTag)+1):]
		return -1
	}
	after := len(t.tail) - at - len(t.endTag)
	t.thinking, t.tail = false, nil
	return len(t.held) - after
}

// find returns the first stop string at or after offset from; the longest one where several begin together.
func (t *Text) find(from int) (at int, stop string) {
	at = -1
	for _, s := range t.stop {
		i := bytes.Index(t.held[from:], []byte(s))
		if i >= 0 && (at < 0 || from+i < at || from+i == at && len(s) > len(stop)) {
			at, stop = from+i, s
		}
	}
	return at, stop
}

// partialStop is the length of the longest end of held that begins a stop string.
func (t *Text) partialStop(from int) int {
	longest := 0
	for _, s := range t.stop {
		for n := min(len(s)-1, len(t.held)-from); n > longest; n-- {
			if strings.HasPrefix(s, string(t.held[len(t.held)-n:])) {
				longest = n
				break
			}
		}
	}
	return longest
}

// partialRune is the length of an incomplete character at the end of b.
func partialRune(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if c := b[len(b)-n]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(b[len(b)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

func (t *Text) release(n int) string {
	out := strings.ToValidUTF8(string(t.held[:n]), "\uFFFD")
	t.held = t.held[n:]
	t.released += n
	return out
}

// Close ends the answer and returns what was held back: a stop string that never completed. The beginning of a
// character that was cut off is dropped.
func (t *Text) Close() string {
	if t.done {
		return ""
	}
	t.done = true
	cut := partialRune(t.held)
	out := t.release(len(t.held) - cut)
	t.released += cut // its tokens are told all the same
	return out
}

// Released counts the bytes shown so far, as the tokens had them.
func (t *Text) Released() int { return t.released }

// Stopped is the stop string that ended the answer, if one did.
func (t *Text) Stopped() string { return t.stopped }

// Thinking reports whether the text is still inside the think block.
func (t *Text) Thinking() bool { return t.thinking }
