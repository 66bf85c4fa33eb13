package prompt

import "fmt"

// instructRenderer is the Qwen3-VL instruct template.
type instructRenderer struct{}

func (instructRenderer) Name() string { return "qwen3-vl-instruct" }

// Render drops, like the template, later system messages, unknown roles and the media of system and
// assistant messages; Unsupported finds these.
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
			b.control(messageStart + "user\n")
			qwenContent(m.Content, c.AddVisionID, &n, true).place(&b)
			b.control(messageEnd + "\n")
		case "assistant":
			b.control(messageStart + "assistant\n")
			b.text(textOnly(m.Content))
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
			b.control(messageStart + "system\n")
			b.text(textOnly(first.Content))
			b.control(messageEnd + "\n")
		}
		return nil
	}
	b.control(messageStart + "system\n")
	if system {
		b.text(textOnly(first.Content))
		b.control("\n\n")
	}
	return qwenTools(b, c.Tools)
}

// textOnly joins the text of content without its media.
func textOnly(c Content) string {
	if c.Parts == nil {
		return validUTF8(c.Text)
	}
	text := ""
	for _, p := range c.Parts {
		if p.Kind == PartText {
			text += validUTF8(p.Text)
		}
	}
	return text
}

func (instructRenderer) Unsupported(c *Conversation) error {
	if err := checkCommon(c); err != nil {
		return err
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
