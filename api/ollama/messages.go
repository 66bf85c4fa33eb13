package ollama

import (
	"strings"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/api/request"
)

func (d *decoder) messages(v *jsonbody.Value, path string) {
	if len(v.Items) > d.Limits().Messages {
		d.Fail(path, fault.CodeInvalidValue, "at most %d messages are allowed", d.Limits().Messages)
	}
	d.each(v, path, jsonbody.Object, d.message)
}

// each reads the items of a list, which are of one kind. No list is an empty one.
func (d *decoder) each(list *jsonbody.Value, path string, kind jsonbody.Kind, read func(*jsonbody.Value, string)) {
	list = jsonbody.OrEmptyList(list)
	if !d.Want(list, path, jsonbody.Array) {
		return
	}
	for i := range list.Items {
		if at := jsonbody.At(path, i); d.OK() && d.Want(&list.Items[i], at, kind) {
			read(&list.Items[i], at)
		}
	}
}

func (d *decoder) message(v *jsonbody.Value, path string) {
	role := d.OneOf(jsonbody.OrEmpty(jsonbody.Present(v, "role")), path+".role", "system", "user", "assistant", "tool")
	m := request.Message{Role: request.Role(role), Path: path}
	switch m.Role {
	case request.RoleAssistant:
		d.Keys(v, path, "role", "content", "images", "thinking", "tool_calls")
		if thinking := d.OptionalText(v, path, "thinking"); thinking != "" {
			m.AddReasoning(thinking)
		}
		d.each(jsonbody.Present(v, "tool_calls"), path+".tool_calls", jsonbody.Object,
			func(v *jsonbody.Value, path string) { d.call(v, path, &m) })
	case request.RoleTool: // a result; the model is shown results in the order of their calls, by no name or id
		d.Keys(v, path, "role", "content", "images", "tool_name", "tool_call_id")
		d.OptionalText(v, path, "tool_name")
		m.ToolCallID = d.OptionalText(v, path, "tool_call_id")
	case request.RoleSystem, request.RoleUser:
		d.Keys(v, path, "role", "content", "images")
	}
	// Pictures come before the text, as Ollama shows them.
	d.each(jsonbody.Present(v, "images"), path+".images", jsonbody.String,
		func(v *jsonbody.Value, path string) { d.image(v, path, &m) })
	text := d.OptionalText(v, path, "content")
	if len(m.Parts) == 0 {
		m.IsText, m.Text = true, text
	} else if text != "" {
		m.Parts = append(m.Parts, request.Part{Text: text})
	}
	d.Request.Messages = append(d.Request.Messages, m)
}

// image reads a picture in base64.
func (d *decoder) image(v *jsonbody.Value, path string, m *request.Message) {
	if m.Role == request.RoleSystem {
		d.Fail(path, fault.CodeUnsupported, "images are allowed in user, assistant and tool messages only")
	}
	url := jsonbody.TextOf(v)
	if !strings.HasPrefix(url, "data:") {
		url = "data:image/png;base64," + url // what kind of image it is, its bytes tell
	}
	d.AddImage(&request.Image{Path: path, URL: url}, m)
}

// call reads a call that the model made.
func (d *decoder) call(v *jsonbody.Value, path string, m *request.Message) {
	d.Keys(v, path, "id", "type", "function")
	id := d.OptionalText(v, path, "id")
	path += ".function"
	f := jsonbody.Present(v, "function")
	if f == nil {
		d.Fail(path, fault.CodeMissing, "a tool call needs a function")
	} else if d.Want(f, path, jsonbody.Object) {
		d.Keys(f, path, "index", "name", "arguments")
		call := request.ToolCall{ID: id, Name: d.Member(f, path, "name")}
		call.Arguments = d.CallArguments(jsonbody.Present(f, "arguments"), path+".arguments")
		m.ToolCalls = append(m.ToolCalls, call)
	}
}
