package constraint

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/qwenvld/qwenvld/internal/jsontree"
)

// This file holds what is done about a schema that is not strict: as much of it is enforced as can be, and the rest is
// noted.

// maxDropped bounds the places that are noted.
const maxDropped = 100

// noteUnlessStrict notes where a schema that is not strict is at fault and drops the error. It returns the fault of a
// strict schema, and errors of other kinds.
func (c *schemaCompiler) noteUnlessStrict(at string, err error) error {
	var fault *SchemaError
	if err == nil || c.strict || !errors.As(err, &fault) {
		return err
	}
	if len(c.dropped) < maxDropped && !slices.Contains(c.dropped, at) {
		c.dropped = append(c.dropped, at)
	}
	return nil
}

// anyInstead is the rule in the place of a schema that is at fault: any value.
func (c *schemaCompiler) anyInstead(at string, err error) (int32, error) {
	if err := c.noteUnlessStrict(at, err); err != nil {
		return 0, err
	}
	return c.value(), nil
}

// isRemark reports whether a keyword of another dialect says nothing about what is valid.
func isRemark(name string) bool {
	return strings.HasPrefix(name, "x-") || slices.Contains([]string{
		"discriminator", "example", "externalDocs", "xml", "$anchor", "$vocabulary", "contentMediaType", "contentEncoding",
		"propertyOrdering", "nullable",
	}, name)
}

// fillFreely is fill for a schema that is not strict. Of several keywords that would have to hold together it keeps to
// one.
func (c *schemaCompiler) fillFreely(schema *jsontree.Value, at string, level int, start, end int32) error {
	schema = c.flatten(schema, at, 0)
	if v := schema.Get("nullable"); v != nil && v.IsTrue() {
		c.join(c.text(start, "null"), end)
	}
	var err error
	switch {
	case schema.Get("$ref") != nil:
		err = c.reference(schema, at, level, start, end)
	case schema.Get("const") != nil:
		err = c.constant(schema, at, start, end)
	case schema.Get("enum") != nil:
		err = c.enum(schema, at, start, end)
	case c.isUnion(schema, "anyOf"):
		err = c.union(schema, "anyOf", at, level, start, end)
	case c.isUnion(schema, "oneOf"):
		err = c.union(schema, "oneOf", at, level, start, end)
	default:
		err = c.byType(schema, at, level, start, end)
	}
	var fault *SchemaError
	if errors.As(err, &fault) {
		c.join(c.call(start, c.value()), end) // what is there already is a part of it
		return c.noteUnlessStrict(at, err)
	}
	return err
}

// isUnion reports whether the branches of a union say more than what stands beside them: a union of demands on an
// object that is described here is not followed.
func (c *schemaCompiler) isUnion(schema *jsontree.Value, name string) bool {
	branches := schema.Get(name)
	if branches == nil || branches.Kind != jsontree.Array || len(branches.Items) == 0 || schema.Get("properties") != nil {
		return false
	}
	if schema.Get("type") == nil {
		return true
	}
	return !slices.ContainsFunc(branches.Items, func(branch jsontree.Value) bool {
		kinds := []string{"$ref", "type", "properties", "enum", "const", "anyOf", "oneOf", "allOf"}
		return !slices.ContainsFunc(kinds, func(key string) bool { return branch.Get(key) != nil })
	})
}

// maxFlatten bounds allOf inside allOf.
const maxFlatten = 8

// flatten merges the parts of allOf, and what a reference beside them leads to, into one schema. What contradicts is
// left out.
func (c *schemaCompiler) flatten(schema *jsontree.Value, at string, depth int) *jsontree.Value {
	all := schema.Get("allOf")
	if all == nil {
		return schema
	}
	if all.Kind != jsontree.Array || depth > maxFlatten {
		_ = c.noteUnlessStrict(step(at, "allOf"), refuse(step(at, "allOf"), "cannot be merged")) // only what is not strict comes here
		return schema.Without("allOf")
	}
	out := schema.Without("allOf").Without("$ref")
	parts := all.Items
	if ref := schema.Get("$ref"); ref != nil {
		parts = append([]jsontree.Value{{Kind: jsontree.Object, Members: []jsontree.Member{{Key: "$ref", Value: *ref}}}}, parts...)
	}
	for i := range parts {
		part, path := &parts[i], step(step(at, "allOf"), strconv.Itoa(i))
		if ref := part.Get("$ref"); ref != nil {
			target, _, err := c.resolve(ref, path)
			if c.noteUnlessStrict(path, err) != nil || err != nil {
				continue
			}
			part = target
		}
		part = c.flatten(part, path, depth+1)
		for j := range part.Members {
			c.mergeMember(out, &part.Members[j], path)
		}
	}
	return out
}

// mergeMember adds a keyword of a part of allOf to the whole.
func (c *schemaCompiler) mergeMember(out *jsontree.Value, m *jsontree.Member, at string) {
	have := out.Get(m.Key)
	switch {
	case have == nil:
		out.Members = append(out.Members, *m)
	case m.Key == "properties" && have.Kind == jsontree.Object && m.Value.Kind == jsontree.Object:
		merged := jsontree.Value{Kind: jsontree.Object, Members: slices.Clone(have.Members)}
		for _, p := range m.Value.Members {
			if merged.Get(p.Key) == nil {
				merged.Members = append(merged.Members, p)
			}
		}
		*have = merged
	case m.Key == "required" && have.Kind == jsontree.Array && m.Value.Kind == jsontree.Array:
		*have = jsontree.Value{Kind: jsontree.Array, Items: append(slices.Clone(have.Items), m.Value.Items...)}
	case slices.Contains(annotations, m.Key) || isRemark(m.Key) || m.Key == "type" && sameText(have, &m.Value):
	default:
		_ = c.noteUnlessStrict(step(at, m.Key), refuse(step(at, m.Key), "is said twice")) // as above
	}
}

// sameText reports whether both are strings that stand for the same text.
func sameText(a, b *jsontree.Value) bool {
	text, ok := a.Text()
	return ok && b.IsText(text)
}

// withRequired adds properties that are required and not described: they may be anything.
func withRequired(properties *jsontree.Value, required []string) *jsontree.Value {
	out := properties
	for _, name := range required {
		if out.Get(name) == nil {
			anything := jsontree.Member{Key: name, Value: jsontree.NewBool(true)}
			out = &jsontree.Value{Kind: jsontree.Object, Members: append(slices.Clone(out.Members), anything)}
		}
	}
	return out
}

// count is countOf of a keyword, -1 where it cannot be kept to.
func (c *schemaCompiler) count(schema *jsontree.Value, name, at string, most int) (int, error) {
	n, err := countOf(schema.Get(name), step(at, name), most)
	if err != nil {
		return -1, c.noteUnlessStrict(step(at, name), err)
	}
	return n, nil
}

// stringFreely keeps to the first of pattern, format and length that can be kept to.
func (c *schemaCompiler) stringFreely(schema *jsontree.Value, at string, start, end int32) error {
	given := false
	for _, names := range [][]string{{"pattern"}, {"format"}, {"minLength", "maxLength"}} {
		one := &jsontree.Value{Kind: jsontree.Object}
		for _, name := range names {
			if v := schema.Get(name); v != nil {
				one.Members = append(one.Members, jsontree.Member{Key: name, Value: *v})
			}
		}
		if len(one.Members) == 0 {
			continue
		}
		if given {
			_ = c.noteUnlessStrict(step(at, one.Members[0].Key), refuse(at, "is one too many")) // only what is not strict comes here
			continue
		}
		err := c.stringOf(one, at, start, end)
		if err == nil {
			given = true
		} else if c.noteUnlessStrict(step(at, one.Members[0].Key), err) != nil {
			return err
		}
	}
	if !given {
		c.join(c.call(start, c.str()), end)
	}
	return c.err()
}

// objectsOf gives the rule of the objects that a schema allows; of any object where there are none.
func (c *schemaCompiler) objectsOf(schema *jsontree.Value, at string) (int32, error) {
	start, end := c.add(), c.add()
	c.nodes[end].final = true
	some, err := c.fillObjects(schema, at, 0, start, end)
	if err = c.noteUnlessStrict(at, err); err != nil {
		return 0, err
	}
	if !some {
		c.join(c.call(start, c.object()), end)
	}
	return start, c.err()
}

// fillObjects is fillFreely without the values that are no objects, and reports whether any are left.
func (c *schemaCompiler) fillObjects(schema *jsontree.Value, at string, level int, start, end int32) (bool, error) {
	if schema.Kind != jsontree.Object || level > maxFlatten {
		return false, nil
	}
	schema = c.flatten(schema, at, 0)
	if ref := schema.Get("$ref"); ref != nil {
		target, path, err := c.resolve(ref, step(at, "$ref"))
		if err != nil {
			return false, err
		}
		return c.fillObjects(target, path, level+1, start, end)
	}
	for _, name := range []string{"anyOf", "oneOf"} {
		if !c.isUnion(schema, name) {
			continue
		}
		some := false
		for i := range schema.Get(name).Items {
			found, err := c.fillObjects(&schema.Get(name).Items[i], step(step(at, name), strconv.Itoa(i)), level+1, start, end)
			if err != nil {
				return some, err
			}
			some = some || found
		}
		return some, nil
	}
	types, err := c.typesOf(schema, at)
	if err != nil || !slices.Contains(types, "object") || schema.Get("enum") != nil || schema.Get("const") != nil {
		return false, err
	}
	if err := c.refuseOthers(schema, at, append([]string{"type"}, keywords["object"]...)...); err != nil {
		return false, err
	}
	return true, c.objectOf(schema, at, 0, start, end)
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
