package difficulty

import (
	"unicode"
	"unicode/utf8"
)

const (
	// wordBytes bounds how much of a word is hashed.
	wordBytes = 48
	// stemRunes is how many leading letters stand for a longer word, so that endings and slips at the end matter less.
	stemRunes = 5
)

// scan walks once over e.text from a place on and adds its lexical features.
func (e *extraction) scan(from int) {
	t, c := e.text, &e.counts
	for i := from; i < len(t); {
		r, size := rune(t[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(t[i:])
		}
		switch classOf(r) {
		case classLetter:
			i = e.word(i)
		case classDigit:
			i = e.number(i)
		case classGram:
			i = e.grams(i)
		case classSymbol:
			i = e.symbol(i, r, size)
		case classStop:
			e.sentenceEnd(i, r)
			i += size
			c.runes++
		case classBreak:
			if r == '`' && i+2 < len(t) && t[i+1] == '`' && t[i+2] == '`' {
				c.fences++
				i += 2
			}
			i += size
			c.runes++
		default:
			i += size
			c.runes++
		}
	}
}

func (e *extraction) sentenceEnd(i int, r rune) {
	c := &e.counts
	switch r {
	case '\n':
		c.lines++
		if i+4 < len(e.text) && (e.text[i+1] == ' ' && e.text[i+2] == ' ' && e.text[i+3] == ' ' || e.text[i+1] == '\t') {
			c.codeMarks++
		}
		e.option(i + 1)
	case '?', '؟':
		c.questions++
		c.sentences++
		e.add(hash(seedSymbol, '?'), i, i+1, groupSymbol)
	case ';':
		if i+1 < len(e.text) && e.text[i+1] == '\n' {
			c.codeMarks++
		}
	default:
		c.sentences++
	}
	e.stop(i)
}

// option counts what looks like the mark of an answer option at the beginning of a line: "A.", "(b)", "3)".
func (e *extraction) option(i int) {
	t := e.text
	for i < len(t) && (t[i] == ' ' || t[i] == '(' || t[i] == '*') {
		i++
	}
	if i+1 >= len(t) {
		return
	}
	mark := t[i] | 0x20
	if (mark >= 'a' && mark <= 'j' || t[i] >= '1' && t[i] <= '9') && (t[i+1] == ')' || t[i+1] == '.' || t[i+1] == ':') {
		e.counts.options++
	}
}

// word takes a run of letters in.
func (e *extraction) word(from int) int {
	t, c := e.text, &e.counts
	h, stem := seedWord, uint32(0)
	n, i := 0, from
	for i < len(t) {
		r, size := rune(t[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(t[i:])
		}
		if r < utf8.RuneSelf {
			if asciiClasses[r] != classLetter {
				break
			}
			if r < 'a' {
				c.upper++
				r |= 0x20
			}
		} else {
			if classOf(r) != classLetter {
				break
			}
			r = unicode.ToLower(r)
		}
		if i-from < wordBytes {
			h = h*0x01000193 ^ uint32(r)
		}
		if n++; n == stemRunes {
			stem = h
		}
		if n >= shortestPrefix && n <= longestPrefix {
			e.concept(prefixKey(h), nil)
		}
		i += size
	}
	c.words++
	c.runes += n
	c.letters += n
	h = hash(seedWord, h)
	e.concept(h, nil)
	e.token(h, from, i, groupWord)
	if n > stemRunes {
		e.add(hash(seedStem, stem), from, i, groupStem)
	}
	return i
}

// number takes a run of digits in, as its magnitude. What follows directly is looked at as its unit.
func (e *extraction) number(from int) int {
	t, c := e.text, &e.counts
	i, digits, decimal := digitsFrom(t, from)
	c.numbers++
	c.digits += digits
	c.runes += i - from
	magnitude := uint32(min(digits, 5))
	switch {
	case decimal:
		c.decimals++
		magnitude = 6
	case digits == 4 && (t[from] == '1' && t[from+1] >= '7' || t[from] == '2' && t[from+1] == '0') && i-from == 4:
		magnitude = 7 // a year
	}
	e.token(hash(seedNumber, magnitude), from, i, groupSymbol)
	if e.unit(i) {
		c.units++
	}
	return i
}

// digitsFrom finds the end of the number that begins at from. It counts the number's digits and says whether it has a
// decimal point.
func digitsFrom(t []byte, from int) (end, digits int, decimal bool) {
	end = from
	for end < len(t) {
		r, size := utf8.DecodeRune(t[end:])
		switch {
		case classOf(r) == classDigit:
			digits++
			end += size
		case (r == '.' || r == ',') && end+1 < len(t) && asciiDigit(t[end+1]):
			decimal = decimal || r == '.'
			end++
		default:
			return end, digits, decimal
		}
	}
	return end, digits, decimal
}

func asciiDigit(b byte) bool { return b >= '0' && b <= '9' }

// unit reports whether a unit of measure stands at i, after at most one space.
func (e *extraction) unit(i int) bool {
	t := e.text
	if i < len(t) && t[i] == ' ' {
		i++
	}
	if i >= len(t) {
		return false
	}
	if t[i] == '%' {
		return true
	}
	end := i
	for end < len(t) && end-i < 4 && asciiLetter(t[end]) {
		end++
	}
	if end < len(t) && asciiLetter(t[end]) {
		return false
	}
	switch string(t[i:end]) { // no allocation: a comparison only
	case "m", "cm", "mm", "km", "g", "kg", "mg", "s", "ms", "h", "hr", "hrs", "min", "l", "L", "ml", "mL", "N", "J", "W", "kW", "V", "A",
		"Hz", "K", "Pa", "kPa", "mol", "ft", "mph", "lb", "lbs", "oz", "eV", "kJ", "mA":
		return true
	}
	return false
}

func asciiLetter(b byte) bool { return b < utf8.RuneSelf && asciiClasses[b] == classLetter }

// grams takes a run of a script in n-grams in: one, two and three characters.
func (e *extraction) grams(from int) int {
	t, c := e.text, &e.counts
	var r1, r2 rune // the two before
	var at1, at2 int
	i, n := from, 0
	for i < len(t) {
		r, size := utf8.DecodeRune(t[i:])
		if classOf(r) != classGram {
			break
		}
		end := i + size
		one := hash(seedGram, uint32(r))
		e.concept(one, t[end:])
		e.add(one, i, end, groupGram)
		if n >= 1 {
			pair := hash(hash(seedGram, uint32(r1)), uint32(r))
			e.concept(pair, t[end:])
			e.add(pair, at1, end, groupGram)
			if n >= 2 {
				three := hash(hash(hash(seedGram, uint32(r2)), uint32(r1)), uint32(r))
				e.concept(three, t[end:])
				e.add(three, at2, end, groupGram)
			}
		}
		r2, at2, r1, at1 = r1, at1, r, i
		i, n = end, n+1
	}
	c.runes += n
	c.letters += n
	c.grams += n
	// The run as one token ties it to numbers and symbols beside it; its last two characters carry the ending.
	h := hash(hash(seedGram, uint32(r2)), uint32(r1))
	e.pair(h, from, i)
	return i
}

// symbol takes a sign in; a backslash and letters are one LaTeX command.
func (e *extraction) symbol(from int, r rune, size int) int {
	t, c := e.text, &e.counts
	i := from + size
	c.runes++
	if r == '\\' && i < len(t) && asciiLetter(t[i]) {
		h := seedCommand
		for i < len(t) && asciiLetter(t[i]) {
			h = h*0x01000193 ^ uint32(t[i])
			i++
		}
		c.commands++
		e.token(hash(seedCommand, h), from, i, groupCommand)
		return i
	}
	switch r {
	case '=', '<', '>', '≤', '≥', '≠', '≈', '≡':
		c.relations++
	case '+', '-', '*', '/', '^', '×', '÷', '√', '∫', '∑', '∏', 'π', '±', '·', '−':
		c.symbols++
	case '$', '€', '£', '¥', '₩', '元':
		c.money++
	case '{', '}', '#', '_', '[', ']':
		c.codeMarks++
	}
	if r >= '①' && r <= '⑳' || r >= 'ㄱ' && r <= 'ㅎ' {
		c.options++
	}
	e.token(hash(seedSymbol, uint32(r)), from, i, groupSymbol)
	return i
}
