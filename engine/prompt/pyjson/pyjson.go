// Package pyjson reads and writes JSON as Python's json module does, in whose spelling models saw tool definitions and
// calls.
//
// The package must not know what the JSON describes, and is not for texts that clients read.
package pyjson

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/qwenvld/qwenvld/internal/jsontree"
)

// MaxDepth bounds the nesting of tool definitions and arguments.
const MaxDepth = 256

// Parse reads one JSON value. As in Python, a repeated key keeps its first place and its last value.
func Parse(raw []byte) (*jsontree.Value, error) {
	if !utf8.Valid(raw) {
		raw = []byte(string([]rune(string(raw)))) // a replacement for every broken byte, as in encoding/json
	}
	v, err := jsontree.Parse(raw, jsontree.Options{Depth: MaxDepth, LastWins: true})
	if err != nil {
		return nil, fmt.Errorf("not valid JSON: %w", err)
	}
	return v, nil
}

// Format is json.dumps(v, ensure_ascii=False), the way chat templates are used in training.
func Format() jsontree.Format { return jsontree.Format{Quote: quote, Number: appendNumber} }

// Text is json.dumps(v, ensure_ascii=False).
func Text(v *jsontree.Value) string { return string(Format().Append(nil, v)) }

// quote quotes without escaping anything beyond ASCII.
func quote(dst []byte, text string) []byte {
	return appendString(dst, text, func(rune) bool { return false })
}

// QuoteASCII is a quoting as with ensure_ascii: it escapes everything above U+007E but the runes in keep.
func QuoteASCII(keep string) func(dst []byte, text string) []byte {
	return func(dst []byte, text string) []byte {
		return appendString(dst, text, func(r rune) bool { return r > 0x7e && !strings.ContainsRune(keep, r) })
	}
}

// appendString quotes as json.dumps does; escape tells which runes are escaped beside those that must be.
func appendString(dst []byte, text string, escape func(rune) bool) []byte {
	const short = "\b\t\n\f\r\"\\"
	const letters = "btnfr\"\\"
	dst = append(dst, '"')
	for _, r := range text {
		switch i := strings.IndexRune(short, r); {
		case i >= 0:
			dst = append(dst, '\\', letters[i])
		case r < 0x20, escape(r) && r <= 0xffff:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		case escape(r):
			high, low := utf16.EncodeRune(r)
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// appendNumber appends what json.dumps(json.loads(written)) writes.
func appendNumber(dst, written []byte) []byte {
	n := string(written)
	if !strings.ContainsAny(n, ".eE") {
		if n == "-0" {
			n = "0"
		}
		return append(dst, n...)
	}
	f, err := strconv.ParseFloat(n, 64)
	if err != nil && !math.IsInf(f, 0) {
		return append(dst, n...)
	}
	return append(dst, Float(f)...)
}

// Float is repr(f), with JSON's spelling of what JSON cannot hold.
func Float(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case math.IsNaN(f):
		return "NaN"
	}
	e := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exponent, _ := strings.Cut(e, "e")
	if n, _ := strconv.Atoi(exponent); n < -4 || n >= 16 {
		return mantissa + "e" + exponent
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
