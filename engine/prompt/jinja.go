package prompt

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/engine/prompt/jinja"
	"github.com/qwenvld/qwenvld/engine/prompt/pyjson"
)

// jinjaRenderer renders with any template.
type jinjaRenderer struct{ template *jinja.Template }

// The indices of the marks that a jinjaRenderer's template knows.
const (
	imageMark = iota
	videoMarks
)

func newJinjaRenderer(text string, specials []string) (Renderer, error) {
	template, err := jinja.Compile(text, jinja.Vocabulary{
		Special: specials,
		Marks:   []jinja.Mark{imageMark: {Text: imagePad, Core: imagePad}, videoMarks: {Text: videoMark, Core: videoPad}},
	})
	if err != nil {
		return nil, err
	}
	return &jinjaRenderer{template}, nil
}

// Name implements Renderer.
func (*jinjaRenderer) Name() string { return "jinja" }

// Render implements Renderer.
func (r *jinjaRenderer) Render(c *Conversation) (Rendered, error) {
	if len(c.Messages) == 0 {
		return Rendered{}, errNoMessages()
	}
	var values jinjaValues
	data, err := values.conversation(c)
	if err != nil {
		return Rendered{}, err
	}
	spans, err := r.template.Render(data)
	var refusal *jinja.RefusalError
	if errors.As(err, &refusal) {
		return Rendered{}, &ConversationError{Message: -1, Param: "messages", Reason: refusal.Reason}
	}
	if err != nil {
		return Rendered{}, err
	}
	out := values.rendered(spans)
	open := strings.HasSuffix(strings.TrimRight(out.String(), "\n"), thinkOpen)
	out.ThinkOpen = open && c.AddGenerationPrompt
	return out, nil
}

// RenderAll implements Renderer: what a message says must be in the prompt.
func (r *jinjaRenderer) RenderAll(c *Conversation) (Rendered, error) {
	rendered, err := r.Render(c)
	if err != nil {
		return Rendered{}, err
	}
	text := rendered.String()
	for i := range c.Messages {
		if err := checkShown(text, i, &c.Messages[i]); err != nil {
			return Rendered{}, err
		}
	}
	if len(c.Tools) > 0 && !r.showsTools(c, text) {
		return Rendered{}, &ConversationError{Message: -1, Param: "tools", Reason: "this model's chat template does not render tools"}
	}
	return rendered, nil
}

// checkShown finds what of message i is not in the prompt.
func checkShown(prompt string, i int, m *Message) error {
	texts := []string{m.Content.Text}
	for _, p := range m.Content.Parts {
		texts = append(texts, p.Text)
	}
	for _, text := range texts {
		// Templates trim, and cut reasoning out of earlier answers.
		if _, after, cut := strings.Cut(text, thinkClose); cut && m.Role == "assistant" {
			text = after
		}
		if !strings.Contains(prompt, strings.TrimSpace(jinja.Visible(text))) {
			return messageError(i, "content", "this model's chat template does not render this %s message", m.Role)
		}
	}
	for j, call := range m.ToolCalls {
		if !strings.Contains(prompt, call.Name) {
			return messageError(i, fmt.Sprintf("tool_calls[%d]", j), "this model's chat template does not render tool calls")
		}
	}
	return nil
}

// showsTools reports whether the tools are in the prompt: word for word as most templates write them, or else so that
// the prompt would be another one without them.
func (r *jinjaRenderer) showsTools(c *Conversation, text string) bool {
	missing := slices.ContainsFunc(c.Tools, func(tool json.RawMessage) bool {
		v, err := pyjson.Parse(tool)
		return err != nil || !strings.Contains(text, jinja.Visible(pyjson.Text(v)))
	})
	if !missing {
		return true
	}
	bare := *c
	bare.Tools = nil
	without, err := r.Render(&bare)
	return err != nil || without.String() != text
}
