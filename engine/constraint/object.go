package constraint

import (
	"slices"

	"github.com/qwenvld/qwenvld/internal/jsontree"
)

func (c *schemaCompiler) objectOf(schema *jsontree.Value, at string, level int, start, end int32) error { //nolint:cyclop // by keyword
	if level++; c.strict && level > maxLevels {
		return refuse(at, "strict mode allows %d levels of objects", maxLevels)
	}
	extra, properties := schema.Get("additionalProperties"), schema.Get("properties")
	closed := extra != nil && extra.IsFalse()
	if c.strict && !closed {
		return refuse(at, `strict mode needs "additionalProperties": false`)
	}
	required, err := stringsOf(schema.Get("required"), step(at, "required"))
	if err = c.noteUnlessStrict(step(at, "required"), err); err != nil {
		return err
	}
	if properties == nil {
		properties = &jsontree.Value{Kind: jsontree.Object}
		if !closed && len(required) == 0 {
			return c.mapOf(extra, at, level, start, end)
		}
	}
	if properties.Kind != jsontree.Object {
		return refuse(step(at, "properties"), "must be an object")
	}
	if !c.strict {
		properties = withRequired(properties, required)
	}
	for _, name := range required {
		if properties.Get(name) == nil {
			return refuse(step(at, "required"), "%q is not among the properties", name)
		}
	}
	if c.properties += len(properties.Members); c.strict && c.properties > maxProperties {
		return refuse(step(at, "properties"), "more than %d properties in all", maxProperties)
	}
	return c.members(properties, required, at, level, start, end)
}

// members builds an object from its described properties, in their order.
func (c *schemaCompiler) members(properties *jsontree.Value, required []string, at string, level int, start, end int32) error {
	// Two ways through them: before and after the first one that is written, which needs no comma.
	none, some := c.text(start, "{"), c.add()
	fromTrigger := false // a required property came: the way without any is closed
	for i := range properties.Members {
		m := &properties.Members[i]
		path := step(step(at, "properties"), m.Key)
		must := slices.Contains(required, m.Key)
		if c.strict && !must {
			return refuse(path, "strict mode needs every property in \"required\"")
		}
		rule, err := c.nested(&m.Value, path, level)
		if err != nil {
			return err
		}
		key, nextNone, nextSome := c.add(), c.add(), c.add()
		if !fromTrigger {
			c.join(none, key)
		}
		if i > 0 {
			c.join(c.call(c.text(some, ","), c.gap()), key)
		}
		c.join(c.call(c.call(c.text(key, quote(m.Key)+":"), c.gap()), rule), nextSome)
		if !must {
			c.join(none, nextNone)
			c.join(some, nextSome)
		}
		fromTrigger = fromTrigger || must
		none, some = nextNone, nextSome
		if c.tooLarge {
			return c.err()
		}
	}
	if !fromTrigger {
		c.join(c.text(none, "}"), end)
	}
	c.join(c.text(some, "}"), end)
	return nil
}

// mapOf is an object with any names.
func (c *schemaCompiler) mapOf(extra *jsontree.Value, at string, level int, start, end int32) error {
	if extra == nil || extra.IsTrue() {
		c.join(c.call(start, c.object()), end)
		return nil
	}
	rule, err := c.nested(extra, step(at, "additionalProperties"), level)
	if err != nil {
		return err
	}
	open, key := c.text(start, "{"), c.add()
	c.join(c.text(open, "}"), end)
	c.join(open, key)
	after := c.call(c.call(c.text(c.call(key, c.str()), ":"), c.gap()), rule)
	c.join(c.call(c.text(after, ","), c.gap()), key)
	c.join(c.text(after, "}"), end)
	return nil
}
