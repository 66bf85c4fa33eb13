package prompt

import (
	"fmt"

	"github.com/qwenvld/qwenvld/engine/prompt/jinja"
	"github.com/qwenvld/qwenvld/engine/prompt/pyjson"
)

// jinjaValues makes the values that a template sees of a conversation, and keeps which media are among them: their IDs
// are indices of media.
type jinjaValues struct{ media []Part }

func (v *jinjaValues) conversation(c *Conversation) (map[string]any, error) {
	messages := make(jinja.List, len(c.Messages))
	for i := range c.Messages {
		m, err := v.message(i, &c.Messages[i])
		if err != nil {
			return nil, err
		}
		messages[i] = m
	}
	var tools any
	if len(c.Tools) > 0 {
		offered := make(jinja.List, len(c.Tools))
		for i, raw := range c.Tools {
			tool, err := pyjson.Parse(raw)
			if err != nil {
				return nil, &ConversationError{Message: -1, Param: fmt.Sprintf("tools[%d]", i), Reason: err.Error()}
			}
			offered[i] = tool
		}
		tools = offered
	}
	return map[string]any{
		"messages": messages, "tools": tools, "add_generation_prompt": c.AddGenerationPrompt, "add_vision_id": c.AddVisionID,
		"bos_token": "", "eos_token": messageEnd,
	}, nil
}

func (v *jinjaValues) message(i int, m *Message) (map[string]any, error) {
	out := map[string]any{"role": m.Role, "content": v.content(m)}
	if m.ReasoningContent != nil {
		out["reasoning_content"] = jinja.Outside{Text: *m.ReasoningContent}
	}
	if m.ToolCallID != "" {
		out["tool_call_id"] = jinja.Outside{Text: m.ToolCallID}
	}
	if m.Name != "" {
		out["name"] = jinja.Outside{Text: m.Name}
	}
	if len(m.ToolCalls) == 0 {
		return out, nil
	}
	calls := make(jinja.List, len(m.ToolCalls))
	for j, call := range m.ToolCalls {
		arguments, err := pyjson.Parse(call.Arguments)
		if err != nil {
			return nil, messageError(i, fmt.Sprintf("tool_calls[%d].function.arguments", j), "%s", err)
		}
		calls[j] = map[string]any{"type": "function", "id": jinja.Outside{Text: call.ID}, "function": map[string]any{
			"name": jinja.Outside{Text: call.Name}, "arguments": arguments,
		}}
	}
	out["tool_calls"] = calls
	return out, nil
}

func (v *jinjaValues) content(m *Message) any {
	var tags []string
	if m.Role == "assistant" {
		tags = []string{thinkOpen, thinkClose}
	}
	if m.Content.Parts == nil {
		return jinja.Outside{Text: m.Content.Text, Tags: tags}
	}
	parts := make(jinja.List, len(m.Content.Parts))
	for i, p := range m.Content.Parts {
		values := map[string]any{"type": string(p.Kind)}
		if p.Kind == PartText {
			values["text"] = jinja.Outside{Text: p.Text, Tags: tags}
			parts[i] = values
			continue
		}
		mark := imageMark
		if p.Kind == PartVideo {
			mark = videoMarks
		}
		parts[i] = jinja.Medium{ID: len(v.media), Mark: mark, Values: values}
		v.media = append(v.media, p)
	}
	return parts
}

// rendered makes a prompt of what the template wrote.
func (v *jinjaValues) rendered(spans []jinja.Span) Rendered {
	var b builder
	for _, s := range spans {
		switch s.Kind {
		case jinja.Own:
			b.control(s.Text)
		case jinja.FromOutside:
			b.text(s.Text)
		case jinja.Shown:
			medium := -1 // a mark that nothing belongs to
			if s.Medium >= 0 {
				medium = v.media[s.Medium].Media
			}
			if s.Mark == imageMark {
				b.image(medium)
			} else {
				b.video(medium)
			}
		}
	}
	return Rendered{Pieces: b.pieces}
}
