package compute

import "bytes"

// Tag is a text that an answer can be kept from, whatever tokens it would be spelled with. It does not change.
type Tag struct {
	text []byte
	// whole is the one token that is the text, if there is one.
	whole []int32
	// after holds, for each number of bytes of the text that an answer ends with, the tokens that would complete it.
	after [][]int32
}

// NewTag looks for text in the bytes of a vocabulary's tokens. It must not be empty.
func NewTag(text string, tokens int, spelling func(int32) []byte) *Tag {
	t := &Tag{text: []byte(text), after: make([][]int32, len(text))}
	for id := range int32(tokens) {
		b := spelling(id)
		if bytes.Equal(b, t.text) {
			t.whole = append(t.whole, id)
		}
		for n := range t.after {
			if n == 0 && bytes.Contains(b, t.text) || n > 0 && bytes.HasPrefix(b, t.text[n:]) {
				t.after[n] = append(t.after[n], id)
			}
		}
	}
	return t
}

// appendBanned adds the tokens to out that would complete the tag after an answer that ends with tail.
func (t *Tag) appendBanned(out []int32, tail []byte) []int32 {
	out = append(out, t.after[0]...)
	for n := min(len(tail), len(t.text)-1); n > 0; n-- {
		if bytes.HasSuffix(tail, t.text[:n]) {
			out = append(out, t.after[n]...)
		}
	}
	return out
}

// keep is the end of tail and more that matters to banned.
func (t *Tag) keep(tail, more []byte) []byte {
	tail = append(tail, more...)
	return append(tail[:0], tail[max(0, len(tail)-len(t.text)+1):]...)
}
