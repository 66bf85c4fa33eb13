package constraint

import "slices"

func (c *schemaCompiler) objectOf(t *tree, at string, level int, start, end int32) error {
	if level++; c.strict && level > maxLevels {
		return refuse(at, "strict mode allows %d levels of objects", maxLevels)
	}
	extra, properties := t.get("additionalProperties"), t.get("properties")
	closed := extra != nil && extra.scalar == false
	if c.strict && !closed {
		return refuse(at, `strict mode needs "additionalProperties": false`)
	}
	required, err := stringsOf(t.get("required"), step(at, "required"))
	if err = c.forgive(step(at, "required"), err); err != nil {
		return err
	}
	if properties == nil {
		properties = &tree{kind: '{'}
		if !closed && len(required) == 0 {
			return c.mapOf(extra, at, level, start, end)
		}
	}
	if properties.kind != '{' {
		return refuse(step(at, "properties"), "must be an object")
	}
	if !c.strict {
		properties = withRequired(properties, required)
	}
	for _, name := range required {
		if properties.get(name) == nil {
			return refuse(step(at, "required"), "%q is not among the properties", name)
		}
	}
	if c.properties += len(properties.members); c.strict && c.properties > maxProperties {
		return refuse(step(at, "properties"), "more than %d properties in all", maxProperties)
	}
	return c.members(properties, required, at, level, start, end)
}

// members builds an object from its described properties, in their order.
func (c *schemaCompiler) members(properties *tree, required []string, at string, level int, start, end int32) error {
	// Two ways through them: before and after the first one that is written, which needs no comma.
	none, some := c.text(start, "{"), c.add()
	written := false // a required property came: the way without any is closed
	for i := range properties.members {
		m := &properties.members[i]
		path := step(step(at, "properties"), m.name)
		must := slices.Contains(required, m.name)
		if c.strict && !must {
			return refuse(path, "strict mode needs every property in \"required\"")
		}
		rule, err := c.inner(&m.value, path, level)
		if err != nil {
			return err
		}
		key, nextNone, nextSome := c.add(), c.add(), c.add()
		if !written {
			c.join(none, key)
		}
		if i > 0 {
			c.join(c.call(c.text(some, ","), c.gap()), key)
		}
		c.join(c.call(c.call(c.text(key, quote(m.name)+":"), c.gap()), rule), nextSome)
		if !must {
			c.join(none, nextNone)
			c.join(some, nextSome)
		}
		written = written || must
		none, some = nextNone, nextSome
		if c.over {
			return c.err()
		}
	}
	if !written {
		c.join(c.text(none, "}"), end)
	}
	c.join(c.text(some, "}"), end)
	return nil
}

// mapOf is an object with any names.
func (c *schemaCompiler) mapOf(extra *tree, at string, level int, start, end int32) error {
	if extra == nil || extra.scalar == true {
		c.join(c.call(start, c.object()), end)
		return nil
	}
	rule, err := c.inner(extra, step(at, "additionalProperties"), level)
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
