package jinja

import (
	"errors"
	"fmt"

	"github.com/nikolalohinski/gonja/v2/builtins"
	controlstructures "github.com/nikolalohinski/gonja/v2/builtins/control_structures"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// maxMacros bounds the macros that run inside each other.
const maxMacros = 32

// statements are those of chat templates: none that loads another template.
func statements() map[string]parser.ControlStructureParser {
	out := map[string]parser.ControlStructureParser{"for": parseFor, "macro": parseMacro}
	for _, name := range []string{"if", "set", "call", "filter", "raw", "with", "break", "continue"} {
		if p, ok := builtins.ControlStructures.Get(name); ok {
			out[name] = p
		}
	}
	return out
}

// parseFor refuses loops that call themselves, and has the others note which medium they are at.
func parseFor(p, args *parser.Parser) (nodes.ControlStructure, error) {
	parse, _ := builtins.ControlStructures.Get("for")
	parsed, err := parse(p, args)
	if err != nil {
		return nil, err
	}
	loop, ok := parsed.(*controlstructures.ForControlStructure)
	if !ok || loop.Recursive {
		return nil, errors.New("recursive loops are not supported")
	}
	note := &nodes.ControlStructureBlock{Location: loop.BodyWrapper.Location, Name: "for", ControlStructure: noteMedium{loop}}
	loop.BodyWrapper.Nodes = append([]nodes.Node{note}, loop.BodyWrapper.Nodes...)
	return loop, nil
}

// noteMedium stands at the beginning of a loop's body. Where the loop goes over media, it has the marks written by the
// rest of the body labelled with the medium that the loop is at.
type noteMedium struct {
	loop *controlstructures.ForControlStructure
}

var _ exec.ControlStructure = noteMedium{}

// Position implements the interpreter's Node.
func (n noteMedium) Position() *tokens.Token { return n.loop.Position() }

func (n noteMedium) String() string { return n.loop.String() }

// Execute implements the interpreter's ControlStructure.
func (n noteMedium) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	run := renderingOf(r.Environment)
	if run == nil || len(run.media) < 2 { // one alone needs no label
		return nil
	}
	for _, name := range []string{n.loop.Key, n.loop.Value} {
		variable, _ := r.Environment.Context.Get(name)
		if medium, ok := run.mediumOf(variable); ok {
			r.Output = &labeller{out: r.Output, medium: medium, core: run.template.marks[medium.Mark].Core}
		}
	}
	return nil
}

// parseMacro makes a macro that bounds how deep macros call each other.
func parseMacro(p, args *parser.Parser) (nodes.ControlStructure, error) {
	parse, _ := builtins.ControlStructures.Get("macro")
	parsed, err := parse(p, args)
	if err != nil {
		return nil, err
	}
	macro, ok := parsed.(*controlstructures.MacroControlStructure)
	if !ok {
		return nil, errors.New("macro is not supported")
	}
	return &boundedMacro{macro.Macro}, nil
}

// boundedMacro is a macro of which only so many may run inside each other.
type boundedMacro struct{ *nodes.Macro }

var _ exec.ControlStructure = (*boundedMacro)(nil)

// Execute implements the interpreter's ControlStructure.
func (m *boundedMacro) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	call, err := exec.MacroNodeToFunc(m.Macro, r)
	if err != nil {
		return fmt.Errorf("macro %s: %w", m.Name, err)
	}
	run := renderingOf(r.Environment)
	r.Environment.Context.Set(m.Name, exec.Macro(func(params *exec.VarArgs) *exec.Value {
		if run.macros++; run.macros > maxMacros {
			return exec.AsValue(errors.New("macros of the chat template call each other too deeply"))
		}
		defer func() { run.macros-- }()
		return call(params)
	}))
	return nil
}
