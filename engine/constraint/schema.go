package constraint

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/qwenvld/qwenvld/internal/jsontree"
)

// SchemaError says what of a JSON Schema cannot be enforced, and where (RFC 6901).
type SchemaError struct{ Pointer, Reason string }

func (e *SchemaError) Error() string {
	if e.Pointer == "" {
		return "schema: " + e.Reason
	}
	return fmt.Sprintf("schema at %s: %s", e.Pointer, e.Reason)
}

// Schema is the JSON values that a JSON Schema allows, with properties in the schema's order. Strict also demands what
// OpenAI's strict mode does: an object at the root, every property required, and additionalProperties false; a keyword
// that cannot be enforced is then a *SchemaError. A schema that is not strict is kept to as far as it can be;
// Grammar.Dropped says where it is not.
func Schema(data []byte, strict bool) (*Grammar, error) { return schemaGrammar(data, strict, false) }

// ObjectSchema is the objects among the values of Schema; any object where it allows none.
func ObjectSchema(data []byte, strict bool) (*Grammar, error) {
	return schemaGrammar(data, strict, true)
}

func schemaGrammar(data []byte, strict, objects bool) (*Grammar, error) {
	root, err := jsontree.Parse(data, jsontree.Options{Depth: maxSchemaDepth})
	if err != nil {
		return nil, &SchemaError{"", "not JSON: " + err.Error()}
	}
	c := &schemaCompiler{jsonBuilder: newJSONBuilder(), root: root, strict: strict, rules: map[*jsontree.Value]int32{}}
	if strict {
		if schema := root.Get("type"); schema == nil || !schema.IsText("object") {
			return nil, &SchemaError{"", `strict mode needs "type": "object" at the root`}
		}
	}
	var rule int32
	if objects && !strict {
		rule, err = c.objectsOf(root, "")
	} else {
		rule, err = c.schema(root, "", 0)
	}
	var g *Grammar
	if err == nil {
		g, err = c.whole(rule)
	}
	var large *TooLargeError
	if errors.As(err, &large) && !strict {
		return anything(objects || slices.Contains(typeNames(root), "object"))
	}
	if err != nil {
		return nil, err
	}
	g.Dropped = c.dropped
	return g, nil
}

// Limits of strict mode as OpenAI documents them.
const (
	maxProperties = 5000
	maxEnum       = 1000
	maxLevels     = 10
	maxItemCopies = 2000
	maxCharacters = 1000
)

// schemaCompiler makes the rules of one JSON Schema.
type schemaCompiler struct {
	*jsonBuilder
	root       *jsontree.Value
	strict     bool
	rules      map[*jsontree.Value]int32
	multiples  map[int]int32 // rules of numbers by what divides them
	properties int
	enums      int
	// chain are the schemas being built of which not a byte is written yet: to meet one of them again would never end.
	chain   map[*jsontree.Value]bool
	dropped []string
}

// maxSchemaDepth bounds nesting, so that following a schema cannot exhaust the stack.
const maxSchemaDepth = 100

// annotations say nothing about what is valid.
var annotations = []string{
	"title", "description", "default", "examples", "$schema", "$id", "$comment", "deprecated", "readOnly",
	"writeOnly", "$defs", "definitions",
}

func refuse(pointer, format string, args ...any) error {
	return &SchemaError{pointer, fmt.Sprintf(format, args...)}
}

func step(pointer, name string) string {
	return pointer + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// schema gives the rule of a schema; a schema that is used again, or inside itself, has one rule.
func (c *schemaCompiler) schema(schema *jsontree.Value, at string, level int) (int32, error) {
	if c.chain[schema] {
		return c.anyInstead(at, refuse(at, "refers to itself without an end"))
	}
	if rule, ok := c.rules[schema]; ok {
		return rule, nil
	}
	if level > maxSchemaDepth {
		return c.anyInstead(at, refuse(at, "nested more than %d deep", maxSchemaDepth))
	}
	if schema.Kind == jsontree.Bool {
		if schema.IsFalse() || c.strict {
			return c.anyInstead(at, refuse(at, "a schema of true or false is not supported"))
		}
		return c.value(), nil
	}
	if schema.Kind != jsontree.Object {
		return c.anyInstead(at, refuse(at, "a schema must be an object"))
	}
	start, end := c.add(), c.add()
	c.nodes[end].final = true
	c.rules[schema] = start
	if c.chain == nil {
		c.chain = map[*jsontree.Value]bool{}
	}
	c.chain[schema] = true
	err := c.fill(schema, at, level, start, end)
	delete(c.chain, schema)
	if err = c.noteUnlessStrict(at, err); err != nil {
		return 0, err
	}
	return start, c.err()
}

// nested is schema for what stands inside an array or object.
func (c *schemaCompiler) nested(schema *jsontree.Value, at string, level int) (int32, error) {
	chain := c.chain
	c.chain = nil
	rule, err := c.schema(schema, at, level)
	c.chain = chain
	return rule, err
}

// fill builds the network of a schema between start and end.
func (c *schemaCompiler) fill(schema *jsontree.Value, at string, level int, start, end int32) error {
	if !c.strict {
		return c.fillFreely(schema, at, level, start, end)
	}
	switch {
	case schema.Get("$ref") != nil:
		return c.reference(schema, at, level, start, end)
	case schema.Get("anyOf") != nil:
		return c.union(schema, "anyOf", at, level, start, end)
	case schema.Get("oneOf") != nil:
		return refuse(step(at, "oneOf"), "strict mode does not support oneOf: use anyOf")
	case schema.Get("const") != nil:
		return c.constant(schema, at, start, end)
	case schema.Get("enum") != nil:
		return c.enum(schema, at, start, end)
	}
	return c.byType(schema, at, level, start, end)
}

func (c *schemaCompiler) constant(schema *jsontree.Value, at string, start, end int32) error {
	if err := c.refuseOthers(schema, at, "const", "type"); err != nil {
		return err
	}
	return c.literal(schema.Get("const"), start, end)
}

func (c *schemaCompiler) union(schema *jsontree.Value, name, at string, level int, start, end int32) error {
	if err := c.refuseOthers(schema, at, name); err != nil {
		return err
	}
	branches := schema.Get(name)
	if branches.Kind != jsontree.Array || len(branches.Items) == 0 {
		return refuse(step(at, name), "must be a list of schemas")
	}
	for i := range branches.Items {
		rule, err := c.schema(&branches.Items[i], step(step(at, name), strconv.Itoa(i)), level)
		if err != nil {
			return err
		}
		c.join(c.call(start, rule), end)
	}
	return nil
}

func (c *schemaCompiler) enum(schema *jsontree.Value, at string, start, end int32) error {
	if err := c.refuseOthers(schema, at, "enum", "type"); err != nil {
		return err
	}
	values := schema.Get("enum")
	if values.Kind != jsontree.Array || len(values.Items) == 0 {
		return refuse(step(at, "enum"), "must be a list of values")
	}
	if c.enums += len(values.Items); c.strict && c.enums > maxEnum {
		return refuse(step(at, "enum"), "more than %d enum values in all", maxEnum)
	}
	for i := range values.Items {
		if err := c.literal(&values.Items[i], start, end); err != nil {
			return err
		}
	}
	return nil
}

// refuseOthers refuses keywords that are neither among the allowed nor annotations.
func (c *schemaCompiler) refuseOthers(schema *jsontree.Value, at string, allowed ...string) error {
	for _, m := range schema.Members {
		if slices.Contains(allowed, m.Key) || slices.Contains(annotations, m.Key) || !c.strict && isRemark(m.Key) {
			continue
		}
		if err := c.noteUnlessStrict(step(at, m.Key), refuse(step(at, m.Key), "the keyword %q is not supported here", m.Key)); err != nil {
			return err
		}
	}
	return nil
}

func (c *schemaCompiler) literal(v *jsontree.Value, start, end int32) error {
	// As models write it.
	c.join(c.text(start, string(jsontree.Format{}.Append(nil, v))), end)
	return c.err()
}

func stringsOf(v *jsontree.Value, at string) ([]string, error) {
	if v == nil {
		return nil, nil
	}
	var out []string
	for i := range v.Items {
		s, ok := v.Items[i].Text()
		if !ok {
			return nil, refuse(at, "must be a list of strings")
		}
		out = append(out, s)
	}
	return out, nil
}

// countOf is a whole number from 0 to most, -1 where there is none.
func countOf(v *jsontree.Value, at string, most int) (int, error) {
	if v == nil {
		return -1, nil
	}
	if v.Kind != jsontree.Number {
		return 0, refuse(at, "must be a number")
	}
	n, err := strconv.ParseInt(string(v.Raw), 10, 64)
	if err != nil || n < 0 || n > int64(most) {
		return 0, refuse(at, "must be a whole number from 0 to %d", most)
	}
	return int(n), nil
}
