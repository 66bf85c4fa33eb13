// Package jsonbody reads the JSON bodies of requests: a strict tree, in which the order of members and the text of
// numbers are kept, and a Reader that takes members as the types that they must have and remembers the first that is
// not.
//
// Errors carry the path of the member at fault. The package must not know what a member means, nor of HTTP.
package jsonbody

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/internal/jsontree"
)

// Value is a JSON value that still lies in the body it was read from.
type Value = jsontree.Value

// Kind is the type of a value.
type Kind = jsontree.Kind

// Kinds of values.
const (
	Null   = jsontree.Null
	Bool   = jsontree.Bool
	Number = jsontree.Number
	String = jsontree.String
	Array  = jsontree.Array
	Object = jsontree.Object
)

// Bounds are what a body may have.
type Bounds struct {
	Depth  int // of arrays and objects inside each other
	Values int // in the whole body
}

// Parse reads a JSON text strictly: see jsontree.Parse.
func Parse(text []byte, b Bounds) (*Value, error) {
	return jsontree.Parse(text, jsontree.Options{Depth: b.Depth, Values: b.Values})
}

// Present returns the member unless it is missing or null, which clients send for "not given".
func Present(v *Value, key string) *Value {
	if m := v.Get(key); m != nil && m.Kind != Null {
		return m
	}
	return nil
}

// TextOf is what a string stands for, "" for any other value, nil among them.
func TextOf(v *Value) string {
	if v == nil {
		return ""
	}
	text, _ := v.Text()
	return text
}

// MemberText is a string member, "" where there is none.
func MemberText(v *Value, key string) string { return TextOf(v.Get(key)) }

// OrEmpty lets a missing member be read as an empty string, which readers of names refuse.
func OrEmpty(v *Value) *Value {
	if v == nil {
		return &Value{Kind: String, Raw: []byte(`""`)}
	}
	return v
}

// OrEmptyList lets a missing member be read as an empty list.
func OrEmptyList(v *Value) *Value {
	if v == nil {
		return &Value{Kind: Array, Raw: []byte("[]")}
	}
	return v
}

// RawCopy detaches v from the body, so that a kept schema does not keep a body full of images alive.
func RawCopy(v *Value) json.RawMessage { return slices.Clone(v.Raw) }

// Quote writes s as a JSON string.
func Quote(s string) json.RawMessage { return jsontree.AppendQuoted(nil, s) }

// Abbreviate keeps error messages short whatever the client sent.
func Abbreviate(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
