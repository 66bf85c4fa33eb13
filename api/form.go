package api

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/constraint"
)

// toolSpec is what of a tool can be enforced.
type toolSpec struct {
	name, path string
	parameters json.RawMessage // nil where the client gave none
	strict     bool
}

// toolChoice is how a request wants its tools used.
type toolChoice struct {
	mode string // none, auto, required
	name string // of the one function that must be called
}

const (
	choiceNone     = "none"
	choiceAuto     = "auto"
	choiceRequired = "required"
)

// maxCalls bounds the calls of one answer where several may come.
const maxCalls = 32

// finishForm builds the form of the answer from response_format, structured_outputs, the tools and how they may be used.
func (d *decoder) finishForm() {
	format := d.format
	if format == nil {
		format = d.structured
	} else if d.structured != nil {
		d.fail("structured_outputs", codeInvalidValue, "response_format already says what the answer must be; send one of them")
	}
	calls := d.calls()
	if d.err != nil {
		return
	}
	switch {
	case calls == nil:
		d.req.Form = format
	case d.choice.mode == choiceRequired:
		d.req.Form = calls
	case format != nil:
		d.req.Form = &engine.Form{Either: []engine.Form{*calls, *format}}
	case d.enforcesCalls():
		// Free text, and where a call begins, a call as it must be.
		free := engine.Form{Without: toolCallStart}
		d.req.Form = &engine.Form{Either: []engine.Form{free, {Sequence: []engine.Form{free, *calls}}}}
	}
}

// enforcesCalls says whether calls that the model makes on its own must have a form.
func (d *decoder) enforcesCalls() bool {
	single := d.parallelToolCalls != nil && !*d.parallelToolCalls
	return single || slices.ContainsFunc(d.tools, func(t toolSpec) bool { return t.strict })
}

// calls is the form of one or several tool calls as the chat template writes them; nil where there are none to make.
func (d *decoder) calls() *engine.Form {
	var each []engine.Form
	for i := range d.tools {
		t := &d.tools[i]
		if d.choice.name != "" && d.choice.name != t.name {
			continue
		}
		each = append(each, engine.Form{Sequence: []engine.Form{
			{Token: toolCallStart},
			{Text: "\n{\"name\": " + strconv.Quote(t.name) + ", \"arguments\": "},
			d.arguments(t),
			{Text: "}\n"},
			{Token: toolCallEnd},
		}})
	}
	if len(each) == 0 || d.choice.mode == choiceNone {
		return nil
	}
	most := maxCalls
	if d.choice.name != "" || d.parallelToolCalls != nil && !*d.parallelToolCalls {
		most = 1
	}
	return &engine.Form{Repeat: &engine.Repeat{Form: engine.Form{Either: each}, Separator: "\n", Min: 1, Max: most}}
}

// arguments is the form of a call's arguments. A schema that is not strict is kept to as far as it can be, as OpenAI does.
func (d *decoder) arguments(t *toolSpec) engine.Form {
	if t.parameters == nil {
		return engine.Form{Object: true}
	}
	form := engine.Form{Schema: t.parameters, Strict: t.strict}
	_, err := constraint.Compile(&form)
	switch {
	case err == nil:
		return form
	case t.strict:
		d.formError(t.path+".parameters", err)
	}
	return engine.Form{Object: true}
}

// formError refuses what cannot be enforced, with the place inside the schema.
func (d *decoder) formError(path string, err error) {
	var schema *constraint.SchemaError
	if errors.As(err, &schema) && schema.Pointer != "" {
		d.fail(path, codeInvalidSchema, "cannot be enforced at %s: %s", schema.Pointer, schema.Reason)
		return
	}
	d.fail(path, codeInvalidSchema, "cannot be enforced: %s", err)
}

// check compiles a form, so that what is wrong with it is said before anything is computed.
func (d *decoder) check(path string, f *engine.Form) *engine.Form {
	if d.err != nil {
		return nil
	}
	if _, err := constraint.Compile(f); err != nil {
		d.formError(path, err)
		return nil
	}
	return f
}

func (d *decoder) responseFormat(v *value, path string) {
	if !d.want(v, path, kindObject) {
		return
	}
	m := present(v, "type")
	if m == nil {
		d.fail(path+".type", codeMissing, "response_format.type is required")
		return
	}
	switch d.oneOf(m, path+".type", "text", "json_object", "json_schema") {
	case "json_object":
		d.keys(v, path, "type")
		d.format = &engine.Form{Object: true}
	case "json_schema":
		d.keys(v, path, "type", "json_schema")
		d.jsonSchema(present(v, "json_schema"), path+".json_schema")
	default:
		d.keys(v, path, "type")
	}
}

func (d *decoder) jsonSchema(v *value, path string) {
	if v == nil {
		d.fail(path, codeMissing, "json_schema is required")
		return
	}
	if !d.want(v, path, kindObject) {
		return
	}
	d.keys(v, path, "name", "description", "schema", "strict")
	if present(v, "name") == nil {
		d.fail(path+".name", codeMissing, "a schema needs a name")
		return
	}
	d.functionName(v, path)
	if m := present(v, "description"); m != nil {
		d.text(m, path+".description")
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

// structuredOutputs is vLLM's parameter for forms that OpenAI has no words for.
func (d *decoder) structuredOutputs(v *value, path string) {
	if !d.want(v, path, kindObject) {
		return
	}
	d.keys(v, path, "json", "json_object", "regex", "choice")
	given := 0
	for _, key := range []string{"json", "json_object", "regex", "choice"} {
		m := present(v, key)
		if m == nil {
			continue
		}
		if given++; given > 1 {
			d.fail(path, codeInvalidValue, "exactly one of json, json_object, regex and choice is allowed")
			return
		}
		d.structured = d.structure(m, key, path+"."+key)
	}
	if given == 0 {
		d.fail(path, codeInvalidValue, "needs one of json, json_object, regex and choice")
	}
}

func (d *decoder) structure(v *value, key, path string) *engine.Form {
	switch key {
	case "json":
		if len(v.raw) > d.limits.SchemaBytes {
			d.fail(path, codeInvalidValue, "must not be longer than %d bytes", d.limits.SchemaBytes)
			return nil
		}
		return d.check(path, &engine.Form{Schema: rawCopy(v)})
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
