package api

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/constraint"
)

// toolSpec is what of a tool can be enforced.
type toolSpec struct {
	name, path string
	schemaKey  string          // the schema's name on this surface
	parameters json.RawMessage // nil where the client gave none
	strict     bool
}

// toolChoice is how a request wants its tools used.
type toolChoice struct {
	mode  string   // none, auto, required
	name  string   // of the one function that must be called
	among []string // names of those that may be called; all where it is empty
	path  string   // where the request says so
}

const (
	choiceNone     = "none"
	choiceAuto     = "auto"
	choiceRequired = "required"
	choiceAny      = "any"
)

// maxCalls bounds the calls of one answer where several may come.
const maxCalls = 32

// allows says whether the tool may be called.
func (c *toolChoice) allows(name string) bool {
	return (c.name == "" || c.name == name) && (len(c.among) == 0 || slices.Contains(c.among, name))
}

// wholeForm says whether the whole answer must have a form, and not only the calls in it.
func (d *decoder) wholeForm() bool {
	return d.format != nil || d.structured != nil || d.choice.mode == choiceRequired
}

// finishForm builds the form of the answer from response_format, structured_outputs, the tools and how they may be used.
func (d *decoder) finishForm() {
	format := d.format
	if format == nil {
		format = d.structured
	} else if d.structured != nil {
		d.fail("structured_outputs", codeInvalidValue, "response_format already says what the answer must be; send one of them")
	}
	calls := d.calls()
	if calls != nil && d.err == nil {
		if _, err := constraint.Compile(calls); err != nil {
			calls = d.plainCalls() // so many tools that their schemas cannot be followed together
		}
	}
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
	default:
		// Free text, and where a call begins, a call of one of the tools.
		d.req.Form, d.req.FreeText = &engine.Form{Trigger: toolCallStart, Then: calls}, true
	}
	for i := range d.tools {
		if d.choice.allows(d.tools[i].name) && !d.req.ToolsOff {
			d.req.Callable = append(d.req.Callable, d.tools[i].name)
		}
	}
}

// plainCalls are calls whose arguments are any object.
func (d *decoder) plainCalls() *engine.Form {
	tools := slices.Clone(d.tools)
	defer func() { d.tools = tools }()
	d.tools, d.schemaSize = slices.Clone(tools), 0
	for i := range d.tools {
		if !d.tools[i].strict {
			d.tools[i].parameters = nil
		}
	}
	return d.calls()
}

// calls is the form of one or several tool calls as the chat template writes them; nil where there are none to make.
func (d *decoder) calls() *engine.Form {
	var each []engine.Form
	for i := range d.tools {
		t := &d.tools[i]
		if !d.choice.allows(t.name) {
			continue
		}
		each = append(each, engine.Form{Sequence: []engine.Form{
			{Token: toolCallStart},
			{Text: "\n{\"name\": " + string(mustJSON(t.name)) + ", \"arguments\": "},
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

// arguments is the form of a call's arguments: always an object, and as the tool's schema says as far as that can be kept to.
func (d *decoder) arguments(t *toolSpec) engine.Form {
	if t.parameters == nil {
		return engine.Form{Object: true}
	}
	// All schemas together must fit into one form, so no more than that is spent on reading them.
	const tooLarge = constraint.MaxSize / 4
	if d.schemaSize > constraint.MaxSize {
		if t.strict {
			d.fail(t.path+"."+t.schemaKey, codeInvalidSchema, "the schemas of all tools together are too large to be enforced")
		}
		return engine.Form{Object: true}
	}
	form := engine.Form{Schema: t.parameters, Strict: t.strict, ObjectOnly: true}
	g, err := constraint.Compile(&form)
	switch {
	case err == nil && !slices.Contains(g.Dropped, ""):
		d.schemaSize += g.Size()
		return form
	case err == nil: // as a whole, which a schema that is too large is too
		d.schemaSize += tooLarge
		return form
	case t.strict:
		d.formError(t.path+"."+t.schemaKey, err)
	}
	d.schemaSize += tooLarge
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
	g, err := constraint.Compile(f)
	if err != nil {
		d.formError(path, err)
		return nil
	}
	d.req.Loose = d.req.Loose || len(g.Dropped) > 0
	return f
}
