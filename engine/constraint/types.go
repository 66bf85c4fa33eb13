package constraint

import (
	"slices"

	"github.com/qwenvld/qwenvld/internal/jsontree"
)

// byType builds what the schema's types and their keywords allow.
func (c *schemaCompiler) byType(schema *jsontree.Value, at string, level int, start, end int32) error {
	types, err := c.typesOf(schema, at)
	if err != nil {
		return err
	}
	if len(types) == 0 {
		if err := c.refuseOthers(schema, at); err != nil {
			return err
		}
		if c.strict {
			return refuse(at, `strict mode needs a "type"`)
		}
		c.join(c.call(start, c.value()), end)
		return nil
	}
	allowed := []string{"type"}
	for _, name := range types {
		allowed = append(allowed, keywords[name]...)
	}
	if err := c.refuseOthers(schema, at, allowed...); err != nil {
		return err
	}
	for _, name := range types {
		if err := c.typed(schema, name, at, level, start, end); err != nil {
			return err
		}
	}
	return nil
}

// keywords are what is enforced for each type.
var keywords = map[string][]string{
	"object":  {"properties", "required", "additionalProperties"},
	"array":   {"items", "prefixItems", "minItems", "maxItems"},
	"string":  {"pattern", "format", "minLength", "maxLength"},
	"integer": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
	"number":  {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
	"boolean": nil,
	"null":    nil,
}

func (c *schemaCompiler) typesOf(schema *jsontree.Value, at string) ([]string, error) {
	if schema.Get("type") == nil {
		switch { // an object or array that forgot to say so
		case schema.Get("properties") != nil:
			return []string{"object"}, nil
		case schema.Get("items") != nil:
			return []string{"array"}, nil
		}
		return nil, nil
	}
	var out []string
	for _, name := range typeNames(schema) {
		if _, ok := keywords[name]; !ok {
			if err := c.noteUnlessStrict(step(at, "type"), refuse(step(at, "type"), "unknown type %q", name)); err != nil {
				return nil, err
			}
			return nil, nil
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return nil, c.noteUnlessStrict(step(at, "type"), refuse(step(at, "type"), "must name a type"))
	}
	return out, nil
}

// typeNames are what the type of a schema says, "" for what is no name.
func typeNames(schema *jsontree.Value) []string {
	v := schema.Get("type")
	if v == nil {
		return nil
	}
	types := []jsontree.Value{*v}
	if v.Kind == jsontree.Array {
		types = v.Items
	}
	var out []string
	for _, item := range types {
		name, _ := item.Text()
		out = append(out, name)
	}
	return out
}

func (c *schemaCompiler) typed(schema *jsontree.Value, name, at string, level int, start, end int32) error {
	switch name {
	case "object":
		return c.objectOf(schema, at, level, start, end)
	case "array":
		return c.arrayOf(schema, at, level, start, end)
	case "string":
		if !c.strict {
			return c.stringFreely(schema, at, start, end)
		}
		return c.stringOf(schema, at, start, end)
	case "integer", "number":
		err := c.numberOf(schema, name, at, start, end)
		if err == nil || c.noteUnlessStrict(at, err) != nil {
			return err
		}
		rule := c.number()
		if name == "integer" {
			rule = c.integer()
		}
		c.join(c.call(start, rule), end)
	case "boolean":
		c.join(c.text(start, "true"), end)
		c.join(c.text(start, "false"), end)
	case "null":
		c.join(c.text(start, "null"), end)
	}
	return nil
}
