package jsontree

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// Format says how a tree is written. The zero Format writes one line, with a blank after colons and commas as models
// and Python's json.dumps do, the members in their order and the numbers as they were written.
type Format struct {
	// Lines puts every member and item on a line of its own, Indent blanks deeper than what it lies in.
	Lines  bool
	Indent int
	// SortKeys writes members in the order of their keys.
	SortKeys bool
	// Quote writes the JSON string that stands for a text, AppendQuoted if it is nil.
	Quote func(dst []byte, text string) []byte
	// Number writes a number otherwise than it was written.
	Number func(dst, written []byte) []byte
}

// AppendQuoted appends the JSON string that stands for text, escaping what encoding/json must escape and no more.
func AppendQuoted(dst []byte, text string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		panic(err) // a string always encodes
	}
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

// Append appends v as JSON to dst. Of the zero Value it appends nothing.
func (f Format) Append(dst []byte, v *Value) []byte {
	if f.Quote == nil {
		f.Quote = AppendQuoted
	}
	return f.append(dst, v, 0)
}

func (f Format) append(dst []byte, v *Value, level int) []byte {
	switch {
	case v.Kind == String:
		return f.Quote(dst, Unquote(v.Raw))
	case v.Kind == Number && f.Number != nil:
		return f.Number(dst, v.Raw)
	case v.Kind == Array:
		dst = append(dst, '[')
		for i := range v.Items {
			dst = f.append(f.separate(dst, i, level+1), &v.Items[i], level+1)
		}
		return append(f.finish(dst, len(v.Items), level), ']')
	case v.Kind == Object:
		members := v.Members
		if f.SortKeys {
			members = slices.Clone(members)
			slices.SortFunc(members, func(a, b Member) int { return strings.Compare(a.Key, b.Key) })
		}
		dst = append(dst, '{')
		for i := range members {
			dst = f.Quote(f.separate(dst, i, level+1), members[i].Key)
			dst = f.append(append(dst, ": "...), &members[i].Value, level+1)
		}
		return append(f.finish(dst, len(members), level), '}')
	default:
		return append(dst, v.Raw...)
	}
}

// separate writes what stands before element i.
func (f Format) separate(dst []byte, i, level int) []byte {
	switch {
	case f.Lines && i > 0:
		return f.newline(append(dst, ','), level)
	case f.Lines:
		return f.newline(dst, level)
	case i > 0:
		return append(dst, ", "...)
	default:
		return dst
	}
}

// finish writes what stands after the last of n elements.
func (f Format) finish(dst []byte, n, level int) []byte {
	if n > 0 && f.Lines {
		return f.newline(dst, level)
	}
	return dst
}

func (f Format) newline(dst []byte, level int) []byte {
	return append(append(dst, '\n'), bytes.Repeat([]byte{' '}, f.Indent*level)...)
}
