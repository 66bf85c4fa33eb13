package constraint

import (
	"regexp/syntax"
	"unicode/utf8"

	"github.com/qwenvld/qwenvld/internal/jsontree"
)

// jsonBuilder adds JSON values. Rules that many places use are made once.
type jsonBuilder struct {
	builder
	stringRule, numberRule, integerRule, anyRule, objectRule, gapRule int32 // starts, 0 where not made (node 0 is never one)
}

func newJSONBuilder() *jsonBuilder {
	j := &jsonBuilder{}
	j.add()
	return j
}

// mustRegex is for expressions of this package's own.
func (j *jsonBuilder) mustRegex(pattern string, to int32) int32 {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		panic(err)
	}
	start, err := j.regex(re.Simplify(), to, j.runes)
	if err != nil && !j.tooLarge {
		panic(err)
	}
	return start
}

// rule makes a rule once from an expression.
func (j *jsonBuilder) rule(slot *int32, pattern string) int32 {
	if *slot == 0 {
		end := j.add()
		j.nodes[end].final = true
		*slot = j.mustRegex(pattern, end)
	}
	return *slot
}

// escapes are what a JSON string may hold after a backslash.
const escapes = `\\(?:["\\/bfnrt]|u(?:[0-9a-cA-Ce-fE-F][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}` +
	`|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))`

// str is the rule of any JSON string.
func (j *jsonBuilder) str() int32 {
	return j.rule(&j.stringRule, `"(?:[^"\\\x00-\x1f]|`+escapes+`)*"`)
}

func (j *jsonBuilder) integer() int32 { return j.rule(&j.integerRule, `-?(?:0|[1-9][0-9]{0,17})`) }

// number has bounded digits, so that a model cannot write one for ever.
func (j *jsonBuilder) number() int32 {
	return j.rule(&j.numberRule, `-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?(?:[eE][-+]?[0-9]{1,3})?`)
}

// gap is the white space allowed after a colon or comma: one blank, or none.
func (j *jsonBuilder) gap() int32 { return j.rule(&j.gapRule, ` ?`) }

// value is the rule of any JSON value, object that of any object.
func (j *jsonBuilder) value() int32 {
	if j.anyRule != 0 {
		return j.anyRule
	}
	start, end := j.add(), j.add()
	j.nodes[end].final = true
	j.anyRule = start
	for _, r := range []int32{j.str(), j.number(), j.object()} {
		j.join(j.call(start, r), end)
	}
	for _, word := range []string{"true", "false", "null"} {
		j.join(j.text(start, word), end)
	}
	open := j.text(start, "[")
	j.join(j.text(open, "]"), end)
	item := j.add()
	j.join(open, item)
	after := j.call(item, start)
	j.join(j.call(j.text(after, ","), j.gap()), item)
	j.join(j.text(after, "]"), end)
	return start
}

func (j *jsonBuilder) object() int32 {
	if j.objectRule != 0 {
		return j.objectRule
	}
	start, end := j.add(), j.add()
	j.nodes[end].final = true
	j.objectRule = start
	open := j.text(start, "{")
	j.join(j.text(open, "}"), end)
	key := j.add()
	j.join(open, key)
	value := j.call(j.call(j.text(j.call(key, j.str()), ":"), j.gap()), j.value())
	j.join(j.call(j.text(value, ","), j.gap()), key)
	j.join(j.text(value, "}"), end)
	return start
}

// whole makes the grammar of one call of a rule.
func (j *jsonBuilder) whole(rule int32) (*Grammar, error) {
	start := j.add()
	return j.finish(start, j.call(start, rule))
}

// JSON is any JSON object.
func JSON() *Grammar {
	j := newJSONBuilder()
	g, err := j.whole(j.object())
	if err != nil {
		panic(err) // of fixed size
	}
	return g
}

// quoted adds edges for the runes low..high as they are written inside a JSON string.
func (j *jsonBuilder) quoted(from int32, low, high rune, to int32) {
	plain := func(low, high rune) {
		if low <= high {
			j.runes(from, low, high, to)
		}
	}
	for r := low; r <= min(high, 0x1F); r++ {
		j.join(j.text(from, escaped(r)), to)
	}
	low = max(low, 0x20)
	for _, special := range []rune{'"', '\\'} {
		if low <= special && special <= high {
			plain(low, special-1)
			j.join(j.text(from, escaped(special)), to)
			low = special + 1
		}
	}
	plain(low, min(high, utf8.MaxRune))
}

// quote writes a JSON string without escaping what need not be.
func quote(s string) string { return string(jsontree.AppendQuoted(nil, s)) }

func escaped(r rune) string {
	q := quote(string(r))
	return q[1 : len(q)-1]
}
