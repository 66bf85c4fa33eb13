package constraint

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// looseSchemas are what class libraries and people write, with answers that must and must not be possible and the places that are not
// enforced.
var looseSchemas = map[string]struct {
	schema  string
	yes, no []string
	dropped []string
}{
	"format":            {`{"type":"string","format":"uri"}`, []string{`"x"`}, []string{`1`}, []string{"/format"}},
	"annotations":       {`{"type":"string","title":"T","x-order":1,"example":"e","discriminator":{"propertyName":"k"}}`, []string{`"x"`}, []string{`1`}, nil},
	"unknown keyword":   {`{"type":"integer","fancy":true}`, []string{`1`}, []string{`"x"`}, []string{"/fancy"}},
	"not":               {`{"type":"string","not":{"const":"a"}}`, []string{`"x"`}, []string{`1`}, []string{"/not"}},
	"nullable":          {`{"type":"string","nullable":true}`, []string{`"x"`, `null`}, []string{`1`}, nil},
	"all of one":        {`{"allOf":[{"$ref":"#/$defs/p"}],"description":"d","$defs":{"p":{"type":"integer"}}}`, []string{`1`}, []string{`"x"`}, nil},
	"all of objects":    {`{"type":"object","properties":{"a":{"type":"integer"}},"allOf":[{"$ref":"#/$defs/p"},{"required":["a"]}],"$defs":{"p":{"type":"object","properties":{"b":{"type":"string"}},"required":["b"]}}}`, []string{`{"a": 1, "b": "x"}`}, []string{`{}`, `{"a": 1}`, `{"a": "x", "b": "x"}`}, nil},
	"all of twice":      {`{"allOf":[{"type":"integer"},{"type":"string"}]}`, []string{`1`}, []string{`"x"`}, []string{"/allOf/1/type"}},
	"union beside type": {`{"type":"object","anyOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/b"}],"$defs":{"a":{"type":"object","properties":{"k":{"const":"a"}},"required":["k"]},"b":{"type":"object","properties":{"k":{"const":"b"}},"required":["k"]}}}`, []string{`{"k": "a"}`, `{"k": "b"}`}, []string{`{"k": "c"}`}, []string{"/type"}},
	"demands":           {`{"type":"object","properties":{"a":{"type":"integer"}},"anyOf":[{"required":["a"]},{"required":["b"]}]}`, []string{`{"a": 1}`, `{}`}, []string{`{"a": "x"}`}, []string{"/anyOf"}},
	"one of":            {`{"oneOf":[{"type":"integer"},{"type":"null"}]}`, []string{`1`, `null`}, []string{`"x"`}, nil},
	"any type":          {`{"type":"any"}`, []string{`1`, `"x"`, `[]`}, nil, []string{"/type"}},
	"no type":           {`{"description":"what you like"}`, []string{`1`, `{}`}, nil, nil},
	"look-ahead":        {`{"type":"string","pattern":"(?=a)"}`, []string{`"x"`}, []string{`1`}, []string{"/pattern"}},
	"pattern and more":  {`{"type":"string","pattern":"^a+$","format":"date","minLength":2}`, []string{`"aa"`}, []string{`"b"`}, []string{"/format", "/minLength"}},
	"far bounds":        {`{"type":"string","maxLength":100000}`, []string{`"x"`}, []string{`1`}, []string{"/maxLength"}},
	"no such number":    {`{"type":"integer","minimum":3,"maximum":2}`, []string{`1`}, []string{`"x"`, `1.5`}, []string{""}},
	"old bounds":        {`{"type":"number","minimum":0,"exclusiveMinimum":true}`, []string{`1.5`}, []string{`"x"`}, []string{""}},
	"remote":            {`{"type":"object","properties":{"a":{"$ref":"https://example.com/s.json"}},"required":["a"]}`, []string{`{"a": 1}`}, []string{`{}`}, []string{"/properties/a"}},
	"self reference":    {`{"$ref":"#"}`, []string{`1`}, nil, []string{""}},
	"round references":  {`{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"anyOf":[{"$ref":"#/$defs/a"},{"type":"null"}]}},"$ref":"#/$defs/a"}`, []string{`null`}, nil, []string{"/$defs/a"}},
	"required unknown":  {`{"type":"object","properties":{},"required":["a"]}`, []string{`{"a": 1}`, `{"a": "x"}`}, []string{`{}`}, nil},
	"extra described":   {`{"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"string"}}`, []string{`{"a": 1}`, `{}`}, []string{`{"a": "x"}`}, nil},
	"pattern names":     {`{"type":"object","patternProperties":{"^x":{"type":"integer"}}}`, []string{`{"x": 1}`}, []string{`1`}, []string{"/patternProperties"}},
	"old tuple":         {`{"type":"array","items":[{"type":"string"}]}`, []string{`["a"]`, `[1]`}, []string{`1`}, []string{"/items"}},
	"too many items":    {`{"type":"array","items":{"type":"integer"},"minItems":100000}`, []string{`[]`, `[1]`}, []string{`["x"]`}, []string{"/minItems"}},
	"unique":            {`{"type":"array","items":{"type":"integer"},"uniqueItems":true}`, []string{`[1, 1]`}, []string{`["x"]`}, []string{"/uniqueItems"}},
	"no schema":         {`{"type":"object","properties":{"a":"string","b":false}}`, []string{`{"a": 1, "b": 2}`}, []string{`1`}, []string{"/properties/a", "/properties/b"}},
	"enum and bounds":   {`{"type":"integer","enum":[1,2],"minimum":0}`, []string{`1`}, []string{`3`}, []string{"/minimum"}},
	"wrong required":    {`{"type":"object","properties":{"a":{"type":"integer"}},"required":true}`, []string{`{}`, `{"a": 1}`}, []string{`{"a": "x"}`}, nil},
}

func TestLooseSchemasAreKeptToAsFarAsTheyCanBe(t *testing.T) {
	for name, tc := range looseSchemas {
		t.Run(name, func(t *testing.T) {
			g, err := Schema([]byte(tc.schema), false)
			a := automaton(t, g, err)
			judges(t, a, tc.yes, tc.no)
			if !slices.Equal(g.Dropped, tc.dropped) {
				t.Errorf("dropped %q, want %q", g.Dropped, tc.dropped)
			}
		})
	}
}

func TestArgumentsAreObjectsWhateverTheirSchema(t *testing.T) {
	for name, tc := range map[string]struct {
		schema  string
		yes, no []string
	}{
		"empty":     {`{}`, []string{`{}`, `{"a": 1}`}, []string{`"x"`, `[]`, `1`, `null`}},
		"text":      {`{"type":"string"}`, []string{`{"a": 1}`}, []string{`"x"`}},
		"types":     {`{"type":["object","null"],"properties":{"a":{"type":"integer"}}}`, []string{`{"a": 1}`}, []string{`null`, `{"a": "x"}`}},
		"reference": {`{"$ref":"#/$defs/o","$defs":{"o":{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}}}`, []string{`{"a": 1}`}, []string{`{}`, `1`}},
		"union":     {`{"anyOf":[{"type":"string"},{"properties":{"a":{"type":"integer"}},"required":["a"]}]}`, []string{`{"a": 1}`}, []string{`"x"`, `{}`}},
		"nowhere":   {`{"$ref":"#/$defs/o"}`, []string{`{"a": 1}`}, []string{`1`}},
		"enum":      {`{"enum":["a",1]}`, []string{`{}`}, []string{`"a"`}},
		"no schema": {`"x"`, []string{`{}`}, []string{`"x"`}},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := ObjectSchema([]byte(tc.schema), false)
			a := automaton(t, g, err)
			judges(t, a, tc.yes, tc.no)
		})
	}
}

func TestASchemaThatIsTooLargeLeavesItsKind(t *testing.T) {
	var b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&b, `"%sproperty%d":{"type":"integer"},`, strings.Repeat("long", 20), i)
	}
	g, err := Schema([]byte(`{"type":"object","properties":{`+strings.TrimSuffix(b.String(), ",")+`}}`), false)
	a := automaton(t, g, err)
	if !accepts(a, `{"a": 1}`) || accepts(a, `1`) || len(g.Dropped) == 0 {
		t.Errorf("dropped %v", g.Dropped)
	}
}

func TestATriggeredFormHoldsFromItsTriggerOn(t *testing.T) {
	constraint := func() *Matcher {
		calls, err := Choice([]string{Special + "<call>x", "<call>x"})
		if err != nil {
			t.Fatal(err)
		}
		vocabulary := everyByte(Special+"<call>", Special+"<other>", "l>", "l>y", "l>x")
		a, err := NewAutomaton(calls, vocabulary)
		if err != nil {
			t.Fatal(err)
		}
		return NewTriggered(a, "<call>")
	}
	const special, other, end, endY, endX = 256, 257, 258, 259, 260
	write := func(m *Matcher, text string) {
		for _, c := range []byte(text) {
			if m.Accept(int32(c)) != nil {
				t.Fatalf("%q of free text is refused", c)
			}
		}
	}
	for name, tc := range map[string]struct {
		text   string
		tokens []int32
		idle   bool
		ends   bool // the constraint must end now
	}{
		"free":             {"hello <call", nil, true, false},
		"special":          {"hello ", []int32{special}, false, false},
		"special, whole":   {"hello ", []int32{special, 'x'}, false, true},
		"another special":  {"<cal", []int32{other, 'l', '>'}, true, false},
		"spelled":          {"<call>", nil, false, false},
		"in longer tokens": {"a <cal", []int32{end}, false, false},
		"and what follows": {"a <cal", []int32{endX}, false, true},
		"only alike":       {"a <cal", []int32{endY}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := constraint()
			write(m, tc.text)
			for _, token := range tc.tokens {
				if m.Accept(token) != nil {
					t.Fatalf("%d is refused", token)
				}
			}
			if m.Idle() != tc.idle || (m.Allowed() == nil) != tc.idle || m.MustEnd() != tc.ends || m.MayEnd() != (tc.idle || tc.ends) {
				t.Errorf("idle %v, must end %v, may end %v", m.Idle(), m.MustEnd(), m.MayEnd())
			}
			if !tc.idle && m.Accept('z') == nil {
				t.Error("what the constraint does not allow was accepted")
			}
		})
	}
}
