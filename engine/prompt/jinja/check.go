package jinja

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nikolalohinski/gonja/v2/tokens"
)

// Bounds of what a template may look like; chat templates stay far below them.
const (
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
