package prompt

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	controlstructures "github.com/nikolalohinski/gonja/v2/builtins/control_structures"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// Bounds of what a template may look like; chat templates stay far below them.
const (
	maxCalls     = 32 // macros inside each other
	maxBrackets  = 64 // inside each other
	maxBlocks    = 64 // inside each other
	maxTagTokens = 2000
	maxTagJoins  = 64 // strings joined by operators in one tag
)

// checkTemplate refuses what would exhaust the parser or the interpreter: Go cannot recover from a stack overflow.
func checkTemplate(stream *tokens.Stream) error {
	var c templateCheck
	for ; !stream.End(); stream.Next() {
		t := stream.Current()
		if err := c.token(t); err != nil {
			return fmt.Errorf("line %d: %w", t.Line, err)
		}
	}
	return nil
}

// templateCheck follows the tokens of a template.
type templateCheck struct {
	brackets int
	blocks   int
	tag      []tokens.Type // of the current tag
	joins    int
	name     string // the current tag's
}

func (c *templateCheck) token(t *tokens.Token) error {
	switch t.Type {
	case tokens.BlockBegin, tokens.VariableBegin:
		c.tag, c.joins, c.brackets, c.name = c.tag[:0], 0, 0, ""
	case tokens.BlockEnd:
		c.endBlock()
	case tokens.LeftParenthesis, tokens.LeftBracket, tokens.LeftBrace:
		c.brackets++
	case tokens.RightParenthesis, tokens.RightBracket, tokens.RightBrace:
		c.brackets--
	case tokens.Addition, tokens.Tilde:
		c.joins++
	case tokens.Multiply, tokens.Power:
		// It may repeat a string, so it counts for much.
		c.joins += maxTagJoins / 2
	case tokens.Name:
		if len(c.tag) == 1 && c.tag[0] == tokens.BlockBegin {
			c.name = t.Val
		}
	default:
	}
	c.tag = append(c.tag, t.Type)
	switch {
	case c.brackets > maxBrackets, c.blocks > maxBlocks:
		return errors.New("the chat template nests too deeply")
	case len(c.tag) > maxTagTokens, c.joins > maxTagJoins:
		return errors.New("a tag of the chat template is too long")
	}
	return nil
}

// endBlock counts the blocks that are open after a tag.
func (c *templateCheck) endBlock() {
	assigns := false
	for _, t := range c.tag {
		assigns = assigns || t == tokens.Assign
	}
	switch {
	case strings.HasPrefix(c.name, "end"):
		c.blocks--
	case c.name == "if", c.name == "for", c.name == "macro", c.name == "call", c.name == "filter", c.name == "generation",
		c.name == "set" && !assigns:
		c.blocks++
	}
}

// controlStructureParsers are the statements of chat templates: none that loads another template.
func (r *jinjaRenderer) controlStructureParsers() map[string]parser.ControlStructureParser {
	out := map[string]parser.ControlStructureParser{"for": parseFor, "macro": r.parseMacro}
	for _, name := range []string{"if", "set", "call", "filter", "raw", "with", "break", "continue"} {
		if p, ok := builtins.ControlStructures.Get(name); ok {
			out[name] = p
		}
	}
	return out
}

// parseFor refuses loops that call themselves.
func parseFor(p, args *parser.Parser) (nodes.ControlStructure, error) {
	parse, _ := builtins.ControlStructures.Get("for")
	parsed, err := parse(p, args)
	if loop, ok := parsed.(*controlstructures.ForControlStructure); err == nil && (!ok || loop.Recursive) {
		return nil, errors.New("recursive loops are not supported")
	}
	return parsed, err
}

// parseMacro makes a macro that bounds how deep macros call each other.
func (r *jinjaRenderer) parseMacro(p, args *parser.Parser) (nodes.ControlStructure, error) {
	parse, _ := builtins.ControlStructures.Get("macro")
	parsed, err := parse(p, args)
	if err != nil {
		return nil, err
	}
	macro, ok := parsed.(*controlstructures.MacroControlStructure)
	if !ok {
		return nil, errors.New("macro is not supported")
	}
	return &macroBlock{macro.Macro, r}, nil
}

type macroBlock struct {
	*nodes.Macro
	renderer *jinjaRenderer
}

// Execute implements the interpreter's ControlStructure.
func (s *macroBlock) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	run, err := exec.MacroNodeToFunc(s.Macro, r)
	if err != nil {
		return fmt.Errorf("macro %s: %w", s.Name, err)
	}
	r.Environment.Context.Set(s.Name, exec.Macro(func(params *exec.VarArgs) *exec.Value {
		if s.renderer.calls++; s.renderer.calls > maxCalls {
			return exec.AsValue(errors.New("macros of the chat template call each other too deeply"))
		}
		defer func() { s.renderer.calls-- }()
		return run(params)
	}))
	return nil
}
