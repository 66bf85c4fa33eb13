package constraint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/qwenvld/qwenvld/engine"
)

// everyByte is a vocabulary of single bytes and a few longer tokens that cross the parts of a constraint.
func everyByte(extra ...string) *Vocabulary {
	tokens := make([][]byte, 256, 256+len(extra))
	for i := range tokens {
		tokens[i] = []byte{byte(i)}
	}
	for _, e := range extra {
		tokens = append(tokens, []byte(e))
	}
	return NewVocabulary(tokens)
}

func automaton(t testing.TB, g *Grammar, err error) *Automaton {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAutomaton(g, everyByte(`": "`, `", "`, `"}`, "true", "안녕", "\xec\x95", `\"`, "12", "ab"))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func maskOf(t testing.TB, a *Automaton, s *State) []uint64 {
	t.Helper()
	mask, err := a.Mask(s)
	if err != nil {
		t.Fatal(err)
	}
	return mask
}

func advance(t testing.TB, a *Automaton, s *State, token []byte) *State {
	t.Helper()
	next, err := a.Advance(s, token)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// judges checks that a accepts every text of yes and none of no.
func judges(t *testing.T, a *Automaton, yes, no []string) {
	t.Helper()
	for _, s := range yes {
		if !accepts(a, s) {
			t.Errorf("refused %s", s)
		}
	}
	for _, s := range no {
		if accepts(a, s) {
			t.Errorf("accepted %s", s)
		}
	}
}

// accepts reports whether the whole text fulfils the constraint.
func accepts(a *Automaton, text string) bool {
	s, err := a.Advance(a.Start(), []byte(text))
	return err == nil && s != nil && a.Accepts(s)
}

func TestForms(t *testing.T) {
	regex := func(p string) func() (*Grammar, error) { return func() (*Grammar, error) { return Regex(p) } }
	schema := func(s string) func() (*Grammar, error) {
		return func() (*Grammar, error) { return Schema([]byte(s), false) }
	}
	cases := map[string]struct {
		make    func() (*Grammar, error)
		yes, no []string
	}{
		"choice":       {func() (*Grammar, error) { return Choice([]string{"yes", "no", "nope"}) }, []string{"yes", "no", "nope"}, []string{"", "n", "nop", "noo", "yes "}},
		"regex":        {regex(`[a-c]+\d{2}`), []string{"a12", "abc99"}, []string{"12", "d12", "a1", "a123"}},
		"regex ends":   {regex(`^(cat|dog)s?$`), []string{"cat", "dogs"}, []string{"catss", "a cat"}},
		"regex runes":  {regex(`[가-힣]{2}|é.`), []string{"안녕", "éx", "é한"}, []string{"안", "ab", "e\u0301x"}},
		"regex case":   {regex(`(?i)ok`), []string{"ok", "OK", "oK"}, []string{"o"}},
		"any json":     {func() (*Grammar, error) { return JSON(), nil }, []string{`{}`, `{"a": [1, {"b":null}, -2.5e3], "c":"\u00e9\n안"}`}, []string{`[]`, `{"a"}`, `{"a":01}`, "{\"a\":\"\n\"}", `{,}`, `{"a":1,}`}},
		"object":       {schema(`{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["a"],"additionalProperties":false}`), []string{`{"a": 1}`, `{"a":-5, "b":"x"}`}, []string{`{}`, `{"b":"x"}`, `{"b":"x","a":1}`, `{"a":1.5}`, `{"a":1,"c":2}`}},
		"all optional": {schema(`{"type":"object","properties":{"a":{"type":"null"},"b":{"type":"boolean"},"c":{"const":3}}}`), []string{`{}`, `{"a":null}`, `{"b":true}`, `{"a": null, "c": 3}`}, []string{`{,"a":null}`, `{"c":3,"b":true}`}},
		"map":          {schema(`{"type":"object","additionalProperties":{"type":"integer"}}`), []string{`{}`, `{"x":1,"y":2}`}, []string{`{"x":"1"}`}},
		"enum":         {schema(`{"enum":["a",1,null,{"x":[1,2]}]}`), []string{`"a"`, `1`, `null`, `{"x": [1, 2]}`}, []string{`"b"`, `2`}},
		"any of":       {schema(`{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":2}]}`), []string{`"s"`, `[1]`, `[1, 2]`}, []string{`[]`, `[1,2,3]`, `1`}},
		"types":        {schema(`{"type":["string","null"]}`), []string{`"x"`, `null`}, []string{`1`}},
		"tuple":        {schema(`{"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}],"items":false}`), []string{`["a", 1]`}, []string{`["a"]`, `["a",1,2]`}},
		"recursion":    {schema(`{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},"required":["v","next"],"additionalProperties":false}`), []string{`{"v":1,"next":null}`, `{"v":1,"next":{"v":2,"next":{"v":3,"next":null}}}`}, []string{`{"v":1}`, `{"v":1,"next":{}}`, `{"v":1,"next":{"v":2,"next":null}`}},
		"definitions":  {schema(`{"$defs":{"p":{"type":"array","items":{"$ref":"#/$defs/p"}}},"$ref":"#/$defs/p"}`), []string{`[]`, `[[], [[]]]`}, []string{`[1]`, `[[]`}},
		"pattern":      {schema(`{"type":"string","pattern":"^a\"b+$"}`), []string{`"a\"b"`, `"a\"bbb"`}, []string{`"a"b"`, `"a\"b`, `"xa\"b"`}},
		"contains":     {schema(`{"type":"string","pattern":"[0-9]"}`), []string{`"7"`, `"a\n7안"`}, []string{`""`, `"abc"`}},
		"date":         {schema(`{"type":"string","format":"date"}`), []string{`"2026-11-24"`, `"2024-01-31"`}, []string{`"2026-13-01"`, `"2026-02-30"`, `"2026-04-31"`}},
		"length":       {schema(`{"type":"string","minLength":2,"maxLength":3}`), []string{`"ab"`, `"안녕하"`, `"\n\\"`}, []string{`"a"`, `"abcd"`}},
		"bounds":       {schema(`{"type":"integer","minimum":-12,"exclusiveMaximum":105}`), []string{`-12`, `-9`, `0`, `99`, `104`}, []string{`-13`, `105`, `-0`, `007`, `1.0`}},
		"decimals":     {schema(`{"type":"number","minimum":0.25,"maximum":10}`), []string{`0.25`, `0.3`, `1`, `9.999`, `10`, `10.000`}, []string{`0.2`, `0`, `10.01`, `11`, `-1`, `0.`}},
		"multiple":     {schema(`{"type":"integer","multipleOf":7}`), []string{`0`, `7`, `-14`, `700`}, []string{`1`, `07`, `15`}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g, err := tc.make()
			a := automaton(t, g, err)
			judges(t, a, tc.yes, tc.no)
		})
	}
}

func TestSequenceEitherAndRepeat(t *testing.T) {
	number, err := Regex(`\d+`)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := Repeat(number, Literal("\n"), 1, -1)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := Repeat(JSON(), Literal(","), 0, 2)
	if err != nil {
		t.Fatal(err)
	}
	either, err := Either(lines, pair)
	if err != nil {
		t.Fatal(err)
	}
	g, err := Sequence(Literal("<"), either, Literal(">"))
	a := automaton(t, g, err)
	for text, want := range map[string]bool{"<1>": true, "<1\n22\n3\n4>": true, "<>": true, `<{},{"a":{}}>`: true, "<1\n>": false, "<{},{},{}>": false, "<{},>": false, "1": false} {
		if accepts(a, text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

// TestMaskIsWhatAdvanceAllows compares the mask with trying each token, along random walks.
func TestMaskIsWhatAdvanceAllows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	vocab := randomVocabulary(rng, 3000)
	for name, schema := range validSchemas {
		g, err := Schema([]byte(schema), false)
		if err != nil {
			t.Fatal(name, err)
		}
		a, err := NewAutomaton(g, NewVocabulary(vocab))
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			s := a.Start()
			for range 40 {
				mask := maskOf(t, a, s)
				var allowed []int
				for id, token := range vocab {
					next := advance(t, a, s, token)
					ok := next != nil && len(token) > 0
					if got := mask[id/64]>>(id%64)&1 == 1; got != ok {
						t.Fatalf("%s: token %q: mask %v, advance %v", name, token, got, ok)
					}
					if ok {
						allowed = append(allowed, id)
					}
				}
				if len(allowed) == 0 {
					if !a.Accepts(s) {
						t.Fatalf("%s: a dead end", name)
					}
					break
				}
				s = advance(t, a, s, vocab[allowed[rng.IntN(len(allowed))]])
			}
		}
	}
}

var validSchemas = map[string]string{
	"person": `{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150},"tags":{"type":"array","items":{"enum":["a","b"]},"maxItems":3}},"required":["name","age","tags"],"additionalProperties":false}`,
	"tree":   `{"$defs":{"n":{"type":"object","properties":{"v":{"type":"number"},"c":{"type":"array","items":{"$ref":"#/$defs/n"}}},"required":["v","c"],"additionalProperties":false}},"$ref":"#/$defs/n"}`,
	"mixed":  `{"anyOf":[{"type":["string","null","boolean"]},{"type":"array","items":{"type":"string","pattern":"^[a-f]+$"}},{"type":"object","properties":{"t":{"type":"string","format":"time"},"x":{}}}]}`,
	"length": `{"type":"string","minLength":1,"maxLength":12}`,
	"bounds": `{"type":"array","items":{"type":"number","minimum":-2.5,"maximum":1e3},"minItems":2,"maxItems":2}`,
}

// TestWhatIsWrittenIsValid writes random answers under each schema and validates them with an independent library.
func TestWhatIsWrittenIsValid(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for name, schema := range validSchemas {
		compiler := jsonschema.NewCompiler()
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource("s.json", doc); err != nil {
			t.Fatal(err)
		}
		validator := compiler.MustCompile("s.json")
		g, err := Schema([]byte(schema), false)
		a := automaton(t, g, err)
		for range 200 {
			text := write(t, a, rng)
			v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			if err != nil {
				t.Fatalf("%s: %q: %v", name, text, err)
			}
			if err := validator.Validate(v); err != nil {
				t.Fatalf("%s: %q: %v", name, text, err)
			}
		}
	}
}

// write goes through a constraint at random, leaning to its end the longer it takes.
func write(t *testing.T, a *Automaton, rng *rand.Rand) string {
	t.Helper()
	var out bytes.Buffer
	s := a.Start()
	for n := 0; ; n++ {
		if a.Complete(s) || a.Accepts(s) && rng.IntN(3) == 0 {
			return out.String()
		}
		mask := maskOf(t, a, s)
		var allowed []byte
		for id := range 256 {
			if mask[id/64]>>(id%64)&1 == 1 {
				allowed = append(allowed, byte(id))
			}
		}
		if len(allowed) == 0 {
			t.Fatalf("a dead end after %q", out.String())
		}
		c := allowed[rng.IntN(len(allowed))]
		for _, closing := range []byte(`}]"`) { // a quote last: it ends a string, in which brackets are text
			if n > 30 && bytes.IndexByte(allowed, closing) >= 0 {
				c = closing
			}
		}
		out.WriteByte(c)
		s = advance(t, a, s, []byte{c})
		if n > 5000 {
			t.Fatalf("no end: %q", out.String()[:200])
		}
	}
}

func TestSchemaErrorsPointAtTheKeyword(t *testing.T) {
	inside := func(schema string) string {
		return `{"type":"object","properties":{"p":` + schema + `},"required":["p"],"additionalProperties":false}`
	}
	cases := map[string]struct {
		schema, pointer string
		strict          bool
	}{
		"not json":           {`{`, "", false},
		"twice":              {`{"type":"string","type":"null"}`, "", false},
		"deep":               {strings.Repeat(`{"type":"array","items":`, 200) + `{}` + strings.Repeat("}", 200), "", false},
		"unknown keyword":    {inside(`{"type":"string","contentEncoding":"x"}`), "/properties/p/contentEncoding", true},
		"not":                {inside(`{"not":{}}`), "/properties/p/not", true},
		"all of":             {inside(`{"allOf":[{}]}`), "/properties/p/allOf", true},
		"bad pattern":        {inside(`{"type":"string","pattern":"("}`), "/properties/p/pattern", true},
		"look-ahead":         {inside(`{"type":"string","pattern":"(?=a)"}`), "/properties/p/pattern", true},
		"inner anchor":       {inside(`{"type":"string","pattern":"a^b"}`), "/properties/p/pattern", true},
		"format":             {inside(`{"type":"string","format":"uri"}`), "/properties/p/format", true},
		"type":               {inside(`{"type":"text"}`), "/properties/p/type", true},
		"remote":             {inside(`{"$ref":"https://example.com/s.json"}`), "/properties/p/$ref", true},
		"file":               {inside(`{"$ref":"file:///etc/hostname"}`), "/properties/p/$ref", true},
		"nowhere":            {inside(`{"$ref":"#/$defs/x"}`), "/properties/p/$ref", true},
		"bounds":             {inside(`{"type":"integer","minimum":3,"maximum":2}`), "/properties/p", true},
		"items":              {inside(`{"type":"array","items":{"type":"x"}}`), "/properties/p/items/type", true},
		"any of":             {inside(`{"anyOf":[{"type":"string"},{"if":{}}]}`), "/properties/p/anyOf/1/if", true},
		"required unknown":   {`{"type":"object","properties":{},"required":["a"],"additionalProperties":false}`, "/required", true},
		"too many items":     {inside(`{"type":"array","items":{"type":"string"},"minItems":100000}`), "/properties/p/minItems", true},
		"self reference":     {inside(`{"$ref":"#/properties/p"}`), "/properties/p/$ref", true},
		"a round of them":    {inside(`{"anyOf":[{"$ref":"#/properties/p"},{"type":"null"}]}`), "/properties/p", true},
		"multiple and bound": {inside(`{"type":"integer","multipleOf":2,"minimum":1}`), "/properties/p/multipleOf", true},
		"strict root":        {`{"type":"array","items":{"type":"string"}}`, "", true},
		"strict additional":  {`{"type":"object","properties":{}}`, "", true},
		"strict required":    {`{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}`, "/properties/a", true},
		"strict one of":      {inside(`{"oneOf":[]}`), "/properties/p/oneOf", true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Schema([]byte(tc.schema), tc.strict)
			var e *SchemaError
			if !errors.As(err, &e) || e.Pointer != tc.pointer {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestUTF8RangesMatchExactlyTheirRunes(t *testing.T) {
	for _, r := range [][2]rune{{0, utf8.MaxRune}, {0x7F, 0x80}, {'a', 0x3000}, {0xD000, 0xE010}, {0xFFFF, 0x10000}, {0x10FF, 0x1F600}, {0x80, 0x7FF}} {
		seqs := utf8Ranges(r[0], r[1])
		for c := rune(0); c <= utf8.MaxRune; c += 1 + c/500 {
			if !utf8.ValidRune(c) {
				continue
			}
			b := []byte(string(c))
			in := false
			for _, seq := range seqs {
				ok := len(seq) == len(b)
				for i := 0; ok && i < len(b); i++ {
					ok = seq[i].low <= b[i] && b[i] <= seq[i].high
				}
				in = in || ok
			}
			if in != (c >= r[0] && c <= r[1]) {
				t.Fatalf("%U in %U..%U: %v", c, r[0], r[1], in)
			}
		}
	}
}

// randomVocabulary is n tokens like those of a byte-level BPE: bytes, words, blanks, digits, punctuation, broken UTF-8.
func randomVocabulary(rng *rand.Rand, n int) [][]byte {
	tokens := make([][]byte, 0, n)
	seen := map[string]bool{}
	add := func(s string) {
		if !seen[s] && len(tokens) < n {
			seen[s] = true
			tokens = append(tokens, []byte(s))
		}
	}
	for i := range 256 {
		add(string([]byte{byte(i)}))
	}
	for _, s := range []string{`":`, `": `, `": "`, `",`, `", "`, `"}`, `"]`, `{"`, `[{`, `}}`, `}]`, "\n", "\n  ", "true", "false", "null", `\n`, `\"`, `\u00`} {
		add(s)
	}
	const letters = "etaoinshrdlucmfwypvbgkjqxz"
	for len(tokens) < n {
		var b strings.Builder
		if rng.IntN(2) == 0 {
			b.WriteByte(' ')
		}
		switch rng.IntN(10) {
		case 0:
			fmt.Fprint(&b, rng.IntN(1000))
		case 1, 2:
			for range 1 + rng.IntN(3) {
				b.WriteRune(rune(0x4E00 + rng.IntN(0x5000)))
			}
			if s := b.String(); rng.IntN(8) == 0 {
				add(s[:len(s)-1])
			}
		case 3:
			for range 1 + rng.IntN(4) {
				b.WriteByte("\"{}[]:,.()<>/\\=+-_*&%$#@!?;' \n\t"[rng.IntN(31)])
			}
		default:
			for range 2 + rng.IntN(9) {
				b.WriteByte(letters[min(rng.IntN(26), rng.IntN(26))])
			}
		}
		add(b.String())
	}
	return tokens
}

// BenchmarkMask is the cost of a token's mask with a vocabulary of Qwen's size, along answers of a schema, the
// automaton being new for each answer (all masks computed) or shared.
func BenchmarkMask(b *testing.B) {
	tokens := randomVocabulary(rand.New(rand.NewPCG(5, 6)), 151_936)
	vocab := NewVocabulary(tokens)
	g, err := Schema([]byte(validSchemas["person"]), true)
	if err != nil {
		b.Fatal(err)
	}
	answer := [][]byte{[]byte(`{"`), []byte("name"), []byte(`": "`)}
	for range 40 {
		answer = append(answer, []byte(" word"))
	}
	for _, s := range []string{`",`, ` "`, "age", `":`, ` `, "4", "2", `,`, ` "`, "tags", `":`, ` [`, `"a`, `",`, ` "`, `b"`, `]`, `}`} {
		answer = append(answer, []byte(s))
	}
	for _, shared := range []bool{false, true} {
		b.Run(fmt.Sprintf("shared=%v", shared), func(b *testing.B) {
			a, err := NewAutomaton(g, vocab)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if !shared {
					if a, err = NewAutomaton(g, vocab); err != nil {
						b.Fatal(err)
					}
				}
				s := a.Start()
				for _, token := range answer {
					maskOf(b, a, s)
					if s = advance(b, a, s, token); s == nil {
						b.Fatalf("%q is not allowed", token)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(answer)), "ns/token")
		})
	}
}

func FuzzSchema(f *testing.F) {
	for _, s := range validSchemas {
		f.Add([]byte(s), true)
	}
	f.Add([]byte(`{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"}`), false)
	f.Fuzz(func(t *testing.T, schema []byte, strict bool) {
		g, err := Schema(schema, strict)
		if err != nil {
			return
		}
		if !json.Valid(schema) {
			t.Fatal("compiled what is not JSON")
		}
		a, err := NewAutomaton(g, everyByte())
		if err != nil {
			return
		}
		s := a.Start()
		for range 50 {
			mask, err := a.Mask(s)
			if err != nil {
				return
			}
			c := -1
			for id := 255; id >= 0; id-- {
				if mask[id/64]>>(id%64)&1 == 1 {
					c = id
				}
			}
			if c < 0 {
				if !a.Accepts(s) {
					t.Fatal("a dead end")
				}
				return
			}
			if s, err = a.Advance(s, []byte{byte(c)}); err != nil {
				return
			}
		}
	})
}

func TestSpecialTokensAppearOnlyWhereTheFormNamesThem(t *testing.T) {
	tokens := make([][]byte, 256, 259)
	for i := range tokens {
		tokens[i] = []byte{byte(i)}
	}
	const call, think = 256, 257
	tokens = append(tokens, []byte(Special+"<call>"), []byte(Special+"<think>"), nil)
	v := NewVocabulary(tokens)
	constraint := &engine.Constraint{Either: []engine.Constraint{
		{Without: "<call>"},
		{Sequence: []engine.Constraint{{Without: "<call>"}, {Token: "<call>"}, {Object: true}}},
	}}
	g, err := Compile(constraint)
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAutomaton(g, v)
	if err != nil {
		t.Fatal(err)
	}
	write := func(ids ...int32) (*Matcher, bool) {
		m, err := NewMatcher(a)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			if !m.AcceptKnown(id) && m.Accept(id) != nil {
				return m, false
			}
		}
		return m, true
	}
	allowed := func(m *Matcher, id int) bool { return m.Allowed()[id/64]>>(id%64)&1 == 1 }
	for name, tc := range map[string]struct {
		ids       []int32
		ok, ends  bool
		call, tag bool // the special tokens that may follow
	}{
		"nothing yet":     {nil, true, true, true, true},
		"free text":       {[]int32{'h', 'i', '<', 'c'}, true, true, true, true},
		"a call":          {[]int32{'h', call}, true, false, false, false},
		"in a string":     {[]int32{call, '{', '"'}, true, false, false, false},
		"a whole call":    {[]int32{call, '{', '}'}, true, true, false, false},
		"spelled out":     {[]int32{'<', 'c', 'a', 'l', 'l', '>', '{', '}'}, true, true, false, false},
		"text after it":   {[]int32{call, '{', '}', 'x'}, false, true, false, false},
		"a control token": {[]int32{258}, false, true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			m, ok := write(tc.ids...)
			if ok != tc.ok || m.MayEnd() != tc.ends || allowed(m, call) != tc.call || allowed(m, think) != tc.tag || allowed(m, 258) {
				t.Errorf("ok %v, may end %v, call %v, think %v", ok, m.MayEnd(), allowed(m, call), allowed(m, think))
			}
		})
	}
}

func TestFormsThatCannotBeCompiled(t *testing.T) {
	deep := &engine.Constraint{Text: "x"}
	for range 20 {
		deep = &engine.Constraint{Sequence: []engine.Constraint{*deep}}
	}
	many := &engine.Constraint{Repeat: &engine.Repeat{Constraint: engine.Constraint{Text: strings.Repeat("x", 300_000)}, Min: 1}}
	for name, f := range map[string]*engine.Constraint{"empty": {}, "deep": deep, "large": many, "pattern": {Pattern: "("}, "schema": {Schema: json.RawMessage("1"), Strict: true}} {
		if _, err := Compile(f); err == nil {
			t.Errorf("%s: compiled", name)
		}
	}
}

// Following an answer through what is known costs no memory: inside of a JSON string, and before a trigger.
func TestFollowingAllocatesNothing(t *testing.T) {
	a := automaton(t, JSON(), nil)
	inside, err := NewMatcher(a)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []byte(`{"a`) {
		if err := inside.Accept(int32(c)); err != nil {
			t.Fatal(err)
		}
	}
	for name, m := range map[string]*Matcher{"string": inside, "free": NewTriggered(a, "<tool_call>")} {
		follow := func() {
			for _, c := range []byte("some <tool text") {
				if !m.AcceptKnown(int32(c)) {
					if err := m.Accept(int32(c)); err != nil {
						t.Fatal(err)
					}
				}
				m.Allowed()
			}
		}
		follow()
		if n := testing.AllocsPerRun(10, follow); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// What may follow is told from what is known, and asking changes nothing.
func TestFollowsTellsWhatIsKnownToBeAllowed(t *testing.T) {
	a := automaton(t, JSON(), nil)
	bytesOf := func(text string) (out []int32) {
		for _, c := range []byte(text) {
			out = append(out, int32(c))
		}
		return out
	}
	matcher := func(text string) *Matcher {
		m, err := NewMatcher(a)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range bytesOf(text) {
			if err := m.Accept(c); err != nil {
				t.Fatal(err)
			}
		}
		return m
	}
	matcher(`{"a": [1]}`) // makes its states known
	for _, c := range []struct {
		after, next string
		want        int
	}{
		{``, `{"a": [1]}`, 10},
		{`{`, `"a": [1]}`, 9},
		{`{"a": `, `[1]} `, 4},
		{`{"a": `, `]`, 0},
		{`{"a": `, `[}`, 1},
		{`{`, `"a": true`, 6}, // what comes after the t was never seen
	} {
		m := matcher(c.after)
		state, allowed := m.state, m.Allowed()
		if got := m.Follows(bytesOf(c.next)); got != c.want || m.state != state || &m.Allowed()[0] != &allowed[0] {
			t.Errorf("after %q, %d tokens of %q, want %d", c.after, got, c.next, c.want)
		}
	}
	free := NewTriggered(a, "{")
	for range 2 {
		if got := free.Follows(bytesOf(`some text {"a"`)); got != 11 || !free.Idle() {
			t.Errorf("%d tokens up to the trigger", got)
		}
	}
}
