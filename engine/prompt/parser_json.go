package prompt

import (
	"strings"

	"github.com/qwenvld/qwenvld/engine/prompt/pyjson"
)

// scanState is what the scanner of JSON expects next.
type scanState int

const (
	scanValue      scanState = iota // a value must begin
	scanValueOrEnd                  // a value or the end of an empty list
	scanKeyOrEnd                    // a key or the end of an empty object
	scanKey                         // a key must begin
	scanColon
	scanAfter // a comma or the end of the list or object
	scanString
	scanEscape
	scanHex
	scanNumber
	scanLiteral
	scanEnd // the outermost value is complete
)

// jsonScanner checks JSON byte by byte. Unlike encoding/json it stops right after the outermost value and
// can wait for more text anywhere. It allows raw control characters in strings, which models write. A copy
// taken before a step shows the state before it; only the length of stack may be looked at in the copy.
type jsonScanner struct {
	state scanState
	stack []byte // '{' or '['
	inKey bool   // the string being read is a key
	count int    // hex digits or bytes of the literal or number read
	token string // the literal being read
	digit numberState
}

// numberState is the position in JSON's number grammar.
type numberState int

const (
	numberMinus numberState = iota // after "-"
	numberZero
	numberInt
	numberDot
	numberFraction
	numberE
	numberSign
	numberExponent
)

// step reads one byte and reports whether the text can still become JSON.
func (s *jsonScanner) step(b byte) bool {
	switch s.state {
	case scanString:
		switch b {
		case '"':
			s.endString()
		case '\\':
			s.state = scanEscape
		}
		return true
	case scanEscape:
		return s.stepEscape(b)
	case scanHex:
		s.count++
		if s.count == 4 {
			s.state = scanString
		}
		return strings.IndexByte("0123456789abcdefABCDEF", b) >= 0
	case scanLiteral:
		ok := s.token[s.count] == b
		s.count++
		if s.count == len(s.token) {
			s.endValue()
		}
		return ok
	case scanNumber:
		if s.stepNumber(b) {
			return true
		}
		if !s.digit.complete() {
			return false
		}
		s.endValue()
	default:
	}
	return isSpace(b) || s.stepStructure(b)
}

func (s *jsonScanner) stepEscape(b byte) bool {
	s.state = scanString
	if b == 'u' {
		s.state, s.count = scanHex, 0
		return true
	}
	return strings.IndexByte(`"\/bfnrt`, b) >= 0
}

func (s *jsonScanner) stepStructure(b byte) bool {
	switch s.state {
	case scanValue:
		return s.beginValue(b)
	case scanValueOrEnd:
		if b == ']' {
			return s.pop('[')
		}
		return s.beginValue(b)
	case scanKeyOrEnd, scanKey:
		if b == '}' && s.state == scanKeyOrEnd {
			return s.pop('{')
		}
		s.state, s.inKey = scanString, true
		return b == '"'
	case scanColon:
		s.state = scanValue
		return b == ':'
	case scanAfter:
		return s.stepAfter(b)
	default:
		return false
	}
}

func (s *jsonScanner) stepAfter(b byte) bool {
	inObject := s.stack[len(s.stack)-1] == '{'
	switch {
	case b == ',' && inObject:
		s.state = scanKey
	case b == ',':
		s.state = scanValue
	case b == '}':
		return s.pop('{')
	case b == ']':
		return s.pop('[')
	default:
		return false
	}
	return true
}

func (s *jsonScanner) beginValue(b byte) bool {
	switch {
	case b == '{':
		s.stack, s.state = append(s.stack, b), scanKeyOrEnd
	case b == '[':
		s.stack, s.state = append(s.stack, b), scanValueOrEnd
	case b == '"':
		s.state, s.inKey = scanString, false
	case b == '-':
		s.state, s.digit = scanNumber, numberMinus
	case b == '0':
		s.state, s.digit = scanNumber, numberZero
	case b >= '1' && b <= '9':
		s.state, s.digit = scanNumber, numberInt
	case b == 't':
		s.state, s.token, s.count = scanLiteral, "true", 1
	case b == 'f':
		s.state, s.token, s.count = scanLiteral, "false", 1
	case b == 'n':
		s.state, s.token, s.count = scanLiteral, "null", 1
	default:
		return false
	}
	return len(s.stack) <= pyjson.MaxDepth
}

func (s *jsonScanner) pop(open byte) bool {
	if s.stack[len(s.stack)-1] != open {
		return false
	}
	s.stack = s.stack[:len(s.stack)-1]
	s.endValue()
	return true
}

func (s *jsonScanner) endString() {
	if s.inKey {
		s.state, s.inKey = scanColon, false
		return
	}
	s.endValue()
}

func (s *jsonScanner) endValue() {
	s.state = scanAfter
	if len(s.stack) == 0 {
		s.state = scanEnd
	}
}

// complete reports whether a number may end here.
func (n numberState) complete() bool {
	return n == numberZero || n == numberInt || n == numberFraction || n == numberExponent
}

func (s *jsonScanner) stepNumber(b byte) bool {
	if b >= '0' && b <= '9' {
		return s.stepDigit(b)
	}
	switch {
	case b == '.' && (s.digit == numberZero || s.digit == numberInt):
		s.digit = numberDot
	case (b == 'e' || b == 'E') && s.digit.complete() && s.digit != numberExponent:
		s.digit = numberE
	case (b == '+' || b == '-') && s.digit == numberE:
		s.digit = numberSign
	default:
		return false
	}
	return true
}

func (s *jsonScanner) stepDigit(b byte) bool {
	switch s.digit {
	case numberMinus:
		s.digit = numberInt
		if b == '0' {
			s.digit = numberZero
		}
	case numberDot:
		s.digit = numberFraction
	case numberE, numberSign:
		s.digit = numberExponent
	case numberInt, numberFraction, numberExponent:
	case numberZero:
		return false
	}
	return true
}
