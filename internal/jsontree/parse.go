package jsontree

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Options bound what a text may make Parse allocate, and say what it does with repeated keys.
type Options struct {
	// Depth is how deep arrays and objects may lie inside each other; 0 allows single values alone.
	Depth int
	// Values is how many values there may be in the whole text; 0 is no bound of its own.
	Values int
	// LastWins keeps the last value of a repeated key, in the place of the first, as Python does. Else such a key is an
	// error.
	LastWins bool
}

// SyntaxError says what is wrong with a text and where.
type SyntaxError struct {
	Reason string
	Offset int // in bytes
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.Reason, e.Offset) }

// Parse reads one JSON text. It is stricter than encoding/json: duplicate keys and invalid UTF-8 are errors, because
// each would silently change what the author wrote. An escape of half a surrogate pair, which JavaScript's programs
// write when they cut a text inside an emoji, stands for U+FFFD. Every error is a *SyntaxError.
func Parse(text []byte, options Options) (*Value, error) {
	p := parser{text: text, options: options}
	p.space()
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.at != len(text) {
		return nil, p.errorf("unexpected data after the JSON value")
	}
	return &v, nil
}

// parser reads one text from its beginning to its end.
type parser struct {
	text    []byte
	at      int // the next byte
	count   int // of values so far
	options Options
}

func (p *parser) errorf(format string, args ...any) error {
	return &SyntaxError{fmt.Sprintf(format, args...), p.at}
}

func (p *parser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// peek is the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *parser) value(depth int) (Value, error) {
	if p.count++; p.options.Values > 0 && p.count > p.options.Values {
		return Value{}, p.errorf("more than %d values", p.options.Values)
	}
	if depth > p.options.Depth {
		return Value{}, p.errorf("nested deeper than %d", p.options.Depth)
	}
	if p.at == len(p.text) {
		return Value{}, p.errorf("unexpected end")
	}
	start := p.at
	v := Value{}
	var err error
	switch c := p.text[p.at]; {
	case c == '{':
		v.Kind = Object
		v.Members, err = p.object(depth)
	case c == '[':
		v.Kind = Array
		v.Items, err = p.array(depth)
	case c == '"':
		v.Kind = String
		err = p.string()
	case c == '-' || c >= '0' && c <= '9':
		v.Kind = Number
		err = p.number()
	default:
		v.Kind, err = p.literal()
	}
	v.Raw = p.text[start:p.at]
	return v, err
}

func (p *parser) literal() (Kind, error) {
	for _, l := range []struct {
		text string
		kind Kind
	}{{"null", Null}, {"true", Bool}, {"false", Bool}} {
		if bytes.HasPrefix(p.text[p.at:], []byte(l.text)) {
			p.at += len(l.text)
			return l.kind, nil
		}
	}
	return 0, p.errorf("unexpected character %q", p.text[p.at])
}

func (p *parser) array(depth int) ([]Value, error) {
	p.at++
	p.space()
	var items []Value
	if p.peek() == ']' {
		p.at++
		return items, nil
	}
	for {
		p.space()
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		items = append(items, v)
		p.space()
		switch p.peek() {
		case ',':
			p.at++
		case ']':
			p.at++
			return items, nil
		default:
			return nil, p.errorf("expected a comma or ]")
		}
	}
}

func (p *parser) object(depth int) ([]Member, error) {
	p.at++
	p.space()
	var o objectBuilder
	if p.peek() == '}' {
		p.at++
		return nil, nil
	}
	for {
		p.space()
		key, err := p.key()
		if err != nil {
			return nil, err
		}
		earlier := o.find(key)
		if earlier >= 0 && !p.options.LastWins {
			return nil, p.errorf("duplicate key %q", shortened(key))
		}
		p.space()
		if p.peek() != ':' {
			return nil, p.errorf("expected a colon")
		}
		p.at++
		p.space()
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if earlier >= 0 {
			o.members[earlier].Value = v
		} else {
			o.add(key, v)
		}
		p.space()
		switch p.peek() {
		case ',':
			p.at++
		case '}':
			p.at++
			return o.members, nil
		default:
			return nil, p.errorf("expected a comma or }")
		}
	}
}

func (p *parser) key() (string, error) {
	if p.peek() != '"' {
		return "", p.errorf("expected a key")
	}
	start := p.at
	if err := p.string(); err != nil {
		return "", err
	}
	return Unquote(p.text[start:p.at]), nil
}

// objectBuilder collects members and finds them by key. A map is made only for objects so large that looking through
// all their keys would cost more.
type objectBuilder struct {
	members []Member
	places  map[string]int // of all members by key; nil for a small object
}

const smallObject = 16

// find is the place of the member named key, -1 if there is none.
func (o *objectBuilder) find(key string) int {
	if o.places != nil {
		if i, ok := o.places[key]; ok {
			return i
		}
		return -1
	}
	for i := range o.members {
		if o.members[i].Key == key {
			return i
		}
	}
	return -1
}

func (o *objectBuilder) add(key string, v Value) {
	o.members = append(o.members, Member{key, v})
	switch {
	case o.places != nil:
		o.places[key] = len(o.members) - 1
	case len(o.members) > smallObject:
		o.places = make(map[string]int, 2*len(o.members))
		for i := range o.members {
			o.places[o.members[i].Key] = i
		}
	}
}

// string moves past a string and checks its escapes and encoding. Strings without a backslash, such as
// data URIs, take a path that is bound by memory bandwidth.
func (p *parser) string() error {
	start := p.at
	p.at++
	end := bytes.IndexByte(p.text[p.at:], '"')
	if end < 0 {
		return p.errorf("unterminated string")
	}
	plain := p.text[p.at : p.at+end]
	if bytes.IndexByte(plain, '\\') < 0 {
		p.at += end + 1
		if !utf8.Valid(plain) {
			return p.errorf("invalid UTF-8 in a string")
		}
		for _, c := range plain {
			if c < ' ' {
				return p.errorf("control character in a string")
			}
		}
		return nil
	}
	for p.at < len(p.text) && p.text[p.at] != '"' {
		if p.text[p.at] == '\\' {
			p.at++
		}
		p.at++
	}
	if p.at >= len(p.text) {
		p.at = len(p.text)
		return p.errorf("unterminated string")
	}
	p.at++
	quoted := p.text[start:p.at]
	switch {
	case !utf8.Valid(quoted):
		return p.errorf("invalid UTF-8 in a string")
	case !json.Valid(quoted):
		return p.errorf("invalid escape or control character in a string")
	default:
		return nil
	}
}

func (p *parser) number() error {
	start := p.at
	for p.at < len(p.text) && strings.IndexByte("+-0123456789.eE", p.text[p.at]) >= 0 {
		p.at++
	}
	if !json.Valid(p.text[start:p.at]) {
		return p.errorf("malformed number")
	}
	return nil
}

// shortened keeps error messages short however long a key is.
func shortened(key string) string {
	const limit = 60
	if len(key) <= limit {
		return key
	}
	end := limit
	for !utf8.RuneStart(key[end]) {
		end--
	}
	return key[:end] + "..."
}
