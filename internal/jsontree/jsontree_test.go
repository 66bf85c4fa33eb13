package jsontree

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

func TestFaultsAreNamedWithTheirPlace(t *testing.T) {
	long := strings.Repeat("k", 59) + "é and more"
	for text, want := range map[string]string{
		"":                                  "unexpected end at byte 0",
		"  ":                                "unexpected end at byte 2",
		"x":                                 "unexpected character 'x' at byte 0",
		`{"a":1,"a":2}`:                     `duplicate key "a" at byte 10`,
		`{"a":1,"\u0061":2}`:                `duplicate key "a" at byte 15`,
		`{"` + long + `":1,"` + long + `":`: `duplicate key "` + long[:59] + `..." at byte 148`,
		`{"a" 1}`:                           "expected a colon at byte 5",
		`{"a":1 "b":2}`:                     "expected a comma or } at byte 7",
		`{"a":1,}`:                          "expected a key at byte 7",
		`{1:2}`:                             "expected a key at byte 1",
		`[1,]`:                              "unexpected character ']' at byte 3",
		`[1 2]`:                             "expected a comma or ] at byte 3",
		`[1`:                                "expected a comma or ] at byte 2",
		`[1] 2`:                             "unexpected data after the JSON value at byte 4",
		`"a`:                                "unterminated string at byte 1",
		`"a\"`:                              "unterminated string at byte 4",
		`"\x"`:                              "invalid escape or control character in a string at byte 4",
		"\"\\n\n\"":                         "invalid escape or control character in a string at byte 5",
		"\"a\tb\"":                          "control character in a string at byte 5",
		"\"\xff\"":                          "invalid UTF-8 in a string at byte 3",
		"\"\\n\xff\"":                       "invalid UTF-8 in a string at byte 5",
		"01":                                "malformed number at byte 2",
		"1.":                                "malformed number at byte 2",
		"--1":                               "malformed number at byte 3",
		`[[[[1]]]]`:                         "nested deeper than 3 at byte 4",
		`[1,2,3,4,5,6,7,8,9,10]`:            "more than 10 values at byte 19",
	} {
		_, err := Parse([]byte(text), Options{Depth: 3, Values: 10})
		var fault *SyntaxError
		if !errors.As(err, &fault) || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestATreeKeepsOrderNumbersAndPlaces(t *testing.T) {
	text := ` {"z":1e2 , "a":[true,false,null,"\ud83d\ude00\ud800x"],"":{"n":-0.10}}`
	root, err := Parse([]byte(text), Options{Depth: 2})
	if err != nil {
		t.Fatal(err)
	}
	if string(root.Raw) != text[1:] || len(root.Members) != 3 || root.Members[0].Key != "z" {
		t.Errorf("%+v", root)
	}
	if z := root.Get("z"); z.Kind != Number || string(z.Raw) != "1e2" {
		t.Errorf("%s", z.Raw)
	}
	items := root.Get("a").Items
	if !items[0].IsTrue() || items[0].IsFalse() || !items[1].IsFalse() || items[1].IsTrue() || items[2].Kind != Null || items[2].IsFalse() {
		t.Errorf("%+v", items)
	}
	if got, ok := items[3].Text(); !ok || got != "😀\uFFFDx" || !items[3].IsText(got) {
		t.Errorf("%q, %v", got, ok)
	}
	if _, ok := items[0].Text(); ok || items[0].IsText("true") {
		t.Error("a boolean is no text")
	}
	if root.Get("y") != nil || items[0].Get("z") != nil {
		t.Error("members that are not there")
	}
	if less := root.Without("a"); len(less.Members) != 2 || less.Get("a") != nil || root.Get("a") == nil {
		t.Errorf("%+v", less.Members)
	}
}

// Small and large objects find repeated keys in different ways.
func TestTheLastOfARepeatedKeyWinsInTheFirstPlace(t *testing.T) {
	for _, n := range []int{2, smallObject, smallObject + 1, 500} {
		var b strings.Builder
		for i := range 2 * n {
			b.WriteString(`,"` + strconv.Itoa(i%n) + `":` + strconv.Itoa(i))
		}
		text := []byte("{" + b.String()[1:] + "}")
		v, err := Parse(text, Options{Depth: 1, LastWins: true})
		if err != nil || len(v.Members) != n {
			t.Fatalf("%d members: %v", n, err)
		}
		for i, m := range v.Members {
			if m.Key != strconv.Itoa(i) || string(m.Value.Raw) != strconv.Itoa(n+i) {
				t.Errorf("of %d: %d is %s: %s", n, i, m.Key, m.Value.Raw)
			}
		}
		if _, err := Parse(text, Options{Depth: 1}); err == nil || !strings.Contains(err.Error(), `duplicate key "0"`) {
			t.Errorf("of %d: %v", n, err)
		}
	}
}

func TestFormats(t *testing.T) {
	text := `{"b":[1.50,[],{}],"a":"<é\u2028\/\b\u001f>"}`
	shout := func(dst []byte, s string) []byte { return append(dst, strings.ToUpper(strconv.Quote(s))...) }
	stars := func(dst, _ []byte) []byte { return append(dst, '*') }
	for want, f := range map[string]Format{
		`{"b": [1.50, [], {}], "a": "<é\u2028/\b\u001f>"}`:                                    {},
		`{"a": "<é\u2028/\b\u001f>", "b": [1.50, [], {}]}`:                                    {SortKeys: true},
		"{\n  \"b\": [\n    *,\n    [],\n    {}\n  ],\n  \"a\": \"<é\\u2028/\\b\\u001f>\"\n}": {Lines: true, Indent: 2, Number: stars},
		"{\n\"A\": \"<É\\U2028/\\B\\X1F>\",\n\"B\": [\n1.50,\n[],\n{}\n]\n}":                  {Lines: true, SortKeys: true, Quote: shout},
	} {
		v, err := Parse([]byte(text), Options{Depth: 9})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(f.Append([]byte("x"), v)); got != "x"+want {
			t.Errorf("%+v:\n%s\nwant\n%s", f, got, want)
		}
		if v.Members[0].Key != "b" {
			t.Fatal("writing changed the tree")
		}
	}
}

func TestValuesMadeByHandAreWrittenLikeThoseRead(t *testing.T) {
	v := Value{Kind: Object, Members: []Member{
		{Key: "a", Value: NewString("<\n\">")},
		{Key: "b", Value: Value{Kind: Array, Items: []Value{NewBool(true), NewBool(false), {Kind: Null, Raw: []byte("null")}}}},
	}}
	if got := string(Format{}.Append(nil, &v)); got != `{"a": "<\n\">", "b": [true, false, null]}` {
		t.Error(got)
	}
}

// plain is a tree as encoding/json would decode it with UseNumber.
func plain(v *Value) any {
	switch v.Kind {
	case String:
		return Unquote(v.Raw)
	case Number:
		return json.Number(v.Raw)
	case Bool:
		return v.IsTrue()
	case Array:
		out := []any{}
		for i := range v.Items {
			out = append(out, plain(&v.Items[i]))
		}
		return out
	case Object:
		out := map[string]any{}
		for i := range v.Members {
			out[v.Members[i].Key] = plain(&v.Members[i].Value)
		}
		return out
	default:
		return nil
	}
}

// FuzzParse holds Parse against encoding/json: what it accepts means the same there, what it refuses is refused there too unless it
// is one of the faults that only Parse looks for, and what it writes it can read again.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`{"a":[1,-0.5e+7,"\ud800\u00e9",true,null,{}],"b":{"c":""}}`, `{"a":1,"a":2}`, "[[[[]]]]", "\"\xff\"", " 1 ", "{", "tru", `{"":0,}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		const depth = 50
		valid := json.Valid(text)
		var want any
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&want); valid && err != nil {
			t.Fatal(err)
		}
		v, err := Parse(text, Options{Depth: depth, LastWins: true})
		var fault *SyntaxError
		if errors.As(err, &fault) {
			if fault.Offset < 0 || fault.Offset > len(text) {
				t.Fatalf("byte %d of %d", fault.Offset, len(text))
			}
			if valid && !strings.HasPrefix(fault.Reason, "nested deeper") && !strings.HasPrefix(fault.Reason, "invalid UTF-8") {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if !valid {
			t.Fatalf("%q is accepted; encoding/json refuses it", text)
		}
		if got := plain(v); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %v, want %v", text, got, want)
		}
		for _, format := range []Format{{}, {Lines: true, Indent: 1, SortKeys: true}} {
			written := format.Append(nil, v)
			again, err := Parse(written, Options{Depth: depth})
			if err != nil || !reflect.DeepEqual(plain(again), want) {
				t.Fatalf("%q is written as %q: %v", text, written, err)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	schema := `{"type":"object","properties":{"a":{"type":"string","description":"a \"quoted\" word"},"b":{"type":"number"}},"required":["a","b"]}`
	keys := make([]string, 5000)
	for i := range keys {
		keys[i] = strconv.Itoa(i)
	}
	for name, text := range map[string]string{
		"schemas": "[" + strings.Repeat(schema+",", 99) + schema + "]",
		"image":   `{"url":"data:image/png;base64,` + strings.Repeat("iVBORw0KGgo", 100_000) + `"}`,
		"keys":    `{"` + strings.Join(keys, `":0,"`) + `":0}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse([]byte(text), Options{Depth: 64}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
