package prompt

import (
	"fmt"
	"slices"
)

// instructRenderer is the Qwen3-VL instruct template.
type instructRenderer struct{}

func (instructRenderer) Name() string { return "qwen3-vl-instruct" }

// Render drops, like the template, later system messages, unknown roles and the media of system and
// assistant messages, unless the conversation says to show them; RenderAll refuses these.
func (instructRenderer) Render(c *Conversation) (Rendered, error) {
	if len(c.Messages) == 0 {
		return Rendered{}, errNoMessages()
	}
	var b builder
	if err := instructSystem(&b, c); err != nil {
		return Rendered{}, err
	}
	var n mediaCount
	for i, m := range c.Messages {
		switch m.Role {
		case "user":
			qwenTurn(&b, m.Role, qwenContent(m.Content, c.AddVisionID, &n, true))
		case "system":
			if i > 0 && c.ShowAll {
				qwenTurn(&b, m.Role, qwenContent(m.Content, c.AddVisionID, &n, true))
			}
		case "assistant":
			b.control(messageStart + "assistant\n")
			instructContent(c, m.Content, &n).place(&b)
			// The template tests the content itself: a list with nothing but empty text counts as content.
			if err := qwenToolCalls(&b, i, m.ToolCalls, !m.Content.empty()); err != nil {
				return Rendered{}, err
			}
			b.control(messageEnd + "\n")
		case "tool":
			qwenToolResponse(&b, c.Messages, i, qwenContent(m.Content, c.AddVisionID, &n, true))
		}
	}
	if c.AddGenerationPrompt {
		b.control(messageStart + "assistant\n")
	}
	return Rendered{Pieces: b.pieces}, nil
}

func instructSystem(b *builder, c *Conversation) error {
	first := c.Messages[0]
	system := first.Role == "system"
	if len(c.Tools) == 0 {
		if system {
			qwenTurn(b, first.Role, instructContent(c, first.Content, &mediaCount{}))
		}
		return nil
	}
	b.control(messageStart + "system\n")
	if system {
		instructContent(c, first.Content, &mediaCount{}).place(b)
		b.control("\n\n")
	}
	return qwenTools(b, c.Tools)
}

// instructContent is content of a system or assistant message, of which the template shows the text only.
func instructContent(c *Conversation, content Content, n *mediaCount) passage {
	if !c.ShowAll && content.Parts != nil {
		content.Parts = slices.DeleteFunc(slices.Clone(content.Parts), func(p Part) bool { return p.Kind != PartText })
	}
	return qwenContent(content, c.AddVisionID, n, true)
}

// RenderAll implements Renderer.
func (r instructRenderer) RenderAll(c *Conversation) (Rendered, error) {
	if err := r.unsupported(c); err != nil {
		return Rendered{}, err
	}
	return r.Render(c)
}

func (instructRenderer) unsupported(c *Conversation) error {
	if err := checkCommon(c); err != nil {
		return err
	}
	if c.ShowAll {
		return nil
	}
	for i, m := range c.Messages {
		if m.Role == "system" && i > 0 {
			return messageError(i, "role", "this model's chat template only renders a system message that comes first")
		}
		if m.Role != "system" && m.Role != "assistant" {
			continue
		}
		for j, p := range m.Content.Parts {
			if p.Kind != PartText {
				return messageError(i, fmt.Sprintf("content[%d]", j),
					"this model's chat template renders no %s in a %s message", p.Kind, m.Role)
			}
		}
	}
	return nil
}
