package api

import (
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/internal/jsontree"
)

type kind = jsontree.Kind

const (
	kindNull   = jsontree.Null
	kindBool   = jsontree.Bool
	kindNumber = jsontree.Number
	kindString = jsontree.String
	kindArray  = jsontree.Array
	kindObject = jsontree.Object
)

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

// parseJSON reads one JSON text. Duplicate keys and invalid UTF-8 are errors, because each would silently change what the client wrote.
func parseJSON(body []byte, limits jsonLimits) (*value, error) {
	tree, err := jsontree.Parse(body, jsontree.Options{Depth: limits.depth, Values: limits.values})
	if err != nil {
		return nil, err
	}
	v := valueOf(tree)
	return &v, nil
}

func valueOf(tree *jsontree.Value) value {
	v := value{kind: tree.Kind, raw: tree.Raw}
	if len(tree.Members) > 0 {
		v.members = make([]member, len(tree.Members))
		for i := range tree.Members {
			v.members[i] = member{tree.Members[i].Key, valueOf(&tree.Members[i].Value)}
		}
	}
	if len(tree.Items) > 0 {
		v.items = make([]value, len(tree.Items))
		for i := range tree.Items {
			v.items[i] = valueOf(&tree.Items[i])
		}
	}
	return v
}

// unquote returns the text of a string that the parser has accepted.
func unquote(raw []byte) string { return jsontree.Unquote(raw) }

// abbreviate keeps error messages short whatever the client sent.
func abbreviate(s string) string {
	const limit = 60
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "..."
}
