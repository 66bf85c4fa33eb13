package chat

import (
	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/api/request"
)

func (d *decoder) messages(v *jsonbody.Value, path string) {
	if !d.Want(v, path, jsonbody.Array) {
		return
	}
	if len(v.Items) == 0 {
		d.Fail(path, fault.CodeInvalidValue, "must not be empty")
		return
	}
	if len(v.Items) > d.Limits().Messages {
		d.Fail(path, fault.CodeInvalidValue, "at most %d messages are allowed", d.Limits().Messages)
		return
	}
	d.Request.Messages = make([]request.Message, 0, len(v.Items))
	for i := range v.Items {
		if !d.OK() {
			return
		}
		d.message(&v.Items[i], jsonbody.At(path, i))
	}
}

func (d *decoder) message(v *jsonbody.Value, path string) {
	if !d.Want(v, path, jsonbody.Object) {
		return
	}
	r := jsonbody.Present(v, "role")
	if r == nil {
		d.Fail(path+".role", fault.CodeMissing, "a message needs a role")
		return
	}
	m := request.Message{Path: path}
	switch name := d.Text(r, path+".role"); name {
	case "system", "developer":
		m.Role = request.RoleSystem
		d.Keys(v, path, "role", "content")
	case "user":
		m.Role = request.RoleUser
		d.Keys(v, path, "role", "content")
	case "assistant":
		m.Role = request.RoleAssistant
		d.assistant(v, path, &m)
	case "tool":
		m.Role = request.RoleTool
		d.toolMessage(v, path, &m)
	case "function":
		d.Fail(path+".role", fault.CodeUnsupported, "role function is deprecated; send a tool message")
	default:
		d.Fail(path+".role", fault.CodeInvalidValue, "must be one of system, developer, user, assistant, tool, not %q",
			jsonbody.Abbreviate(name))
	}
	d.content(v, path+".content", &m)
	d.Request.Messages = append(d.Request.Messages, m)
}

// assistant reads a turn of the model. SDKs and gateways send a reply back as they got it, with members of their own.
func (d *decoder) assistant(v *jsonbody.Value, path string, m *request.Message) {
	d.Keys(v, path, "role", "content", "tool_calls", "reasoning_content", "reasoning", "refusal", "audio", "prefix", "partial")
	for _, key := range []string{"reasoning_content", "reasoning"} {
		r := jsonbody.Present(v, key)
		if r == nil || key == "reasoning" && r.Kind != jsonbody.String {
			continue
		}
		text := d.Text(r, path+"."+key)
		if m.Reasoning != nil && *m.Reasoning != text {
			d.Fail(path+"."+key, fault.CodeInvalidValue, "contradicts reasoning_content; send one of them")
		}
		m.Reasoning = &text
	}
	calls := jsonbody.Present(v, "tool_calls")
	if calls == nil || !d.Want(calls, path+".tool_calls", jsonbody.Array) {
		return
	}
	for i := range calls.Items {
		d.toolCall(&calls.Items[i], jsonbody.At(path+".tool_calls", i), m)
	}
}

func (d *decoder) toolCall(v *jsonbody.Value, path string, m *request.Message) {
	if !d.Want(v, path, jsonbody.Object) {
		return
	}
	d.Keys(v, path, "id", "type", "function", "custom")
	kind := "function"
	if t := jsonbody.Present(v, "type"); t != nil {
		kind = d.OneOf(t, path+".type", "function", "custom")
	}
	f := jsonbody.Present(v, kind)
	at := path + "." + kind
	if f == nil {
		d.Fail(at, fault.CodeMissing, "a tool call needs a %s", kind)
		return
	}
	if !d.Want(f, at, jsonbody.Object) {
		return
	}
	call := request.ToolCall{Name: d.Member(f, at, "name")}
	if id := jsonbody.Present(v, "id"); id != nil {
		call.ID = d.Text(id, path+".id")
	}
	if kind == "custom" {
		d.Keys(f, at, "name", "input")
		call.Arguments = request.CustomInput(d.Member(f, at, "input"))
	} else {
		d.Keys(f, at, "name", "arguments")
		call.Arguments = d.CallArguments(jsonbody.Present(f, "arguments"), at+".arguments")
	}
	m.ToolCalls = append(m.ToolCalls, call)
}

func (d *decoder) toolMessage(v *jsonbody.Value, path string, m *request.Message) {
	d.Keys(v, path, "role", "content", "tool_call_id")
	id := jsonbody.Present(v, "tool_call_id")
	if id == nil {
		d.Fail(path+".tool_call_id", fault.CodeMissing, "a tool message needs a tool_call_id")
		return
	}
	m.ToolCallID = d.Text(id, path+".tool_call_id")
	if !d.AnswersCall(m.ToolCallID) {
		d.Fail(path+".tool_call_id", fault.CodeInvalidValue, "no earlier assistant message has a tool call %q",
			jsonbody.Abbreviate(m.ToolCallID))
	}
}

// content reads a message's content. An assistant, like a tool, may have nothing to say, in whichever way a client
// writes nothing.
func (d *decoder) content(v *jsonbody.Value, path string, m *request.Message) {
	c := jsonbody.Present(v, "content")
	if c == nil && m.Role == request.RoleAssistant {
		c = jsonbody.Present(v, "refusal") // what it said instead
	}
	silent := m.Role == request.RoleAssistant || m.Role == request.RoleTool
	switch {
	case c == nil:
		if !silent {
			d.Fail(path, fault.CodeMissing, "a message needs content")
		}
		m.IsText = true
	case c.Kind == jsonbody.String:
		m.IsText, m.Text = true, jsonbody.TextOf(c)
	case c.Kind == jsonbody.Array:
		if len(c.Items) == 0 && !silent {
			d.Fail(path, fault.CodeInvalidValue, "must not be empty")
		}
		for i := range c.Items {
			if !d.OK() {
				return
			}
			d.part(&c.Items[i], jsonbody.At(path, i), m)
		}
		m.IsText = len(m.Parts) == 0
	default:
		d.Fail(path, fault.CodeInvalidValue, "must be a string or an array of parts, not %s", c.Kind)
	}
}

func (d *decoder) part(v *jsonbody.Value, path string, m *request.Message) {
	if v.Kind == jsonbody.String { // a list of texts, as some frameworks write it
		m.Parts = append(m.Parts, request.Part{Text: jsonbody.TextOf(v)})
		return
	}
	if !d.Want(v, path, jsonbody.Object) {
		return
	}
	t := jsonbody.Present(v, "type")
	if t == nil {
		d.Fail(path+".type", fault.CodeMissing, "a content part needs a type")
		return
	}
	switch name := d.Text(t, path+".type"); name {
	case "text", "input_text", "output_text":
		d.Keys(v, path, "type", "text")
		m.Parts = append(m.Parts, request.Part{Text: d.Member(v, path, "text")})
	case "refusal":
		d.Keys(v, path, "type", "refusal")
		m.Parts = append(m.Parts, request.Part{Text: d.Member(v, path, "refusal")})
	case "thinking", "reasoning":
		d.thoughtPart(v, path, name, m)
	case "image_url", "input_image":
		d.ImagePart(v, path, m)
	case "video_url", "input_video", "video":
		d.VideoPart(v, path, name, m)
	case "input_audio", "audio_url":
		d.Fail(path+".type", fault.CodeUnsupported, "this model does not take audio")
	case "file", "input_file":
		d.Fail(path+".type", fault.CodeUnsupported, "files are not supported")
	default:
		d.Fail(path+".type", fault.CodeInvalidValue, "must be text, image_url or video_url, not %q", jsonbody.Abbreviate(name))
	}
}

// thoughtPart reads thoughts that a gateway put among the content of an answer.
func (d *decoder) thoughtPart(v *jsonbody.Value, path, kind string, m *request.Message) {
	d.Keys(v, path, "type", "text", kind)
	if m.Role != request.RoleAssistant {
		d.Fail(path+".type", fault.CodeInvalidValue, "%s is a part of an assistant message", kind)
		return
	}
	text := jsonbody.Present(v, kind)
	if text == nil {
		text = jsonbody.OrEmpty(jsonbody.Present(v, "text"))
	}
	if text.Kind != jsonbody.String { // lists of summaries and the like
		return
	}
	m.AddReasoning(jsonbody.TextOf(text))
}
