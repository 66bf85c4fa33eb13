package request

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/constraint"
	"github.com/qwenvld/qwenvld/engine/prompt"
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

// constrainsAll says whether the whole answer must have a form, and not only the calls in it.
func (d *Builder) constrainsAll() bool {
	return d.Format != nil || d.structured != nil || d.choice.mode == choiceRequired
}

// finishConstraint builds the form of the answer from response_format, structured_outputs, the tools and how they may be used.
func (d *Builder) finishConstraint() {
	format := d.Format
	if format == nil {
		format = d.structured
	} else if d.structured != nil {
		d.Fail("structured_outputs", fault.CodeInvalidValue, "response_format already says what the answer must be; send one of them")
	}
	calls := d.calls()
	if calls != nil && d.OK() {
		if _, err := constraint.Compile(calls); err != nil {
			calls = d.plainCalls() // so many tools that their schemas cannot be followed together
		}
	}
	if !d.OK() {
		return
	}
	switch {
	case calls == nil:
		d.Request.Constraint = format
	case d.choice.mode == choiceRequired:
		d.Request.Constraint = calls
	case format != nil:
		d.Request.Constraint = &engine.Constraint{Either: []engine.Constraint{*calls, *format}}
	default:
		// Free text, and where a call begins, a call of one of the tools.
		d.Request.Constraint, d.Request.FreeText = &engine.Constraint{Trigger: prompt.ToolCallOpen, Then: calls}, true
	}
	for i := range d.tools {
		if d.choice.allows(d.tools[i].name) && !d.Request.ToolsOff {
			d.Request.Callable = append(d.Request.Callable, d.tools[i].name)
		}
	}
}

// plainCalls are calls whose arguments are any object.
func (d *Builder) plainCalls() *engine.Constraint {
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
func (d *Builder) calls() *engine.Constraint {
	var each []engine.Constraint
	for i := range d.tools {
		t := &d.tools[i]
		if !d.choice.allows(t.name) {
			continue
		}
		each = append(each, engine.Constraint{Sequence: []engine.Constraint{
			{Token: prompt.ToolCallOpen},
			{Text: "\n{\"name\": " + string(jsonbody.Quote(t.name)) + ", \"arguments\": "},
			d.arguments(t),
			{Text: "}\n"},
			{Token: prompt.ToolCallClose},
		}})
	}
	if len(each) == 0 || d.choice.mode == choiceNone {
		return nil
	}
	most := maxCalls
	if d.choice.name != "" || d.ParallelCalls != nil && !*d.ParallelCalls {
		most = 1
	}
	return &engine.Constraint{Repeat: &engine.Repeat{Constraint: engine.Constraint{Either: each}, Separator: "\n", Min: 1, Max: most}}
}

// arguments is the form of a call's arguments: always an object, and as the tool's schema says as far as that can be kept to.
func (d *Builder) arguments(t *toolSpec) engine.Constraint {
	if t.parameters == nil {
		return engine.Constraint{Object: true}
	}
	// All schemas together must fit into one form, so no more than that is spent on reading them.
	const tooLarge = constraint.MaxSize / 4
	if d.schemaSize > constraint.MaxSize {
		if t.strict {
			d.Fail(t.path+"."+t.schemaKey, fault.CodeInvalidSchema, "the schemas of all tools together are too large to be enforced")
		}
		return engine.Constraint{Object: true}
	}
	form := engine.Constraint{Schema: t.parameters, Strict: t.strict, ObjectOnly: true}
	g, err := constraint.Compile(&form)
	switch {
	case err == nil && !slices.Contains(g.Dropped, ""):
		d.schemaSize += g.Size()
		return form
	case err == nil: // as a whole, which a schema that is too large is too
		d.schemaSize += tooLarge
		return form
	case t.strict:
		d.failConstraint(t.path+"."+t.schemaKey, err)
	}
	d.schemaSize += tooLarge
	return engine.Constraint{Object: true}
}

// failConstraint refuses what cannot be enforced, with the place inside the schema.
func (d *Builder) failConstraint(path string, err error) {
	var schema *constraint.SchemaError
	if errors.As(err, &schema) && schema.Pointer != "" {
		d.Fail(path, fault.CodeInvalidSchema, "cannot be enforced at %s: %s", schema.Pointer, schema.Reason)
		return
	}
	d.Fail(path, fault.CodeInvalidSchema, "cannot be enforced: %s", err)
}

// check compiles a form, so that what is wrong with it is said before anything is computed.
func (d *Builder) check(path string, f *engine.Constraint) *engine.Constraint {
	if !d.OK() {
		return nil
	}
	g, err := constraint.Compile(f)
	if err != nil {
		d.failConstraint(path, err)
		return nil
	}
	d.Request.Loose = d.Request.Loose || len(g.Dropped) > 0
	return f
}
