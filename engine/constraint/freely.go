package constraint

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// This file holds what is done about a schema that is not strict: as much of it is enforced as can be, and the rest is noted.

// maxDropped bounds the places that are noted.
const maxDropped = 100

// forgive notes a fault of a schema that is not strict, and returns it otherwise. Errors of other kinds pass.
func (c *schemaCompiler) forgive(at string, err error) error {
	var fault *SchemaError
	if err == nil || c.strict || !errors.As(err, &fault) {
		return err
	}
	if len(c.dropped) < maxDropped && !slices.Contains(c.dropped, at) {
		c.dropped = append(c.dropped, at)
	}
	return nil
}

// instead is the rule in the place of a schema that is at fault: any value.
func (c *schemaCompiler) instead(at string, err error) (int32, error) {
	if err := c.forgive(at, err); err != nil {
		return 0, err
	}
	return c.value(), nil
}

// isRemark says whether a keyword is one of other dialects that says nothing about what is valid.
func isRemark(name string) bool {
	return strings.HasPrefix(name, "x-") || slices.Contains([]string{
		"discriminator", "example", "externalDocs", "xml", "$anchor", "$vocabulary", "contentMediaType", "contentEncoding",
		"propertyOrdering", "nullable",
	}, name)
}

// fillFreely is fill for a schema that is not strict. Of several keywords that would have to hold together it keeps to one.
func (c *schemaCompiler) fillFreely(t *tree, at string, level int, start, end int32) error {
	t = c.flatten(t, at, 0)
	if v := t.get("nullable"); v != nil && v.scalar == true {
		c.join(c.text(start, "null"), end)
	}
	var err error
	switch {
	case t.get("$ref") != nil:
		err = c.reference(t, at, level, start, end)
	case t.get("const") != nil:
		err = c.constant(t, at, start, end)
	case t.get("enum") != nil:
		err = c.enum(t, at, start, end)
	case c.isUnion(t, "anyOf"):
		err = c.union(t, "anyOf", at, level, start, end)
	case c.isUnion(t, "oneOf"):
		err = c.union(t, "oneOf", at, level, start, end)
	default:
		err = c.byType(t, at, level, start, end)
	}
	var fault *SchemaError
	if errors.As(err, &fault) {
		c.join(c.call(start, c.value()), end) // what is there already is a part of it
		return c.forgive(at, err)
	}
	return err
}

// isUnion says whether the branches of a union say more than what stands beside them: a union of demands on an object that is
// described here is not followed.
func (c *schemaCompiler) isUnion(t *tree, name string) bool {
	list := t.get(name)
	if list == nil || list.kind != '[' || len(list.items) == 0 || t.get("properties") != nil {
		return false
	}
	if t.get("type") == nil {
		return true
	}
	return !slices.ContainsFunc(list.items, func(branch tree) bool {
		kinds := []string{"$ref", "type", "properties", "enum", "const", "anyOf", "oneOf", "allOf"}
		return !slices.ContainsFunc(kinds, func(key string) bool { return branch.get(key) != nil })
	})
}

// maxFlatten bounds allOf inside allOf.
const maxFlatten = 8

// flatten merges the parts of allOf, and what a reference beside them leads to, into one schema. What contradicts is left out.
func (c *schemaCompiler) flatten(t *tree, at string, depth int) *tree {
	all := t.get("allOf")
	if all == nil {
		return t
	}
	if all.kind != '[' || depth > maxFlatten {
		_ = c.forgive(step(at, "allOf"), refuse(step(at, "allOf"), "cannot be merged")) // only what is not strict comes here
		return without(t, "allOf")
	}
	out := without(without(t, "allOf"), "$ref")
	parts := all.items
	if ref := t.get("$ref"); ref != nil {
		parts = append([]tree{{kind: '{', members: []member{{"$ref", *ref}}}}, parts...)
	}
	for i := range parts {
		part, path := &parts[i], step(step(at, "allOf"), strconv.Itoa(i))
		if ref := part.get("$ref"); ref != nil {
			target, _, err := c.resolve(ref, path)
			if c.forgive(path, err) != nil || err != nil {
				continue
			}
			part = target
		}
		part = c.flatten(part, path, depth+1)
		for j := range part.members {
			c.mergeMember(out, &part.members[j], path)
		}
	}
	return out
}

// mergeMember adds a keyword of a part of allOf to the whole.
func (c *schemaCompiler) mergeMember(out *tree, m *member, at string) {
	have := out.get(m.name)
	switch {
	case have == nil:
		out.members = append(out.members, *m)
	case m.name == "properties" && have.kind == '{' && m.value.kind == '{':
		merged := tree{kind: '{', members: slices.Clone(have.members)}
		for _, p := range m.value.members {
			if merged.get(p.name) == nil {
				merged.members = append(merged.members, p)
			}
		}
		*have = merged
	case m.name == "required" && have.kind == '[' && m.value.kind == '[':
		*have = tree{kind: '[', items: append(slices.Clone(have.items), m.value.items...)}
	case slices.Contains(annotations, m.name) || isRemark(m.name) || m.name == "type" && have.scalar == m.value.scalar && have.kind == 0:
	default:
		_ = c.forgive(step(at, m.name), refuse(step(at, m.name), "is said twice")) // as above
	}
}

// without is an object without one of its members.
func without(t *tree, name string) *tree {
	out := &tree{kind: t.kind, scalar: t.scalar, items: t.items}
	for _, m := range t.members {
		if m.name != name {
			out.members = append(out.members, m)
		}
	}
	return out
}

// withRequired adds properties that are required and not described: they may be anything.
func withRequired(properties *tree, required []string) *tree {
	out := properties
	for _, name := range required {
		if out.get(name) == nil {
			out = &tree{kind: '{', members: append(slices.Clone(out.members), member{name, tree{scalar: true}})}
		}
	}
	return out
}

// count is countOf of a keyword, -1 where it cannot be kept to.
func (c *schemaCompiler) count(t *tree, name, at string, most int) (int, error) {
	n, err := countOf(t.get(name), step(at, name), most)
	if err != nil {
		return -1, c.forgive(step(at, name), err)
	}
	return n, nil
}

// someString keeps to the first of pattern, format and length that can be kept to.
func (c *schemaCompiler) someString(t *tree, at string, start, end int32) error {
	given := false
	for _, names := range [][]string{{"pattern"}, {"format"}, {"minLength", "maxLength"}} {
		one := &tree{kind: '{'}
		for _, name := range names {
			if v := t.get(name); v != nil {
				one.members = append(one.members, member{name, *v})
			}
		}
		if len(one.members) == 0 {
			continue
		}
		if given {
			_ = c.forgive(step(at, one.members[0].name), refuse(at, "is one too many")) // only what is not strict comes here
			continue
		}
		err := c.stringOf(one, at, start, end)
		if err == nil {
			given = true
		} else if c.forgive(step(at, one.members[0].name), err) != nil {
			return err
		}
	}
	if !given {
		c.join(c.call(start, c.str()), end)
	}
	return c.err()
}

// objectsOf gives the rule of the objects that a schema allows; of any object where there are none.
func (c *schemaCompiler) objectsOf(t *tree, at string) (int32, error) {
	start, end := c.add(), c.add()
	c.nodes[end].final = true
	some, err := c.fillObjects(t, at, 0, start, end)
	if err = c.forgive(at, err); err != nil {
		return 0, err
	}
	if !some {
		c.join(c.call(start, c.object()), end)
	}
	return start, c.err()
}

// fillObjects is fillFreely without the values that are no objects, and says whether any are left.
func (c *schemaCompiler) fillObjects(t *tree, at string, level int, start, end int32) (bool, error) {
	if t.kind != '{' || level > maxFlatten {
		return false, nil
	}
	t = c.flatten(t, at, 0)
	if ref := t.get("$ref"); ref != nil {
		target, path, err := c.resolve(ref, step(at, "$ref"))
		if err != nil {
			return false, err
		}
		return c.fillObjects(target, path, level+1, start, end)
	}
	for _, name := range []string{"anyOf", "oneOf"} {
		if !c.isUnion(t, name) {
			continue
		}
		some := false
		for i := range t.get(name).items {
			found, err := c.fillObjects(&t.get(name).items[i], step(step(at, name), strconv.Itoa(i)), level+1, start, end)
			if err != nil {
				return some, err
			}
			some = some || found
		}
		return some, nil
	}
	types, err := c.typesOf(t, at)
	if err != nil || !slices.Contains(types, "object") || t.get("enum") != nil || t.get("const") != nil {
		return false, err
	}
	if err := c.only(t, at, append([]string{"type"}, keywords["object"]...)...); err != nil {
		return false, err
	}
	return true, c.objectOf(t, at, 0, start, end)
}

// anything is any JSON value, or any object: what is left of a schema that is too large.
func anything(object bool) (*Grammar, error) {
	if object {
		g := JSON()
		g.Dropped = []string{""}
		return g, nil
	}
	j := newJSONBuilder()
	g, err := j.whole(j.value())
	if err == nil {
		g.Dropped = []string{""}
	}
	return g, err
}
