package anthropic

import (
	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
)

// thinking reads whether to think, and with display whether to show it. Thoughts come as they are, never summed up.
func (d *decoder) thinking(v *jsonbody.Value, path string) {
	if !d.Want(v, path, jsonbody.Object) {
		return
	}
	if m := jsonbody.Present(v, "display"); m != nil && d.Text(m, path+".display") == "omitted" {
		d.Request.HideReasoning = true
	}
	d.Thinking(v.Without("display"), path)
}

// outputConfig is Anthropic's way to ask for effort and for a form of the answer.
func (d *decoder) outputConfig(v *jsonbody.Value, path string) {
	if !d.Want(v, path, jsonbody.Object) {
		return
	}
	d.Keys(v, path, "effort", "format", "task_budget")
	if m := jsonbody.Present(v, "effort"); m != nil {
		d.Effort(m, path+".effort")
	}
	if f := jsonbody.Present(v, "format"); f != nil {
		d.outputFormat(f, path+".format")
	}
}

// outputFormat is a schema of the answer. There is no strict mode: SDKs send schemas with whatever is in a class.
func (d *decoder) outputFormat(f *jsonbody.Value, path string) {
	if !d.Want(f, path, jsonbody.Object) {
		return
	}
	d.Keys(f, path, "type", "schema")
	d.OneOf(jsonbody.OrEmpty(jsonbody.Present(f, "type")), path+".type", "json_schema")
	schema := jsonbody.Present(f, "schema")
	if schema == nil {
		d.Fail(path+".schema", fault.CodeMissing, "a format needs a schema")
		return
	}
	d.Format = d.SchemaConstraint(schema, path+".schema", false)
}

// tools puts tools into the form that chat templates show.
func (d *decoder) tools(v *jsonbody.Value, path string) {
	d.Tools().List(v, path, func(t *jsonbody.Value, at string) {
		if kind := jsonbody.Present(t, "type"); kind != nil {
			if name := d.Text(kind, at+".type"); name != "custom" {
				d.Tools().Skip(t, name)
				return
			}
		}
		d.Keys(t, at, "type", "name", "description", "input_schema", "strict")
		d.Tools().AddFlat(t, at, "input_schema")
	})
}
