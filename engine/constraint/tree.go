package constraint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// tree is a JSON value that keeps the order of object members: an answer's properties come in the schema's order.
type tree struct {
	scalar  any // string, json.Number, bool or nil; for arrays and objects unused
	items   []tree
	members []member
	kind    byte // '{', '[' or 0
}

type member struct {
	name  string
	value tree
}

func (t *tree) get(name string) *tree {
	for i := range t.members {
		if t.members[i].name == name {
			return &t.members[i].value
		}
	}
	return nil
}

// maxTreeDepth bounds nesting, so that reading a schema cannot exhaust the stack.
const maxTreeDepth = 100

func parseTree(data []byte) (*tree, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	t, err := readTree(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the value")
	}
	return t, nil
}

func readTree(d *json.Decoder, depth int) (*tree, error) {
	if depth > maxTreeDepth {
		return nil, fmt.Errorf("nested more than %d deep", maxTreeDepth)
	}
	tok, err := d.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return &tree{scalar: tok}, nil
	}
	t := &tree{kind: byte(delim)}
	names := map[string]struct{}{}
	for d.More() {
		name := ""
		if delim == '{' {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			name, _ = key.(string)
			if _, twice := names[name]; twice {
				return nil, fmt.Errorf("the member %q is there twice", name)
			}
			names[name] = struct{}{}
		}
		v, err := readTree(d, depth+1)
		if err != nil {
			return nil, err
		}
		if delim == '{' {
			t.members = append(t.members, member{name, *v})
		} else {
			t.items = append(t.items, *v)
		}
	}
	_, err = d.Token()
	return t, err
}

// compact writes the value as JSON with a blank after colons and commas, as models write it.
func (t *tree) compact() (string, error) {
	switch t.kind {
	case '[':
		parts := make([]string, len(t.items))
		for i := range t.items {
			var err error
			if parts[i], err = t.items[i].compact(); err != nil {
				return "", err
			}
		}
		return "[" + strings.Join(parts, ", ") + "]", nil
	case '{':
		parts := make([]string, len(t.members))
		for i := range t.members {
			v, err := t.members[i].value.compact()
			if err != nil {
				return "", err
			}
			parts[i] = quote(t.members[i].name) + ": " + v
		}
		return "{" + strings.Join(parts, ", ") + "}", nil
	}
	if s, ok := t.scalar.(string); ok {
		return quote(s), nil
	}
	data, err := json.Marshal(t.scalar)
	return string(data), err
}

// quote writes a JSON string without escaping what need not be.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}
