package prompt

import "strings"

// thinkingRenderer is the Qwen3-VL thinking template.
type thinkingRenderer struct{}

func (thinkingRenderer) Name() string { return "qwen3-vl-thinking" }

// Render drops, like the template, messages of unknown roles and reasoning of turns before the last
// query. The latter is what the model was trained on and no fault of the conversation.
func (thinkingRenderer) Render(c *Conversation) (Rendered, error) {
	if len(c.Messages) == 0 {
		return Rendered{}, errNoMessages()
	}
	var b builder
	if err := thinkingSystem(&b, c); err != nil {
		return Rendered{}, err
	}
	last := lastQuery(c)
	var n mediaCount
	for i, m := range c.Messages {
		// The counter moves for every message, also for the system message that was rendered above.
		content := qwenContent(m.Content, c.AddVisionID, &n, true)
		switch {
		case m.Role == "user", m.Role == "system" && i > 0:
			qwenTurn(&b, m.Role, content)
		case m.Role == "assistant":
			if err := thinkingAssistant(&b, c, i, content, last); err != nil {
				return Rendered{}, err
			}
		case m.Role == "tool":
			qwenToolResponse(&b, c.Messages, i, content)
		}
	}
	if c.AddGenerationPrompt {
		b.control(messageStart + "assistant\n" + thinkOpen + "\n")
	}
	return Rendered{Pieces: b.pieces, ThinkOpen: c.AddGenerationPrompt}, nil
}

func thinkingSystem(b *builder, c *Conversation) error {
	first := c.Messages[0]
	system := first.Role == "system"
	if len(c.Tools) == 0 && !system {
		return nil
	}
	b.control(messageStart + "system\n")
	if system {
		qwenContent(first.Content, c.AddVisionID, &mediaCount{}, false).place(b)
	}
	if len(c.Tools) == 0 {
		b.control(messageEnd + "\n")
		return nil
	}
	if system {
		b.control("\n\n")
	}
	return qwenTools(b, c.Tools)
}

// lastQuery is the index of the last user message that is a query and not a tool response in disguise.
// Reasoning is kept after it only. Without one it is the last index.
func lastQuery(c *Conversation) int {
	for i := len(c.Messages) - 1; i >= 0; i-- {
		m := c.Messages[i]
		if m.Role != "user" {
			continue
		}
		text := qwenContent(m.Content, c.AddVisionID, &mediaCount{}, false).text
		if !strings.HasPrefix(text, toolResponseOpen) || !strings.HasSuffix(text, toolResponseClose) {
			return i
		}
	}
	return len(c.Messages) - 1
}

func thinkingAssistant(b *builder, c *Conversation, i int, content passage, lastQuery int) error {
	m := c.Messages[i]
	var reasoning passage
	if m.ReasoningContent != nil {
		reasoning.outside(validUTF8(*m.ReasoningContent))
	} else if strings.Contains(content.text, thinkClose) {
		reasoning = content.before(thinkClose).trimRight().after(thinkOpen).trimLeft()
		content = content.after(thinkClose).trimLeft()
	}
	b.control(messageStart + "assistant\n")
	if i > lastQuery && (i == len(c.Messages)-1 || reasoning.text != "") {
		b.control(thinkOpen + "\n")
		reasoning.trimLeft().trimRight().place(b)
		b.control("\n" + thinkClose + "\n\n")
		content.trimLeft().place(b)
	} else {
		content.place(b)
	}
	// The template tests the content before its leading newlines are trimmed.
	if err := qwenToolCalls(b, i, m.ToolCalls, content.text != ""); err != nil {
		return err
	}
	b.control(messageEnd + "\n")
	return nil
}

// RenderAll implements Renderer.
func (r thinkingRenderer) RenderAll(c *Conversation) (Rendered, error) {
	if err := r.unsupported(c); err != nil {
		return Rendered{}, err
	}
	return r.Render(c)
}

func (thinkingRenderer) unsupported(c *Conversation) error {
	return checkCommon(c)
}
