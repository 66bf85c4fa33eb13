package prompt

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Show renders a conversation with all that is in it, wherever its system messages stand. Those at the beginning become
// one, in their order. Later ones keep their place if the template shows them there; for a template that does not, they
// become part of the user's turn beside them, and so does the first one for a template that has no system role. It
// fails like RenderAll, naming messages by their Path.
func Show(r Renderer, c *Conversation) (Rendered, error) {
	whole := *c
	whole.ShowAll = true
	whole.Messages = mergeLeading(c.Messages)
	rendered, err := showOnce(r, &whole)
	for from := 1; from >= 0 && isRefusal(err); from-- {
		if !hasSystem(whole.Messages, from) {
			continue
		}
		folded := whole
		folded.Messages = foldSystem(whole.Messages, from)
		if again, failed := showOnce(r, &folded); failed == nil {
			return again, nil
		}
	}
	return rendered, err
}

func showOnce(r Renderer, c *Conversation) (Rendered, error) {
	rendered, err := r.RenderAll(c)
	var refused *ConversationError
	if errors.As(err, &refused) && refused.Message >= 0 && c.Messages[refused.Message].Path != "" {
		named := *refused
		inside := strings.TrimPrefix(refused.Param, fmt.Sprintf("messages[%d]", refused.Message))
		named.Param = c.Messages[refused.Message].Path + inside
		return rendered, &named
	}
	return rendered, err
}

func isRefusal(err error) bool {
	var refused *ConversationError
	return errors.As(err, &refused)
}

func hasSystem(messages []Message, from int) bool {
	return from < len(messages) && slices.ContainsFunc(messages[from:], func(m Message) bool { return m.Role == "system" })
}

// mergeLeading makes one message of the system messages at the beginning.
func mergeLeading(messages []Message) []Message {
	n := 0
	for n < len(messages) && messages[n].Role == "system" {
		n++
	}
	if n < 2 {
		return messages
	}
	first := messages[0]
	for _, m := range messages[1:n] {
		first.Content = joinContent(first.Content, m.Content)
	}
	return append([]Message{first}, messages[n:]...)
}

// foldSystem makes each system message, beginning with that at index from, part of the next message where that is the
// user's, else of the one before.
func foldSystem(messages []Message, from int) []Message {
	out := slices.Clone(messages[:from])
	var waiting *Message
	settle := func() {
		if waiting == nil {
			return
		}
		if n := len(out); n > 0 && out[n-1].Role == "user" {
			out[n-1].Content = joinContent(out[n-1].Content, waiting.Content)
		} else {
			waiting.Role = "user"
			out = append(out, *waiting)
		}
		waiting = nil
	}
	for _, m := range messages[from:] {
		switch {
		case m.Role == "system" && waiting == nil:
			waiting = &m
			continue
		case m.Role == "system":
			waiting.Content = joinContent(waiting.Content, m.Content)
			continue
		case m.Role == "user" && waiting != nil:
			m.Content = joinContent(waiting.Content, m.Content)
			waiting = nil
		default:
			settle()
		}
		out = append(out, m)
	}
	settle()
	return out
}

// joinContent puts a blank line between two contents.
func joinContent(a, b Content) Content {
	switch {
	case a.empty():
		return b
	case b.empty():
		return a
	case a.Parts == nil && b.Parts == nil:
		return TextContent(a.Text + "\n\n" + b.Text)
	}
	return ListContent(slices.Concat(a.asParts(), []Part{{Kind: PartText, Text: "\n\n"}}, b.asParts())...)
}

// asParts is the content as parts.
func (c Content) asParts() []Part {
	if c.Parts != nil {
		return c.Parts
	}
	return []Part{{Kind: PartText, Text: c.Text}}
}
