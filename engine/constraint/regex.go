package constraint

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"unicode"
	"unicode/utf8"
)

// Regex is what a regular expression in Go's syntax (RE2) matches as a whole. Assertions other than ^ at its start and
// $ at its end are refused.
func Regex(pattern string) (*Grammar, error) {
	re, err := parseRegex(pattern)
	if err != nil {
		return nil, err
	}
	nested, _, _ := unanchor(re)
	b := &builder{}
	end := b.add()
	start, err := b.regex(nested, end, b.runes)
	if err != nil {
		return nil, err
	}
	return b.finish(start, end)
}

// maxPattern bounds the length of a regular expression, in bytes.
const maxPattern = 32 << 10

func parseRegex(pattern string) (*syntax.Regexp, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("regular expression: longer than %d bytes", maxPattern)
	}
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("regular expression: %w", err)
	}
	return re.Simplify(), nil
}

// unanchor takes ^ and $ off the ends of an expression and says which there were.
func unanchor(re *syntax.Regexp) (nested *syntax.Regexp, begins, ends bool) {
	if re.Op == syntax.OpCapture {
		return unanchor(re.Sub[0])
	}
	subs := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		subs = re.Sub
	}
	if op := subs[0].Op; op == syntax.OpBeginText || op == syntax.OpBeginLine {
		subs, begins = subs[1:], true
	}
	if n := len(subs); n > 0 && (subs[n-1].Op == syntax.OpEndText || subs[n-1].Op == syntax.OpEndLine) {
		subs, ends = subs[:n-1], true
	}
	return &syntax.Regexp{Op: syntax.OpConcat, Sub: subs}, begins, ends
}

var errAssertion = errors.New("regular expression: ^, $ and word boundaries are supported only as ^ at the start and $ at the end")

// runesFunc adds edges for the runes low..high.
type runesFunc func(from int32, low, high rune, to int32)

// regex adds a network that matches re and leads to `to`; it returns where it begins.
func (b *builder) regex(re *syntax.Regexp, to int32, runes runesFunc) (int32, error) { //nolint:cyclop // by operator
	if b.tooLarge {
		return to, b.err()
	}
	switch re.Op { //nolint:exhaustive // the rest are assertions, and what Simplify takes out
	case syntax.OpEmptyMatch:
		return to, nil
	case syntax.OpLiteral:
		return b.literal(re, to, runes), nil
	case syntax.OpCharClass:
		return b.class(re.Rune, to, runes), nil
	case syntax.OpAnyChar:
		return b.class([]rune{0, utf8.MaxRune}, to, runes), nil
	case syntax.OpAnyCharNotNL:
		return b.class([]rune{0, '\n' - 1, '\n' + 1, utf8.MaxRune}, to, runes), nil
	case syntax.OpCapture:
		return b.regex(re.Sub[0], to, runes)
	case syntax.OpConcat:
		for i := len(re.Sub) - 1; i >= 0; i-- {
			var err error
			if to, err = b.regex(re.Sub[i], to, runes); err != nil {
				return 0, err
			}
		}
		return to, nil
	case syntax.OpAlternate:
		from := b.add()
		for _, sub := range re.Sub {
			at, err := b.regex(sub, to, runes)
			if err != nil {
				return 0, err
			}
			b.join(from, at)
		}
		return from, nil
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest:
		return b.repeated(re, to, runes)
	case syntax.OpNoMatch:
		return 0, errors.New("regular expression: matches nothing")
	}
	return 0, errAssertion
}

func (b *builder) literal(re *syntax.Regexp, to int32, runes runesFunc) int32 {
	for i := len(re.Rune) - 1; i >= 0; i-- {
		from := b.add()
		r := re.Rune[i]
		runes(from, r, r, to)
		if re.Flags&syntax.FoldCase != 0 {
			for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
				runes(from, f, f, to)
			}
		}
		to = from
	}
	return to
}

// class adds edges for pairs of lowest and highest runes.
func (b *builder) class(pairs []rune, to int32, runes runesFunc) int32 {
	from := b.add()
	for i := 0; i+1 < len(pairs); i += 2 {
		runes(from, pairs[i], pairs[i+1], to)
	}
	return from
}

// repeated adds x*, x+ or x?.
func (b *builder) repeated(re *syntax.Regexp, to int32, runes runesFunc) (int32, error) {
	loop := b.add()
	back := loop
	if re.Op == syntax.OpQuest {
		back = to
	}
	at, err := b.regex(re.Sub[0], back, runes)
	if err != nil {
		return 0, err
	}
	b.join(loop, at)
	b.join(loop, to)
	if re.Op == syntax.OpPlus {
		return at, nil
	}
	return loop, nil
}
