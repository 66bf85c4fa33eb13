package anthropic

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/api/request"
)

func (d *decoder) messages(v *jsonbody.Value, path string) {
	if !d.Want(v, path, jsonbody.Array) {
		return
	}
	if len(v.Items) == 0 || len(v.Items) > d.Limits().Messages {
		d.Fail(path, fault.CodeInvalidValue, "must have 1 to %d messages", d.Limits().Messages)
		return
	}
	for i := range v.Items {
		if !d.OK() {
			return
		}
		d.message(&v.Items[i], jsonbody.At(path, i))
	}
}

// message reads one message, and the results of tools in it as messages of their own.
func (d *decoder) message(v *jsonbody.Value, path string) {
	if !d.Want(v, path, jsonbody.Object) {
		return
	}
	d.Keys(v, path, "role", "content")
	m := request.Message{Role: request.RoleUser, Path: path}
	switch d.OneOf(jsonbody.OrEmpty(jsonbody.Present(v, "role")), path+".role", "user", "assistant", "system") {
	case "assistant":
		m.Role = request.RoleAssistant
	case "system":
		m.Role = request.RoleSystem
	}
	content := jsonbody.Present(v, "content")
	path += ".content"
	switch {
	case content == nil && m.Role == request.RoleAssistant:
		m.IsText = true
		d.Request.Messages = append(d.Request.Messages, m)
	case content == nil:
		d.Fail(path, fault.CodeMissing, "a message needs content")
	case content.Kind == jsonbody.String:
		m.IsText, m.Text = true, jsonbody.TextOf(content)
		d.Request.Messages = append(d.Request.Messages, m)
	case d.Want(content, path, jsonbody.Array):
		results := len(d.Request.Messages)
		for i := range content.Items {
			if !d.OK() {
				return
			}
			d.block(&content.Items[i], jsonbody.At(path, i), &m)
		}
		m.IsText = len(m.Parts) == 0
		// A user's message may be nothing but results, which are messages of their own.
		if !m.IsText || m.Role != request.RoleUser || len(d.Request.Messages) == results {
			d.Request.Messages = append(d.Request.Messages, m)
		}
	}
}

// serverBlock says whether blocks of this kind are what tools of Anthropic's servers left in an answer, or thoughts
// that only those servers can read. Where a conversation goes on here, they say nothing that the model could be shown.
func serverBlock(kind string) bool {
	switch kind {
	case "redacted_thinking", "server_tool_use", "fallback", "tool_reference", "container_upload":
		return true
	}
	return strings.HasPrefix(kind, "mcp_tool_") || strings.HasSuffix(kind, "_tool_result")
}

// block reads a block of a message's content.
func (d *decoder) block(v *jsonbody.Value, path string, m *request.Message) { //nolint:cyclop // one case for each type of block
	if !d.Want(v, path, jsonbody.Object) {
		return
	}
	switch kind := d.Text(jsonbody.OrEmpty(jsonbody.Present(v, "type")), path+".type"); {
	case kind == "text":
		d.textPart(v, path, m)
	case kind == "image":
		d.image(v, path, m)
	case kind == "document" || kind == "search_result" || kind == "compaction":
		d.document(v, path, m)
	case kind == "tool_result" && m.Role == request.RoleUser:
		d.result(v, path)
	case kind == "tool_use" && m.Role == request.RoleAssistant:
		d.call(v, path, m)
	case kind == "thinking" && m.Role == request.RoleAssistant:
		d.Keys(v, path, "type", "thinking")
		m.AddReasoning(d.Member(v, path, "thinking"))
	case serverBlock(kind):
	case slices.Contains([]string{"video", "video_url", "input_video"}, kind):
		d.Fail(path+".type", fault.CodeUnsupported,
			"this API has no videos; send them to /v1/chat/completions or /v1/responses")
	default:
		d.Fail(path+".type", fault.CodeInvalidValue, "%q is no block of a %s message",
			jsonbody.Abbreviate(kind), m.Role)
	}
}

// textPart reads a block that must be a text.
func (d *decoder) textPart(v *jsonbody.Value, path string, m *request.Message) {
	if !d.Want(v, path, jsonbody.Object) {
		return
	}
	d.Keys(v, path, "type", "text")
	if t := jsonbody.Present(v, "type"); t == nil || d.Text(t, path+".type") != "text" {
		d.Fail(path+".type", fault.CodeInvalidValue, "must be text here")
		return
	}
	m.Parts = append(m.Parts, request.Part{Text: d.Member(v, path, "text")})
}

// call reads a call that the model made.
func (d *decoder) call(v *jsonbody.Value, path string, m *request.Message) {
	d.Keys(v, path, "type", "id", "name", "input")
	call := request.ToolCall{
		ID: d.Member(v, path, "id"), Name: d.Member(v, path, "name"), Arguments: json.RawMessage("{}"),
	}
	if input := jsonbody.Present(v, "input"); input != nil && d.Want(input, path+".input", jsonbody.Object) {
		call.Arguments = jsonbody.RawCopy(input)
	}
	m.ToolCalls = append(m.ToolCalls, call)
}

// document shows a document, or a result of the client's search, that is text.
func (d *decoder) document(v *jsonbody.Value, path string, m *request.Message) {
	d.Keys(v, path, "type", "source", "context", "content", "encrypted_content")
	if title := jsonbody.MemberText(v, "title"); title != "" {
		m.Parts = append(m.Parts, request.Part{Text: title + "\n"})
	}
	source, at := jsonbody.Present(v, "source"), path+".source"
	if source == nil || source.Kind == jsonbody.String { // of a search result it is where it was found
		source, at = v, path
	}
	if data := jsonbody.Present(source, "data"); data != nil {
		d.Keys(source, at, "type", "data")
		if kind := jsonbody.MemberText(source, "type"); kind != "text" {
			d.Fail(at+".type", fault.CodeUnsupported,
				"only documents of text can be read, not %q; send their pages as images", jsonbody.Abbreviate(kind))
			return
		}
		m.Parts = append(m.Parts, request.Part{Text: d.Text(data, at+".data")})
		return
	}
	content := jsonbody.Present(source, "content")
	switch {
	case content == nil:
		d.Fail(at+".type", fault.CodeUnsupported, "only documents of text can be read; send their pages as images")
	case content.Kind == jsonbody.String:
		m.Parts = append(m.Parts, request.Part{Text: jsonbody.TextOf(content)})
	default:
		d.parts(content, at+".content", m)
	}
}

// parts reads texts, images and documents inside another block.
func (d *decoder) parts(v *jsonbody.Value, path string, m *request.Message) {
	if !d.Want(v, path, jsonbody.Array) {
		return
	}
	for i := range v.Items {
		item, at := &v.Items[i], jsonbody.At(path, i)
		if !d.OK() || !d.Want(item, at, jsonbody.Object) {
			return
		}
		switch kind := jsonbody.MemberText(item, "type"); {
		case kind == "image":
			d.image(item, at, m)
		case kind == "document" || kind == "search_result":
			d.document(item, at, m)
		case serverBlock(kind):
		default:
			d.textPart(item, at, m)
		}
	}
}

// result is a message of its own, before what the user says beside it.
func (d *decoder) result(v *jsonbody.Value, path string) {
	d.Keys(v, path, "type", "tool_use_id", "content", "is_error")
	m := request.Message{Role: request.RoleTool, Path: path, ToolCallID: d.Member(v, path, "tool_use_id")}
	if d.OK() && !d.AnswersCall(m.ToolCallID) {
		d.Fail(path+".tool_use_id", fault.CodeInvalidValue, "no earlier assistant message has a tool_use %q",
			jsonbody.Abbreviate(m.ToolCallID))
	}
	if e := jsonbody.Present(v, "is_error"); e != nil {
		d.Flag(e, path+".is_error")
	}
	switch content := jsonbody.Present(v, "content"); {
	case content == nil:
		m.IsText = true
	case content.Kind == jsonbody.String:
		m.IsText, m.Text = true, jsonbody.TextOf(content)
	default:
		d.parts(content, path+".content", &m)
		m.IsText = len(m.Parts) == 0
	}
	d.Request.Messages = append(d.Request.Messages, m)
}

// image reads a picture, as base64 or as a URL.
func (d *decoder) image(v *jsonbody.Value, path string, m *request.Message) {
	d.Keys(v, path, "type", "source")
	path += ".source"
	source := jsonbody.Present(v, "source")
	if source == nil {
		d.Fail(path, fault.CodeMissing, "an image needs a source")
		return
	}
	if !d.Want(source, path, jsonbody.Object) {
		return
	}
	if m.Role == request.RoleSystem {
		d.Fail(path, fault.CodeUnsupported, "images are allowed in user, assistant and tool messages only")
		return
	}
	ref := request.Image{Path: path + ".url"}
	switch kind := d.Text(jsonbody.OrEmpty(jsonbody.Present(source, "type")), path+".type"); kind {
	case "url":
		d.Keys(source, path, "type", "url")
		ref.URL = d.Member(source, path, "url")
	case "base64":
		// What kind of image it is, its bytes tell better than media_type, which clients guess.
		d.Keys(source, path, "type", "data")
		ref.Path = path + ".data"
		ref.URL = "data:image/png;base64," + d.Member(source, path, "data")
	case "file":
		d.Fail(path+".type", fault.CodeUnsupported, "files are not supported; send base64 or a url")
	default:
		d.Fail(path+".type", fault.CodeInvalidValue, "must be base64 or url, not %q", jsonbody.Abbreviate(kind))
	}
	d.AddImage(&ref, m)
}
