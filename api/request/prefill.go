package request

import "strings"

// Prefill is the beginning of the answer that a client wrote as the last message. The reply goes on from it.
type Prefill struct {
	// Reasoning and Text are what there is of the answer; Path is where the message stands, for errors.
	Reasoning, Text, Path string
}

// Prefill returns the last message where it begins the answer, nil otherwise.
func (r *Request) Prefill() *Prefill {
	if len(r.Messages) == 0 || r.NewTurn {
		return nil
	}
	last := &r.Messages[len(r.Messages)-1]
	if last.Role != RoleAssistant || len(last.ToolCalls) > 0 {
		return nil
	}
	var text strings.Builder
	text.WriteString(last.Text)
	for _, p := range last.Parts {
		if !p.IsText() {
			return nil
		}
		text.WriteString(p.Text)
	}
	out := &Prefill{Text: text.String(), Path: last.Path}
	if last.Reasoning != nil {
		out.Reasoning = *last.Reasoning
	}
	if out.Text == "" && out.Reasoning == "" {
		return nil
	}
	return out
}
