package tokenizer

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// unicodeText is what the tokenizers library knows of characters (tools/reference/tokenizer_unicode.py).
//
//go:embed unicode.txt
var unicodeText string

// class is what the splitting into words sees of a character.
type class uint8

const (
	other class = iota
	letter
	number
	space
)

// property packs a class, whether composition may change the character, and its combining class.
type property uint16

const (
	classMask property = 3
	unstable  property = 1 << 2 // it may be composed with what stands before, or is always replaced
	markShift          = 8
)

func (p property) class() class { return class(p & classMask) }

// mark is the combining class, 0 for characters that stand for themselves.
func (p property) mark() uint8 { return uint8(p >> markShift) }

const pageSize = 256

// page holds the properties of consecutive characters.
type page [pageSize]property

// characters is what is known of each character.
type characters struct {
	pages  [(utf8.MaxRune + 1) / pageSize]*page
	ascii  [utf8.RuneSelf]class
	pairs  map[[2]rune]rune  // what two characters are composed to
	decomp map[rune]([]rune) // into characters that have no decomposition
}

func (c *characters) of(r rune) property { return c.pages[r/pageSize][r%pageSize] }

// newCharacters reads the embedded table.
func newCharacters() (*characters, error) {
	c := &characters{pairs: map[[2]rune]rune{}, decomp: map[rune][]rune{}}
	b := builder{characters: c, replaced: map[rune][]rune{}, composed: map[rune][2]rune{}}
	empty := new(page)
	for i := range c.pages {
		c.pages[i] = empty
	}
	b.empty = empty
	for line := range strings.Lines(unicodeText) {
		if err := b.line(strings.Fields(line)); err != nil {
			return nil, fmt.Errorf("character data: %q: %w", line, err)
		}
	}
	for r := rune(jamoV + 1); r < jamoV+jamoVCount; r++ {
		b.add(r, unstable)
	}
	b.add(jamoV, unstable)
	for r := rune(jamoT + 1); r < jamoT+jamoTCount; r++ {
		b.add(r, unstable)
	}
	for r := range b.composed {
		c.decomp[r] = b.decompose(nil, r)
	}
	for r := range b.replaced {
		c.decomp[r] = b.decompose(nil, r)
	}
	b.share()
	for r := range c.ascii {
		c.ascii[r] = c.of(rune(r)).class()
	}
	return c, nil
}

// builder fills characters line by line.
type builder struct {
	*characters
	empty    *page
	replaced map[rune][]rune
	composed map[rune][2]rune
}

func (b *builder) line(fields []string) error {
	if len(fields) == 0 || fields[0] == "#" {
		return nil
	}
	rest := fields[1:]
	switch fields[0] {
	case "letter":
		return b.ranges(rest, property(letter))
	case "number":
		return b.ranges(rest, property(number))
	case "space":
		return b.ranges(rest, property(space))
	case "class":
		n, err := strconv.ParseUint(rest[0], 10, 8)
		if err != nil {
			return err
		}
		return b.ranges(rest[1:], property(n)<<markShift)
	}
	runes := make([]rune, len(rest))
	for i, f := range rest {
		r, err := strconv.ParseUint(f, 16, 21)
		if err != nil {
			return err
		}
		runes[i] = rune(r)
	}
	switch fields[0] {
	case "pair":
		parts := [2]rune{runes[1], runes[2]}
		b.pairs[parts] = runes[0]
		b.composed[runes[0]] = parts
		b.add(runes[2], unstable)
	case "replaced":
		b.replaced[runes[0]] = runes[1:]
		b.add(runes[0], unstable)
	default:
		return fmt.Errorf("unknown kind of line %q", fields[0])
	}
	return nil
}

// ranges adds a property to ranges of code points, written like "41-5a".
func (b *builder) ranges(fields []string, p property) error {
	for _, f := range fields {
		low, high, ok := strings.Cut(f, "-")
		if !ok {
			high = low
		}
		from, err := strconv.ParseUint(low, 16, 21)
		if err != nil {
			return err
		}
		to, err := strconv.ParseUint(high, 16, 21)
		if err != nil {
			return err
		}
		for r := from; r <= to; r++ {
			b.add(rune(r), p)
		}
	}
	return nil
}

func (b *builder) add(r rune, p property) {
	at := &b.pages[r/pageSize]
	if *at == b.empty {
		*at = new(page)
	}
	(*at)[r%pageSize] |= p
}

// decompose appends what r is made of in the end.
func (b *builder) decompose(out []rune, r rune) []rune {
	if parts, ok := b.replaced[r]; ok {
		for _, p := range parts {
			out = b.decompose(out, p)
		}
		return out
	}
	if parts, ok := b.composed[r]; ok {
		return b.decompose(b.decompose(out, parts[0]), parts[1])
	}
	return append(out, r)
}

// share keeps one of pages that are alike: most of the world's characters are letters without further properties.
func (b *builder) share() {
	known := map[page]*page{}
	for i, p := range b.pages {
		if same := known[*p]; same != nil {
			b.pages[i] = same
			continue
		}
		known[*p] = p
	}
}
