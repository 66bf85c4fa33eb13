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
	var m chatMessage
	switch name := d.text(r, path+".role"); name {
	case "system", "developer":
		m.Role = roleSystem
		d.keys(v, path, "role", "content", "name")
	case "user":
		m.Role = roleUser
		d.keys(v, path, "role", "content", "name")
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
	// The chat template has no place for names; a tool's name is known from its call.
	if n := present(v, "name"); n != nil && m.Role != roleTool {
		d.fail(path+".name", codeUnsupported, "participant names cannot be shown to this model; put the name into the content")
	}
	d.content(v, path+".content", &m)
	d.req.Messages = append(d.req.Messages, m)
}

func (d *decoder) assistant(v *value, path string, m *chatMessage) {
	d.keys(v, path, "role", "content", "name", "tool_calls", "reasoning_content", "reasoning",
		"refusal", "audio", "function_call", "annotations")
	// SDKs send a reply back as they got it, with these members null or empty.
	for _, key := range []string{"refusal", "audio", "function_call"} {
		if present(v, key) != nil {
			d.fail(path+"."+key, codeUnsupported, "%s in an assistant message is not supported", key)
		}
	}
	if a := present(v, "annotations"); a != nil && d.want(a, path+".annotations", kindArray) && len(a.items) > 0 {
		d.fail(path+".annotations", codeUnsupported, "annotations are not supported")
	}
	for _, key := range []string{"reasoning_content", "reasoning"} {
		r := present(v, key)
		if r == nil {
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
	d.keys(v, path, "id", "type", "function", "index")
	if t := present(v, "type"); t != nil {
		d.oneOf(t, path+".type", "function")
	}
	f := present(v, "function")
	path += ".function"
	if f == nil {
		d.fail(path, codeMissing, "a tool call needs a function")
		return
	}
	if !d.want(f, path, kindObject) {
		return
	}
	d.keys(f, path, "name", "arguments")
	call := toolCall{Name: d.functionName(f, path)}
	if id := present(v, "id"); id != nil {
		call.ID = d.text(id, strings.TrimSuffix(path, ".function")+".id")
	}
	switch a := present(f, "arguments"); {
	case a == nil:
		call.Arguments = json.RawMessage("{}")
	case a.kind == kindObject || a.kind == kindString:
		call.Arguments = rawCopy(a)
	default:
		d.fail(path+".arguments", codeInvalidValue, "must be a string, not %s", a.kind)
	}
	m.ToolCalls = append(m.ToolCalls, call)
}

func (d *decoder) toolMessage(v *value, path string, m *chatMessage) {
	d.keys(v, path, "role", "content", "name", "tool_call_id")
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

func (d *decoder) content(v *value, path string, m *chatMessage) {
	c := present(v, "content")
	switch {
	case c == nil:
		// Only an assistant turn that called tools, or reasoned, may say nothing.
		if m.Role != roleAssistant || len(m.ToolCalls) == 0 && m.Reasoning == nil {
			d.fail(path, codeMissing, "a message needs content")
		}
		m.IsText = true
	case c.kind == kindString:
		m.IsText, m.Text = true, unquote(c.raw)
	case c.kind == kindArray:
		if len(c.items) == 0 {
			d.fail(path, codeInvalidValue, "must not be empty")
		}
		for i := range c.items {
			if d.err != nil {
				return
			}
			d.part(&c.items[i], index(path, i), m)
		}
	default:
		d.fail(path, codeInvalidValue, "must be a string or an array of parts, not %s", c.kind)
	}
}

func (d *decoder) part(v *value, path string, m *chatMessage) {
	if !d.want(v, path, kindObject) {
		return
	}
	t := present(v, "type")
	if t == nil {
		d.fail(path+".type", codeMissing, "a content part needs a type")
		return
	}
	switch name := d.text(t, path+".type"); name {
	case "text":
		d.keys(v, path, "type", "text")
		text := present(v, "text")
		if text == nil {
			d.fail(path+".text", codeMissing, "a text part needs text")
			return
		}
		m.Parts = append(m.Parts, chatPart{Text: d.text(text, path+".text")})
	case "image_url", "input_image":
		d.imagePart(v, path, m)
	case "video_url", "input_video", "video":
		d.videoPart(v, path, name, m)
	case "input_audio", "audio_url":
		d.fail(path+".type", codeUnsupported, "this model does not take audio")
	case "file", "input_file":
		d.fail(path+".type", codeUnsupported, "files are not supported")
	case "refusal":
		d.fail(path+".type", codeUnsupported, "refusal parts are not supported")
	default:
		d.fail(path+".type", codeInvalidValue, "must be text, image_url or video_url, not %q", abbreviate(name))
	}
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
	detail := present(v, "detail")
	detailPath := path + ".detail"
	url := u
	if u.kind == kindObject {
		d.keys(u, ref.Path, "url", "detail")
		if detail != nil {
			d.fail(detailPath, codeUnknown, "detail belongs into image_url")
		}
		detail, detailPath = present(u, "detail"), ref.Path+".detail"
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
		ref.Low = d.oneOf(detail, detailPath, "auto", "low", "high") == "low"
	}
	if len(d.req.Images) == d.limits.Images {
		d.fail(ref.Path, codeInvalidValue, "at most %d images per request are allowed", d.limits.Images)
		return
	}
	d.req.Images = append(d.req.Images, ref)
	m.Parts = append(m.Parts, chatPart{IsImage: true})
}
