package request

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/grounding"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/engine"
)

// ResponseFormat reads OpenAI's response_format, with the schema also where llama.cpp and Together have it: beside the
// type.
func (d *Builder) ResponseFormat(v *jsonbody.Value, path string) {
	if !d.Want(v, path, jsonbody.Object) {
		return
	}
	m := jsonbody.Present(v, "type")
	if m == nil {
		d.Fail(path+".type", fault.CodeMissing, "response_format.type is required")
		return
	}
	schema := jsonbody.Present(v, "schema")
	switch d.OneOf(m, path+".type", "text", "json_object", "json_schema", "grounding") {
	case "json_object":
		d.Keys(v, path, "type", "schema")
		if schema != nil {
			d.Format = d.SchemaConstraint(schema, path+".schema", false)
			return
		}
		d.Format = &engine.Constraint{Object: true}
	case "json_schema":
		inner := jsonbody.Present(v, "json_schema")
		if inner == nil && schema != nil {
			d.JSONSchema(v.Without("type"), path)
			return
		}
		d.Keys(v, path, "type", "json_schema")
		d.JSONSchema(inner, path+".json_schema")
	case "grounding":
		d.Keys(v, path, "type")
		d.Request.Grounding = true
		d.Format = d.check(path, &engine.Constraint{Schema: json.RawMessage(grounding.Schema)})
	default:
		d.Keys(v, path, "type")
	}
}

// JSONSchema reads a named schema. The name says nothing that is of use here.
func (d *Builder) JSONSchema(v *jsonbody.Value, path string) {
	if v == nil {
		d.Fail(path, fault.CodeMissing, "json_schema is required")
		return
	}
	if !d.Want(v, path, jsonbody.Object) {
		return
	}
	d.Keys(v, path, "name", "description", "schema", "strict")
	for _, key := range []string{"name", "description"} {
		if m := jsonbody.Present(v, key); m != nil {
			d.Text(m, path+"."+key)
		}
	}
	strict := false
	if m := jsonbody.Present(v, "strict"); m != nil {
		strict = d.Flag(m, path+".strict")
	}
	schema := jsonbody.Present(v, "schema")
	if schema == nil {
		if strict {
			d.Fail(path+".schema", fault.CodeMissing, "strict mode needs a schema")
		}
		d.Format = &engine.Constraint{Object: true}
		return
	}
	d.Format = d.SchemaConstraint(schema, path+".schema", strict)
}

// SchemaConstraint is the form of an answer that follows a JSON schema.
func (d *Builder) SchemaConstraint(schema *jsonbody.Value, path string, strict bool) *engine.Constraint {
	if len(schema.Raw) > d.limits.SchemaBytes {
		d.Fail(path, fault.CodeInvalidValue, "must not be longer than %d bytes", d.limits.SchemaBytes)
		return nil
	}
	return d.check(path, &engine.Constraint{Schema: jsonbody.RawCopy(schema), Strict: strict})
}

// structuredKinds are the forms that vLLM has words for and OpenAI has not.
var structuredKinds = []string{"json", "json_object", "regex", "choice"}

// unenforced are ways to describe a form that nothing here can follow.
var unenforced = []string{"grammar", "structural_tag"}

// structuredOutputs is vLLM's parameter for forms that OpenAI has no words for.
func (d *Builder) structuredOutputs(v *jsonbody.Value, path string) {
	if !d.Want(v, path, jsonbody.Object) {
		return
	}
	d.Keys(v, path, slices.Concat(structuredKinds, unenforced)...)
	for _, key := range unenforced {
		if jsonbody.Present(v, key) != nil {
			d.Fail(path+"."+key, fault.CodeUnsupported, "%s", whyNoGrammar)
		}
	}
	given := 0
	for _, key := range structuredKinds {
		if m := jsonbody.Present(v, key); m != nil {
			given++
			d.structure(m, key, path+"."+key)
		}
	}
	if given != 1 {
		d.Fail(path, fault.CodeInvalidValue, "needs exactly one of %s", strings.Join(structuredKinds, ", "))
	}
}

const whyNoGrammar = "context-free grammars are not supported; describe the form by a JSON schema (json), a regular expression (regex) " +
	"or texts (choice)"

// guided reads one of vLLM's older names: guided_json is structured_outputs.json.
func guided(key string) Reader[*Builder] {
	return func(d *Builder, v *jsonbody.Value, path string) { d.structure(v, key, path) }
}

func (d *Builder) structure(v *jsonbody.Value, key, path string) {
	if d.structured != nil {
		d.Fail(path, fault.CodeInvalidValue, "the form of the answer is given twice; "+
			"send one of structured_outputs, guided_json, guided_regex and guided_choice")
		return
	}
	d.structured = d.structuredForm(v, key, path)
}

func (d *Builder) structuredForm(v *jsonbody.Value, key, path string) *engine.Constraint {
	switch key {
	case "json":
		if v.Kind == jsonbody.String { // vLLM takes the text of a schema too
			text := []byte(jsonbody.TextOf(v))
			inner, err := jsonbody.Parse(text, d.limits.Bounds())
			if err != nil {
				d.Fail(path, fault.CodeInvalidValue, "is not the text of a schema: %s", err)
				return nil
			}
			v = inner
		}
		return d.SchemaConstraint(v, path, false)
	case "json_object":
		if !d.Flag(v, path) {
			d.Fail(path, fault.CodeInvalidValue, "must be true where it is given")
		}
		return &engine.Constraint{Object: true}
	case "regex":
		pattern := d.Text(v, path)
		if pattern == "" {
			d.Fail(path, fault.CodeInvalidValue, "must not be empty")
			return nil
		}
		return d.check(path, &engine.Constraint{Pattern: pattern})
	default:
		if !d.Want(v, path, jsonbody.Array) {
			return nil
		}
		var choices []string
		for i := range v.Items {
			choices = append(choices, d.Text(&v.Items[i], jsonbody.At(path, i)))
		}
		if len(choices) == 0 || slices.Contains(choices, "") {
			d.Fail(path, fault.CodeInvalidValue, "must be a list of texts, none of them empty")
			return nil
		}
		return d.check(path, &engine.Constraint{Choices: choices})
	}
}
