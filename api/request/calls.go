package request

import (
	"encoding/json"
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

// Tools reads the tools of a request and how they may be used, and says what a call of one must look like. It is a part
// of a Builder, whose errors it keeps.
type Tools struct {
	d       *Builder
	choice  toolChoice
	offered []toolSpec
	skipped []skippedTool
	// schemaSize is that of the offered tools' schemas so far.
	schemaSize int
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

// plainCalls are calls whose arguments are any object.
func (s *Tools) plainCalls() *engine.Constraint {
	tools := slices.Clone(s.offered)
	defer func() { s.offered = tools }()
	s.offered, s.schemaSize = slices.Clone(tools), 0
	for i := range s.offered {
		if !s.offered[i].strict {
			s.offered[i].parameters = nil
		}
	}
	return s.calls()
}

// calls bounds an answer to one or several tool calls as the chat template writes them; nil where there are none to
// make.
func (s *Tools) calls() *engine.Constraint {
	var each []engine.Constraint
	for i := range s.offered {
		t := &s.offered[i]
		if !s.choice.allows(t.name) {
			continue
		}
		each = append(each, engine.Constraint{Sequence: []engine.Constraint{
			{Token: prompt.ToolCallOpen},
			{Text: "\n{\"name\": " + string(jsonbody.Quote(t.name)) + ", \"arguments\": "},
			s.arguments(t),
			{Text: "}\n"},
			{Token: prompt.ToolCallClose},
		}})
	}
	if len(each) == 0 || s.choice.mode == choiceNone {
		return nil
	}
	most := maxCalls
	if s.choice.name != "" || s.d.ParallelCalls != nil && !*s.d.ParallelCalls {
		most = 1
	}
	return &engine.Constraint{Repeat: &engine.Repeat{Constraint: engine.Constraint{Either: each}, Separator: "\n", Min: 1, Max: most}}
}

// arguments bounds a call's arguments: always an object, and as the tool's schema says as far as that can be kept to.
func (s *Tools) arguments(t *toolSpec) engine.Constraint {
	if t.parameters == nil {
		return engine.Constraint{Object: true}
	}
	// All schemas together must fit into one constraint, so no more than that is spent on reading them.
	const tooLarge = constraint.MaxSize / 4
	if s.schemaSize > constraint.MaxSize {
		if t.strict {
			s.d.Fail(t.path+"."+t.schemaKey, fault.CodeInvalidSchema, "the schemas of all tools together are too large to be enforced")
		}
		return engine.Constraint{Object: true}
	}
	bound := engine.Constraint{Schema: t.parameters, Strict: t.strict, ObjectOnly: true}
	g, err := constraint.Compile(&bound)
	switch {
	case err == nil && !slices.Contains(g.Dropped, ""):
		s.schemaSize += g.Size()
		return bound
	case err == nil: // as a whole, which a schema that is too large is too
		s.schemaSize += tooLarge
		return bound
	case t.strict:
		s.d.failConstraint(t.path+"."+t.schemaKey, err)
	}
	s.schemaSize += tooLarge
	return engine.Constraint{Object: true}
}
