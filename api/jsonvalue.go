package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// kind is the type of a JSON value.
type kind byte

const (
	kindNull   kind = 'n'
	kindBool   kind = 'b'
	kindNumber kind = '0'
	kindString kind = '"'
	kindArray  kind = '['
	kindObject kind = '{'
)

func (k kind) String() string {
	switch k {
	case kindNull:
		return "null"
	case kindBool:
		return "a boolean"
	case kindNumber:
		return "a number"
	case kindString:
		return "a string"
	case kindArray:
		return "an array"
	default:
		return "an object"
	}
}

// value is a JSON value that still lies in the body it was read from. Strings are not unquoted until
// they are asked for, so that a large data URI is copied once.
type value struct {
	kind    kind
	raw     []byte // the value's text, a part of the body
	members []member
	items   []value
}

type member struct {
	key   string
	value value
}

// get returns the member named key, nil if there is none.
func (v *value) get(key string) *value {
	for i := range v.members {
		if v.members[i].key == key {
			return &v.members[i].value
		}
	}
	return nil
}

// without is an object without one of its members.
func (v *value) without(key string) *value {
	out := *v
	out.members = slices.DeleteFunc(slices.Clone(v.members), func(m member) bool { return m.key == key })
	return &out
}

// jsonLimits bound what a body may make the parser allocate.
type jsonLimits struct {
	depth  int // nesting
	values int // in the whole body
}

// parseJSON reads one JSON text. It is stricter than encoding/json: duplicate keys and invalid UTF-8 are errors, because each would
// silently change what the client wrote. An escape of half a surrogate pair, which JavaScript's clients write when they cut a text inside
// an emoji, stands for U+FFFD.
func parseJSON(body []byte, limits jsonLimits) (*value, error) {
	p := jsonParser{body: body, limits: limits}
	p.space()
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.at != len(body) {
		return nil, p.errorf("unexpected data after the JSON value")
	}
	return &v, nil
}

type jsonParser struct {
	body   []byte
	at     int
	count  int
	limits jsonLimits
}

func (p *jsonParser) errorf(format string, args ...any) error {
	return fmt.Errorf("%s at byte %d", fmt.Sprintf(format, args...), p.at)
}

func (p *jsonParser) space() {
	for p.at < len(p.body) {
		switch p.body[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

func (p *jsonParser) peek() byte {
	if p.at < len(p.body) {
		return p.body[p.at]
	}
	return 0
}

func (p *jsonParser) value(depth int) (value, error) {
	if p.count++; p.count > p.limits.values {
		return value{}, p.errorf("more than %d values", p.limits.values)
	}
	if depth > p.limits.depth {
		return value{}, p.errorf("nested deeper than %d", p.limits.depth)
	}
	if p.at == len(p.body) {
		return value{}, p.errorf("unexpected end")
	}
	start := p.at
	v := value{}
	var err error
	switch c := p.body[p.at]; {
	case c == '{':
		v.kind = kindObject
		v.members, err = p.object(depth)
	case c == '[':
		v.kind = kindArray
		v.items, err = p.array(depth)
	case c == '"':
		v.kind = kindString
		err = p.string()
	case c == '-' || c >= '0' && c <= '9':
		v.kind = kindNumber
		err = p.number()
	default:
		v.kind, err = p.literal()
	}
	v.raw = p.body[start:p.at]
	return v, err
}

func (p *jsonParser) literal() (kind, error) {
	for _, l := range []struct {
		text string
		kind kind
	}{{"null", kindNull}, {"true", kindBool}, {"false", kindBool}} {
		if bytes.HasPrefix(p.body[p.at:], []byte(l.text)) {
			p.at += len(l.text)
			return l.kind, nil
		}
	}
	return 0, p.errorf("unexpected character %q", p.body[p.at])
}

func (p *jsonParser) array(depth int) ([]value, error) {
	p.at++
	p.space()
	var items []value
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

func (p *jsonParser) object(depth int) ([]member, error) {
	p.at++
	p.space()
	var members []member
	if p.peek() == '}' {
		p.at++
		return members, nil
	}
	seen := map[string]bool{}
	for {
		p.space()
		if p.peek() != '"' {
			return nil, p.errorf("expected a key")
		}
		start := p.at
		if err := p.string(); err != nil {
			return nil, err
		}
		key := unquote(p.body[start:p.at])
		if seen[key] {
			return nil, p.errorf("duplicate key %q", abbreviate(key))
		}
		seen[key] = true
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
		members = append(members, member{key, v})
		p.space()
		switch p.peek() {
		case ',':
			p.at++
		case '}':
			p.at++
			return members, nil
		default:
			return nil, p.errorf("expected a comma or }")
		}
	}
}

// string moves past a string and checks its escapes and encoding. Strings without a backslash, such as
// data URIs, take a path that is bound by memory bandwidth.
func (p *jsonParser) string() error {
	start := p.at
	p.at++
	end := bytes.IndexByte(p.body[p.at:], '"')
	if end < 0 {
		return p.errorf("unterminated string")
	}
	plain := p.body[p.at : p.at+end]
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
	for p.at < len(p.body) && p.body[p.at] != '"' {
		if p.body[p.at] == '\\' {
			p.at++
		}
		p.at++
	}
	if p.at >= len(p.body) {
		p.at = len(p.body)
		return p.errorf("unterminated string")
	}
	p.at++
	quoted := p.body[start:p.at]
	switch {
	case !utf8.Valid(quoted):
		return p.errorf("invalid UTF-8 in a string")
	case !json.Valid(quoted):
		return p.errorf("invalid escape or control character in a string")
	default:
		return nil
	}
}

func (p *jsonParser) number() error {
	start := p.at
	for p.at < len(p.body) && strings.IndexByte("+-0123456789.eE", p.body[p.at]) >= 0 {
		p.at++
	}
	if !json.Valid(p.body[start:p.at]) {
		return p.errorf("malformed number")
	}
	return nil
}

// unquote returns the text of a string that the parser has accepted.
func unquote(raw []byte) string {
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	var s string
	// The parser has validated raw, so this cannot fail.
	_ = json.Unmarshal(raw, &s)
	return s
}

// abbreviate keeps error messages short whatever the client sent.
func abbreviate(s string) string {
	const limit = 60
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "..."
}
