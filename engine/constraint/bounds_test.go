package constraint

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
)

// hostile are small constraints that take far more to follow than they look like.
func hostile() map[string]*engine.Constraint {
	names := func(n int) string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf(`"aaaaaaaaaaaaaaaa%d"`, i))
		}
		return strings.Join(out, ",")
	}
	pattern := func(p string) *engine.Constraint { return &engine.Constraint{Pattern: p} }
	schema := func(s string) *engine.Constraint { return &engine.Constraint{Schema: []byte(s)} }
	return map[string]*engine.Constraint{
		"subsets":          pattern(`(?s).*a.{200}b.*`),
		"many subsets":     pattern(`(?s)(.*a.{300}b.*|.*c.{300}d.*|.*e.{300}f.*)`),
		"nested stars":     pattern(`((((a*)*b*)*c*)*.*)*[a-z]{900}`),
		"optional letters": pattern(strings.Repeat("[a-z]?", 900) + "x"),
		"any letters":      pattern(`(\pL|\pN){0,40}(.*\pL){1,5}`),
		"in a string":      schema(`{"type":"string","pattern":".*a.{200}b.*"}`),
		"long strings":     schema(`{"type":"array","items":{"type":"string","minLength":500,"maxLength":1000}}`),
		"many values":      schema(`{"enum":[` + names(1000) + `]}`),
		"many items":       schema(`{"type":"array","items":{"type":"integer","multipleOf":1000},"minItems":2000,"maxItems":2000}`),
		"itself":           schema(`{"anyOf":[{"$ref":"#"},{"type":"array","items":{"$ref":"#"}}]}`),
	}
}

// A constraint that takes too much is refused, or ends the answer, before it has taken it: what one token may cost and what the automaton
// may grow to are bounded, whatever is written.
func TestHostileConstraintsAreStoppedBeforeTheHarm(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	tokens := randomVocabulary(rng, 20_000)
	for c := range 256 {
		tokens = append(tokens, []byte{byte(c)})
	}
	vocab := NewVocabulary(tokens)
	const most = maxStateBytes + maxMaskBytes + maxNodes*nodeBytes + 1<<20
	for name, constraint := range hostile() {
		t.Run(name, func(t *testing.T) {
			g, err := Compile(constraint)
			if err != nil {
				t.Logf("refused: %v", err)
				return
			}
			a, err := NewAutomaton(g, vocab)
			if err != nil {
				t.Logf("refused: %v", err)
				return
			}
			m, err := NewMatcher(a)
			costs, n := 0, 0
			for ; err == nil && n < 60 && !m.MustEnd(); n++ {
				err = m.Accept(letter(m, vocab, rng))
				if a.cost > maxCost+maxConfigs*costOfReading*maxTokenBytes/10 || a.Size() > most {
					t.Fatalf("after %d tokens: the last one cost %d, all take %d bytes", n, a.cost, a.Size())
				}
				costs += a.cost
			}
			if err != nil && !errors.Is(err, ErrTooCostly) {
				t.Fatal(err)
			}
			t.Logf("%d tokens, cost %d ms, %d bytes, ended by %v", n, costs/1_000_000, a.Size(), err)
		})
	}
}

// letter picks an allowed token, of small letters where it can.
func letter(m *Matcher, v *Vocabulary, rng *rand.Rand) int32 {
	from := rng.IntN(v.Size())
	found := int32(-1)
	for i := range v.Size() {
		id := (from + i) % v.Size()
		if m.Allowed()[id/64]>>(id%64)&1 == 0 {
			continue
		}
		if strings.Trim(string(v.tokens[id]), "abcdefghijklmnopqrstuvwxyz") == "" {
			return int32(id)
		}
		found = int32(id)
	}
	return found
}

func TestANumberHasAnEnd(t *testing.T) {
	for _, schema := range []string{
		`{"type":"integer","multipleOf":7}`, `{"type":"integer"}`, `{"type":"number"}`, `{"type":"integer","minimum":3}`,
		`{"type":"number","maximum":0.5}`, `{}`,
	} {
		g, err := Schema([]byte(schema), false)
		a := automaton(t, g, err)
		s := a.Start()
		digits := 0
		for ; digits < 100 && s != nil; digits++ {
			next := advance(t, a, s, []byte("7"))
			if next == nil {
				next = advance(t, a, s, []byte("0"))
			}
			s = next
		}
		if digits > maxDigits+1 {
			t.Errorf("%s: more than %d digits", schema, digits)
		}
	}
	for _, n := range []int{2, 7, 1000, 999} {
		g, err := Schema(fmt.Appendf(nil, `{"type":"integer","multipleOf":%d}`, n), false)
		a := automaton(t, g, err)
		rng := rand.New(rand.NewPCG(uint64(n), 1))
		for range 50 {
			text := write(t, a, rng) // which fails at a dead end
			if value, err := strconv.Atoi(text); err != nil || value%n != 0 {
				t.Errorf("%s is no multiple of %d", text, n)
			}
		}
	}
	g, err := Schema([]byte(`{"type":"integer","multipleOf":7}`), false)
	a := automaton(t, g, err)
	for text, want := range map[string]bool{
		"0": true, "7": true, "-14": true, "8": false, "-0": false, "07": false, "777777777777777777": true, "7777777777777777777": false,
	} {
		if accepts(a, text) != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
}
