package request

import (
	"errors"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/constraint"
	"github.com/qwenvld/qwenvld/engine/prompt"
)

// constrainsAll says whether the whole answer is bound to a constraint, and not only the calls in it.
func (d *Builder) constrainsAll() bool {
	return d.Format != nil || d.structured != nil || d.tools.choice.mode == choiceRequired
}

// finishConstraint settles what the answer is bound to from response_format, structured_outputs, the tools and how they
// may be used.
func (d *Builder) finishConstraint() {
	format := d.Format
	if format == nil {
		format = d.structured
	} else if d.structured != nil {
		d.Fail("structured_outputs", fault.CodeInvalidValue, "response_format already says what the answer must be; send one of them")
	}
	calls := d.tools.calls()
	if calls != nil && d.OK() {
		if _, err := constraint.Compile(calls); err != nil {
			calls = d.tools.plainCalls() // so many tools that their schemas cannot be followed together
		}
	}
	if !d.OK() {
		return
	}
	d.Request.Form = format
	d.Request.Choice = Choice{
		Required: calls != nil && d.tools.choice.mode == choiceRequired, Name: d.tools.choice.name,
		Single: d.ParallelCalls != nil && !*d.ParallelCalls,
	}
	switch {
	case calls == nil:
		d.Request.Constraint = format
	case d.tools.choice.mode == choiceRequired:
		d.Request.Constraint = calls
	case format != nil:
		d.Request.Constraint = &engine.Constraint{Either: []engine.Constraint{*calls, *format}}
	default:
		// Free text, and where a call begins, a call of one of the tools.
		d.Request.Constraint, d.Request.FreeText = &engine.Constraint{Trigger: prompt.ToolCallOpen, Then: calls}, true
	}
	d.nameCallable()
}

// nameCallable notes which tools may be called.
func (d *Builder) nameCallable() {
	for i := range d.tools.offered {
		if d.tools.choice.allows(d.tools.offered[i].name) && !d.Request.ToolsOff {
			d.Request.Callable = append(d.Request.Callable, d.tools.offered[i].name)
		}
	}
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
