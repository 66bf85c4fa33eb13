package api

import (
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/engine"
)

// responseFormat reads OpenAI's response_format, with the schema also where llama.cpp and Together have it: beside the type.
func (d *decoder) responseFormat(v *value, path string) {
	if !d.want(v, path, kindObject) {
		return
	}
	m := present(v, "type")
	if m == nil {
		d.fail(path+".type", codeMissing, "response_format.type is required")
		return
	}
	schema := present(v, "schema")
	switch d.oneOf(m, path+".type", "text", "json_object", "json_schema") {
	case "json_object":
		d.keys(v, path, "type", "schema")
		if schema != nil {
			d.format = d.schemaForm(schema, path+".schema", false)
			return
		}
		d.format = &engine.Form{Object: true}
	case "json_schema":
		inner := present(v, "json_schema")
		if inner == nil && schema != nil {
			d.jsonSchema(v.without("type"), path)
			return
		}
		d.keys(v, path, "type", "json_schema")
		d.jsonSchema(inner, path+".json_schema")
	default:
		d.keys(v, path, "type")
	}
}

// jsonSchema reads a named schema. The name says nothing that is of use here.
func (d *decoder) jsonSchema(v *value, path string) {
	if v == nil {
		d.fail(path, codeMissing, "json_schema is required")
		return
	}
	if !d.want(v, path, kindObject) {
		return
	}
	d.keys(v, path, "name", "description", "schema", "strict")
	for _, key := range []string{"name", "description"} {
		if m := present(v, key); m != nil {
			d.text(m, path+"."+key)
		}
	}
	strict := false
	if m := present(v, "strict"); m != nil {
		strict = d.flag(m, path+".strict")
	}
	schema := present(v, "schema")
	if schema == nil {
		if strict {
			d.fail(path+".schema", codeMissing, "strict mode needs a schema")
		}
		d.format = &engine.Form{Object: true}
		return
	}
	d.format = d.schemaForm(schema, path+".schema", strict)
}

// schemaForm is the form of an answer that follows a JSON schema.
func (d *decoder) schemaForm(schema *value, path string, strict bool) *engine.Form {
	if len(schema.raw) > d.limits.SchemaBytes {
		d.fail(path, codeInvalidValue, "must not be longer than %d bytes", d.limits.SchemaBytes)
		return nil
	}
	return d.check(path, &engine.Form{Schema: rawCopy(schema), Strict: strict})
}

// structuredKinds are the forms that vLLM has words for and OpenAI has not.
var structuredKinds = []string{"json", "json_object", "regex", "choice"}

// unenforced are ways to describe a form that nothing here can follow.
var unenforced = []string{"grammar", "structural_tag"}

// structuredOutputs is vLLM's parameter for forms that OpenAI has no words for.
func (d *decoder) structuredOutputs(v *value, path string) {
	if !d.want(v, path, kindObject) {
		return
	}
	d.keys(v, path, slices.Concat(structuredKinds, unenforced)...)
	for _, key := range unenforced {
		if present(v, key) != nil {
			d.fail(path+"."+key, codeUnsupported, "%s", whyNoGrammar)
		}
	}
	given := 0
	for _, key := range structuredKinds {
		if m := present(v, key); m != nil {
			given++
			d.structure(m, key, path+"."+key)
		}
	}
	if given != 1 {
		d.fail(path, codeInvalidValue, "needs exactly one of %s", strings.Join(structuredKinds, ", "))
	}
}

const whyNoGrammar = "context-free grammars are not supported; describe the form by a JSON schema (json), a regular expression (regex) " +
	"or texts (choice)"

// guided reads one of vLLM's older names: guided_json is structured_outputs.json.
func guided(key string) param {
	return func(d *decoder, v *value, path string) { d.structure(v, key, path) }
}

func (d *decoder) structure(v *value, key, path string) {
	if d.structured != nil {
		d.fail(path, codeInvalidValue, "the form of the answer is given twice; "+
			"send one of structured_outputs, guided_json, guided_regex and guided_choice")
		return
	}
	d.structured = d.structuredForm(v, key, path)
}

func (d *decoder) structuredForm(v *value, key, path string) *engine.Form {
	switch key {
	case "json":
		if v.kind == kindString { // vLLM takes the text of a schema too
			text := []byte(unquote(v.raw))
			inner, err := parseJSON(text, jsonLimits{depth: d.limits.Depth, values: d.limits.Values})
			if err != nil {
				d.fail(path, codeInvalidValue, "is not the text of a schema: %s", err)
				return nil
			}
			v = inner
		}
		return d.schemaForm(v, path, false)
	case "json_object":
		if !d.flag(v, path) {
			d.fail(path, codeInvalidValue, "must be true where it is given")
		}
		return &engine.Form{Object: true}
	case "regex":
		pattern := d.text(v, path)
		if pattern == "" {
			d.fail(path, codeInvalidValue, "must not be empty")
			return nil
		}
		return d.check(path, &engine.Form{Pattern: pattern})
	default:
		if !d.want(v, path, kindArray) {
			return nil
		}
		var choices []string
		for i := range v.items {
			choices = append(choices, d.text(&v.items[i], index(path, i)))
		}
		if len(choices) == 0 || slices.Contains(choices, "") {
			d.fail(path, codeInvalidValue, "must be a list of texts, none of them empty")
			return nil
		}
		return d.check(path, &engine.Form{Choices: choices})
	}
}
