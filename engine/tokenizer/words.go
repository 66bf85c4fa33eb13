package tokenizer

import "unicode/utf8"

// wordEnd is where the word ends that begins at s[i]. Words are the matches of Qwen2's expression, whose alternatives
// are tried in this order:
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)  |  [^\r\n\p{L}\p{N}]?\p{L}+  |  \p{N}  |   ?[^\s\p{L}\p{N}]+[\r\n]*  |  \s*[\r\n]+  |  \s+(?!\S)  |  \s+
func (c *characters) wordEnd(s string, i int) int {
	if s[i] == '\'' {
		if n := contraction(s[i:]); n > 0 {
			return i + n
		}
	}
	kind, next := c.at(s, i)
	if kind == letter {
		return c.runEnd(s, next, letter)
	}
	if kind == number {
		return next
	}
	newline := s[i] == '\r' || s[i] == '\n'
	if next < len(s) && !newline {
		switch after, end := c.at(s, next); {
		case after == letter:
			return c.runEnd(s, end, letter)
		case s[i] == ' ' && after == other:
			return newlinesEnd(s, c.runEnd(s, end, other))
		}
	}
	if kind == other {
		return newlinesEnd(s, c.runEnd(s, next, other))
	}
	return c.blanksEnd(s, i)
}

// contraction is the length of the English ending at the beginning of s, 0 if there is none.
func contraction(s string) int {
	if len(s) < 2 {
		return 0
	}
	const longS = "\u017f" // the other small form of S
	switch s[1] | 0x20 {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if len(s) > 2 && s[2]|0x20 == 'e' {
			return 3
		}
	case 'l':
		if len(s) > 2 && s[2]|0x20 == 'l' {
			return 3
		}
	}
	if len(s) > len(longS) && s[1:1+len(longS)] == longS {
		return 1 + len(longS)
	}
	return 0
}

// at is the class of the character at s[i] and where the next one begins.
func (c *characters) at(s string, i int) (kind class, next int) {
	if b := s[i]; b < utf8.RuneSelf {
		return c.ascii[b], i + 1
	}
	r, size := utf8.DecodeRuneInString(s[i:])
	return c.of(r).class(), i + size
}

// runEnd is where the run of characters of a class ends.
func (c *characters) runEnd(s string, i int, of class) int {
	for i < len(s) {
		kind, next := c.at(s, i)
		if kind != of {
			break
		}
		i = next
	}
	return i
}

func newlinesEnd(s string, i int) int {
	for i < len(s) && (s[i] == '\r' || s[i] == '\n') {
		i++
	}
	return i
}

// blanksEnd ends a word that begins with blanks: after their last line break, else before the last blank if a word
// follows, which takes it.
func (c *characters) blanksEnd(s string, i int) int {
	first, last, broken := i, i, i
	for i < len(s) {
		kind, next := c.at(s, i)
		if kind != space {
			break
		}
		if s[i] == '\r' || s[i] == '\n' {
			broken = next
		}
		last, i = i, next
	}
	switch {
	case broken > first:
		return broken
	case i == len(s) || last == first:
		return i
	default:
		return last
	}
}
