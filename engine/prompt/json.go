package prompt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxJSONDepth bounds the nesting of tool definitions and arguments.
const maxJSONDepth = 256

// object is a JSON object in its written key order. As in Python, a repeated key keeps its first place
// and its last value.
type object struct {
	keys   []string
	values map[string]any
}

// decodeJSON reads one JSON value into nil, bool, string, json.Number, []any or *object.
func decodeJSON(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the JSON value")
	}
	return v, nil
}

func decodeValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxJSONDepth {
		return nil, fmt.Errorf("JSON is nested deeper than %d", maxJSONDepth)
	}
	token, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("not valid JSON: %w", err)
	}
	switch token {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, closeValue(d)
	case json.Delim('{'):
		o := &object{values: map[string]any{}}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, fmt.Errorf("not valid JSON: %w", err)
			}
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			o.set(key.(string), v)
		}
		return o, closeValue(d)
	}
	return token, nil
}

func closeValue(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("not valid JSON: %w", err)
	}
	return nil
}

func (o *object) set(key string, v any) {
	if _, ok := o.values[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.values[key] = v
}

// jsonStyle writes JSON as Python's json.dumps does, the way chat templates are used in training.
type jsonStyle struct {
	indent   int  // spaces per level, -1 for one line
	ascii    bool // escape everything above U+007E
	sortKeys bool
	keep     string // characters that ascii leaves alone
}

// pythonJSON is json.dumps(v, ensure_ascii=False) of a JSON text.
func pythonJSON(raw []byte) (string, error) {
	v, err := decodeJSON(raw)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	jsonStyle{indent: -1}.write(&b, v, 0)
	return b.String(), nil
}

func (s jsonStyle) write(b *strings.Builder, v any, level int) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case string:
		s.quote(b, v)
	case json.Number:
		b.WriteString(pythonNumber(string(v)))
	case int:
		b.WriteString(strconv.Itoa(v))
	case float64:
		b.WriteString(pythonFloat(v))
	case []any:
		s.writeAll(b, '[', ']', len(v), level, func(i int) { s.write(b, v[i], level+1) })
	case *object:
		keys := v.keys
		if s.sortKeys {
			keys = append([]string(nil), keys...)
			sort.Strings(keys)
		}
		s.writeAll(b, '{', '}', len(keys), level, func(i int) {
			s.quote(b, keys[i])
			b.WriteString(": ")
			s.write(b, v.values[keys[i]], level+1)
		})
	}
}

// writeAll writes the brackets, separators and line breaks around n items.
func (s jsonStyle) writeAll(b *strings.Builder, open, end byte, n, level int, item func(i int)) {
	b.WriteByte(open)
	for i := range n {
		switch {
		case s.indent >= 0:
			if i > 0 {
				b.WriteByte(',')
			}
			s.newline(b, level+1)
		case i > 0:
			b.WriteString(", ")
		}
		item(i)
	}
	if n > 0 && s.indent >= 0 {
		s.newline(b, level)
	}
	b.WriteByte(end)
}

func (s jsonStyle) newline(b *strings.Builder, level int) {
	b.WriteByte('\n')
	b.WriteString(strings.Repeat(" ", s.indent*level))
}

func (s jsonStyle) quote(b *strings.Builder, text string) {
	const short = "\b\t\n\f\r\"\\"
	const letters = "btnfr\"\\"
	b.WriteByte('"')
	for _, r := range text {
		switch i := strings.IndexRune(short, r); {
		case i >= 0:
			b.WriteByte('\\')
			b.WriteByte(letters[i])
		case r < 0x20, s.ascii && r > 0x7e && r <= 0xffff && !strings.ContainsRune(s.keep, r):
			fmt.Fprintf(b, `\u%04x`, r)
		case s.ascii && r > 0xffff && !strings.ContainsRune(s.keep, r):
			fmt.Fprintf(b, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}

// pythonNumber is what json.dumps(json.loads(n)) writes.
func pythonNumber(n string) string {
	if !strings.ContainsAny(n, ".eE") {
		if n == "-0" {
			return "0"
		}
		return n
	}
	f, err := strconv.ParseFloat(n, 64)
	if err != nil && !math.IsInf(f, 0) {
		return n
	}
	return pythonFloat(f)
}

// pythonFloat is repr(f), with JSON's spelling of what JSON cannot hold.
func pythonFloat(f float64) string {
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

// validUTF8 replaces broken bytes, which JSON and tokenizers cannot carry.
func validUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
