package api

import (
	"encoding/json"
	"strings"
)

func (d *decoder) messages(v *value, path string) {
	if !d.want(v, path, kindArray) {
		return
	}
	if len(v.items) == 0 {
		d.fail(path, codeInvalidValue, "must not be empty")
		return
	}
	if len(v.items) > d.limits.Messages {
		d.fail(path, codeInvalidValue, "at most %d messages are allowed", d.limits.Messages)
		return
	}
	d.req.Messages = make([]chatMessage, 0, len(v.items))
	for i := range v.items {
		if d.err != nil {
			return
		}
		d.message(&v.items[i], index(path, i))
	}
}

func (d *decoder) message(v *value, path string) {
	if !d.want(v, path, kindObject) {
		return
	}
	r := present(v, "role")
	if r == nil {
		d.fail(path+".role", codeMissing, "a message needs a role")
		return
	}
	m := chatMessage{Path: path}
	switch name := d.text(r, path+".role"); name {
	case "system", "developer":
		m.Role = roleSystem
		d.keys(v, path, "role", "content")
	case "user":
		m.Role = roleUser
		d.keys(v, path, "role", "content")
	case "assistant":
		m.Role = roleAssistant
		d.assistant(v, path, &m)
	case "tool":
		m.Role = roleTool
		d.toolMessage(v, path, &m)
	case "function":
		d.fail(path+".role", codeUnsupported, "role function is deprecated; send a tool message")
	default:
		d.fail(path+".role", codeInvalidValue, "must be one of system, developer, user, assistant, tool, not %q", abbreviate(name))
	}
	d.content(v, path+".content", &m)
	d.req.Messages = append(d.req.Messages, m)
}

// assistant reads a turn of the model. SDKs and gateways send a reply back as they got it, with members of their own.
func (d *decoder) assistant(v *value, path string, m *chatMessage) {
	d.keys(v, path, "role", "content", "tool_calls", "reasoning_content", "reasoning", "refusal", "audio", "prefix", "partial")
	for _, key := range []string{"reasoning_content", "reasoning"} {
		r := present(v, key)
		if r == nil || key == "reasoning" && r.kind != kindString {
			continue
		}
		text := d.text(r, path+"."+key)
		if m.Reasoning != nil && *m.Reasoning != text {
			d.fail(path+"."+key, codeInvalidValue, "contradicts reasoning_content; send one of them")
		}
		m.Reasoning = &text
	}
	calls := present(v, "tool_calls")
	if calls == nil || !d.want(calls, path+".tool_calls", kindArray) {
		return
	}
	for i := range calls.items {
		d.toolCall(&calls.items[i], index(path+".tool_calls", i), m)
	}
}

func (d *decoder) toolCall(v *value, path string, m *chatMessage) {
	if !d.want(v, path, kindObject) {
		return
	}
	d.keys(v, path, "id", "type", "function", "custom")
	kind := "function"
	if t := present(v, "type"); t != nil {
		kind = d.oneOf(t, path+".type", "function", "custom")
	}
	f := present(v, kind)
	at := path + "." + kind
	if f == nil {
		d.fail(at, codeMissing, "a tool call needs a %s", kind)
		return
	}
	if !d.want(f, at, kindObject) {
		return
	}
	call := toolCall{Name: d.member(f, at, "name")}
	if id := present(v, "id"); id != nil {
		call.ID = d.text(id, path+".id")
	}
	if kind == "custom" {
		d.keys(f, at, "name", "input")
		call.Arguments = customInput(d.member(f, at, "input"))
	} else {
		d.keys(f, at, "name", "arguments")
		call.Arguments = d.callArguments(present(f, "arguments"), at+".arguments")
	}
	m.ToolCalls = append(m.ToolCalls, call)
}

// callArguments are a call's arguments as the template shows them: a text as it stands, of which nothing at all means none.
func (d *decoder) callArguments(a *value, path string) json.RawMessage {
	switch {
	case a == nil, a.kind == kindString && strings.TrimSpace(unquote(a.raw)) == "":
		return json.RawMessage("{}")
	case a.kind == kindObject || a.kind == kindString:
		return rawCopy(a)
	}
	d.fail(path, codeInvalidValue, "must be a string, not %s", a.kind)
	return nil
}

// customInput shows what went into a custom tool of another server the way function calls are shown.
func customInput(input string) json.RawMessage {
	return json.RawMessage(`{"input": ` + string(mustJSON(input)) + `}`)
}

func (d *decoder) toolMessage(v *value, path string, m *chatMessage) {
	d.keys(v, path, "role", "content", "tool_call_id")
	id := present(v, "tool_call_id")
	if id == nil {
		d.fail(path+".tool_call_id", codeMissing, "a tool message needs a tool_call_id")
		return
	}
	m.ToolCallID = d.text(id, path+".tool_call_id")
	if !d.answersCall(m.ToolCallID) {
		d.fail(path+".tool_call_id", codeInvalidValue, "no earlier assistant message has a tool call %q", abbreviate(m.ToolCallID))
	}
}

// answersCall reports whether an earlier assistant message made the call id.
func (d *decoder) answersCall(id string) bool {
	for i := range d.req.Messages {
		for _, c := range d.req.Messages[i].ToolCalls {
			if c.ID == id {
				return true
			}
		}
	}
	return false
}

// content reads a message's content. An assistant, like a tool, may have nothing to say, in whichever way a client writes nothing.
func (d *decoder) content(v *value, path string, m *chatMessage) {
	c := present(v, "content")
	if c == nil && m.Role == roleAssistant {
		c = present(v, "refusal") // what it said instead
	}
	silent := m.Role == roleAssistant || m.Role == roleTool
	switch {
	case c == nil:
		if !silent {
			d.fail(path, codeMissing, "a message needs content")
		}
		m.IsText = true
	case c.kind == kindString:
		m.IsText, m.Text = true, unquote(c.raw)
	case c.kind == kindArray:
		if len(c.items) == 0 && !silent {
			d.fail(path, codeInvalidValue, "must not be empty")
		}
		for i := range c.items {
			if d.err != nil {
				return
			}
			d.part(&c.items[i], index(path, i), m)
		}
		m.IsText = len(m.Parts) == 0
	default:
		d.fail(path, codeInvalidValue, "must be a string or an array of parts, not %s", c.kind)
	}
}

func (d *decoder) part(v *value, path string, m *chatMessage) {
	if v.kind == kindString { // a list of texts, as some frameworks write it
		m.Parts = append(m.Parts, chatPart{Text: unquote(v.raw)})
		return
	}
	if !d.want(v, path, kindObject) {
		return
	}
	t := present(v, "type")
	if t == nil {
		d.fail(path+".type", codeMissing, "a content part needs a type")
		return
	}
	switch name := d.text(t, path+".type"); name {
	case "text", "input_text", "output_text":
		d.keys(v, path, "type", "text")
		m.Parts = append(m.Parts, chatPart{Text: d.member(v, path, "text")})
	case "refusal":
		d.keys(v, path, "type", "refusal")
		m.Parts = append(m.Parts, chatPart{Text: d.member(v, path, "refusal")})
	case "thinking", "reasoning":
		d.thoughtPart(v, path, name, m)
	case "image_url", "input_image":
		d.imagePart(v, path, m)
	case "video_url", "input_video", "video":
		d.videoPart(v, path, name, m)
	case "input_audio", "audio_url":
		d.fail(path+".type", codeUnsupported, "this model does not take audio")
	case "file", "input_file":
		d.fail(path+".type", codeUnsupported, "files are not supported")
	default:
		d.fail(path+".type", codeInvalidValue, "must be text, image_url or video_url, not %q", abbreviate(name))
	}
}

// thoughtPart reads thoughts that a gateway put among the content of an answer.
func (d *decoder) thoughtPart(v *value, path, kind string, m *chatMessage) {
	d.keys(v, path, "type", "text", kind)
	if m.Role != roleAssistant {
		d.fail(path+".type", codeInvalidValue, "%s is a part of an assistant message", kind)
		return
	}
	text := present(v, kind)
	if text == nil {
		text = orEmpty(present(v, "text"))
	}
	if text.kind != kindString { // lists of summaries and the like
		return
	}
	m.addThought(unquote(text.raw))
}

func (m *chatMessage) addThought(text string) {
	if m.Reasoning != nil {
		text = *m.Reasoning + "\n" + text
	}
	m.Reasoning = &text
}

// imagePart takes {"image_url": {"url", "detail"}} and the flat form {"image_url": "...", "detail"}.
func (d *decoder) imagePart(v *value, path string, m *chatMessage) {
	d.keys(v, path, "type", "image_url", "detail")
	if m.Role == roleSystem {
		// The reference templates accept it, OpenAI does not, and the model was not trained on it.
		d.fail(path+".type", codeUnsupported, "images are allowed in user, assistant and tool messages only")
		return
	}
	u := present(v, "image_url")
	if u == nil {
		d.fail(path+".image_url", codeMissing, "an image part needs an image_url")
		return
	}
	ref := imageRef{Path: path + ".image_url"}
	detail, detailPath := present(v, "detail"), path+".detail"
	url := u
	if u.kind == kindObject {
		d.keys(u, ref.Path, "url", "detail")
		if inner := present(u, "detail"); inner != nil {
			detail, detailPath = inner, ref.Path+".detail"
		}
		ref.Path += ".url"
		if url = present(u, "url"); url == nil {
			d.fail(ref.Path, codeMissing, "an image part needs a url")
			return
		}
	}
	if ref.URL = d.text(url, ref.Path); ref.URL == "" {
		d.fail(ref.Path, codeInvalidValue, "must not be empty")
	}
	if detail != nil {
		ref.Low = d.oneOf(detail, detailPath, "auto", "low", "high", "original") == "low"
	}
	d.addImage(&ref, m)
}
