package constraint

import (
	"fmt"
	"regexp/syntax"

	"github.com/qwenvld/qwenvld/internal/jsontree"
)

func (c *schemaCompiler) stringOf(schema *jsontree.Value, at string, start, end int32) error {
	pattern, format := schema.Get("pattern"), schema.Get("format")
	low, err := countOf(schema.Get("minLength"), step(at, "minLength"), maxCharacters)
	if err != nil {
		return err
	}
	high, err := countOf(schema.Get("maxLength"), step(at, "maxLength"), maxCharacters)
	if err != nil {
		return err
	}
	counted := low >= 0 || high >= 0
	switch {
	case pattern != nil && format != nil, counted && (pattern != nil || format != nil):
		return refuse(at, "only one of pattern, format and a length can be enforced")
	case pattern != nil:
		s, ok := pattern.Text()
		if !ok {
			return refuse(step(at, "pattern"), "must be a string")
		}
		return c.patterned(s, false, step(at, "pattern"), start, end)
	case format != nil:
		name, _ := format.Text()
		s, ok := formats[name]
		if !ok {
			return refuse(step(at, "format"), "the format %q is not supported", name)
		}
		return c.patterned(s, true, step(at, "format"), start, end)
	case counted:
		low = max(low, 0)
		if high >= 0 && low > high {
			return refuse(at, "no string can have at least %d and at most %d characters", low, high)
		}
		return c.patterned(lengths(low, high), true, at, start, end)
	}
	c.join(c.call(start, c.str()), end)
	return nil
}

// lengths is an expression for any text of low to high characters, in pieces that Go's parser allows.
func lengths(low, high int) string {
	if high < 0 {
		return fmt.Sprintf(`(?s:.{%d,})`, low)
	}
	return fmt.Sprintf(`(?s:.{%d,%d})`, low, high)
}

// patterned is a string whose value the expression matches: anywhere in it, as JSON Schema has it, unless whole or
// anchored.
func (c *schemaCompiler) patterned(pattern string, whole bool, at string, start, end int32) error {
	re, err := parseRegex(pattern)
	if err != nil {
		return refuse(at, "%v", err)
	}
	nested, begins, ends := unanchor(re)
	anything := &syntax.Regexp{Op: syntax.OpStar, Sub: []*syntax.Regexp{{Op: syntax.OpAnyChar}}}
	all := &syntax.Regexp{Op: syntax.OpConcat, Sub: []*syntax.Regexp{nested}}
	if !begins && !whole {
		all.Sub = append([]*syntax.Regexp{anything}, all.Sub...)
	}
	if !ends && !whole {
		all.Sub = append(all.Sub, anything)
	}
	shut := c.add()
	c.edge(shut, '"', '"', end)
	from, err := c.regex(all, shut, c.quoted)
	if err != nil {
		return refuse(at, "%v", err)
	}
	c.edge(start, '"', '"', from)
	return c.err()
}

const (
	dateFormat = `\d{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)`
	timeFormat = `(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)`
)

// formats are expressions for the formats of strict mode; they allow a little less than the RFCs, never more.
var formats = map[string]string{
	"date-time": dateFormat + `T` + timeFormat,
	"date":      dateFormat,
	"time":      timeFormat,
	"duration": `P(?:\d{1,9}W|(?:\d{1,9}Y)?(?:\d{1,9}M)?\d{1,9}D(?:T(?:\d{1,9}H)?(?:\d{1,9}M)?\d{1,9}S)?` +
		`|T(?:\d{1,9}H)?(?:\d{1,9}M)?\d{1,9}S)`,
	"email": `[A-Za-z0-9_+-]{1,32}(?:\.[A-Za-z0-9_+-]{1,32}){0,3}` +
		`@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?\.){1,4}[A-Za-z]{2,24}`,
	"hostname": `(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?\.){0,4}[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?`,
	"ipv4":     `(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)`,
	"ipv6":     `(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}`,
	"uuid":     `[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`,
}
