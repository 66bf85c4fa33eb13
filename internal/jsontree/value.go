// Package jsontree holds JSON as a tree that keeps what encoding/json gives up: the order of an object's members, the
// text of every number, and where a fault lies. It reads strictly, within bounds, and writes a tree back in order.
//
// The package must not know what a value is for: which members there should be, of which type, and what to tell a
// client who sent others is its users' business.
package jsontree

import (
	"bytes"
	"encoding/json"
	"slices"
)

// Kind is the type of a JSON value. The zero Kind is that of no value.
type Kind byte

// The kinds of JSON values.
const (
	Null   Kind = 'n'
	Bool   Kind = 'b'
	Number Kind = '0'
	String Kind = '"'
	Array  Kind = '['
	Object Kind = '{'
)

// String is the kind with its article, for sentences such as "must be a string, not a number".
func (k Kind) String() string {
	switch k {
	case Null:
		return "null"
	case Bool:
		return "a boolean"
	case Number:
		return "a number"
	case String:
		return "a string"
	case Array:
		return "an array"
	case Object:
		return "an object"
	default:
		return "nothing"
	}
}

// Value is one JSON value. A value that Parse read still lies in the text it was read from, which must not change as
// long as the tree is used: a string is unquoted only when it is asked for, so that a large data URI is copied once.
type Value struct {
	Kind Kind
	// Raw is the value as it is written. Arrays and objects that were put together by hand may leave it out.
	Raw     []byte
	Members []Member // of an object, in the order in which they are written
	Items   []Value  // of an array
}

// Member is one member of an object.
type Member struct {
	Key   string
	Value Value
}

// NewString is a JSON string that stands for s.
func NewString(s string) Value { return Value{Kind: String, Raw: AppendQuoted(nil, s)} }

// NewBool is true or false.
func NewBool(b bool) Value {
	if b {
		return Value{Kind: Bool, Raw: []byte("true")}
	}
	return Value{Kind: Bool, Raw: []byte("false")}
}

// Get returns the member named key, nil if v is no object or has none.
func (v *Value) Get(key string) *Value {
	for i := range v.Members {
		if v.Members[i].Key == key {
			return &v.Members[i].Value
		}
	}
	return nil
}

// Without is an object without one of its members. Raw is still that of v.
func (v *Value) Without(key string) *Value {
	out := *v
	out.Members = slices.DeleteFunc(slices.Clone(v.Members), func(m Member) bool { return m.Key == key })
	return &out
}

// Text is what a JSON string stands for; ok is false where v is no string.
func (v *Value) Text() (text string, ok bool) {
	if v.Kind != String {
		return "", false
	}
	return Unquote(v.Raw), true
}

// IsText reports whether v is the JSON string that stands for s.
func (v *Value) IsText(s string) bool {
	text, ok := v.Text()
	return ok && text == s
}

// IsTrue reports whether v is the literal true.
func (v *Value) IsTrue() bool { return v.Kind == Bool && v.Raw[0] == 't' }

// IsFalse reports whether v is the literal false.
func (v *Value) IsFalse() bool { return v.Kind == Bool && v.Raw[0] == 'f' }

// Unquote returns what a JSON string stands for. raw must have been accepted by Parse. Half a surrogate pair stands for
// U+FFFD.
func Unquote(raw []byte) string {
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	var s string
	// Parse has validated raw, so this cannot fail.
	_ = json.Unmarshal(raw, &s)
	return s
}
