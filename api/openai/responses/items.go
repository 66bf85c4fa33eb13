package responses

import (
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/api/request"
)

// items reads input items, or those of an earlier turn, as messages.
func (d *decoder) items(v *jsonbody.Value, path string) {
	for i := range v.Items {
		if !d.OK() {
			return
		}
		if most := d.Limits().Messages; len(d.Request.Messages) >= most {
			d.Fail(path, fault.CodeInvalidValue, "a conversation may have at most %d messages", most)
			return
		}
		at := jsonbody.At(path, i)
		if path != paramPrompt {
			at = path // the client does not see the items of earlier turns
		}
		d.item(&v.Items[i], at)
	}
}

func (d *decoder) item(v *jsonbody.Value, path string) {
	if !d.Want(v, path, jsonbody.Object) {
		return
	}
	kind := itemMessage
	if t := jsonbody.Present(v, "type"); t != nil {
		kind = d.Text(t, path+".type")
	}
	switch kind {
	case itemMessage:
		d.message(v, path)
	case itemReasoning:
		d.thoughts(v, path)
	case itemCall, "custom_tool_call":
		d.call(v, path, kind)
	case "function_call_output", "custom_tool_call_output":
		d.callOutput(v, path)
	case itemReference:
		d.Fail(path+".id", fault.CodeNotFound, "no kept response has the item %q; send the item itself",
			jsonbody.Abbreviate(jsonbody.MemberText(v, "id")))
	default:
		if !slices.Contains(hostedToolItems, kind) {
			d.Fail(path+".type", fault.CodeUnsupported, "items of type %q are not supported", jsonbody.Abbreviate(kind))
		}
	}
}

// hostedToolItems are what OpenAI's own tools left in a conversation. Where it goes on here, they say nothing that the
// model could be shown.
var hostedToolItems = []string{
	"web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_list_tools",
	"mcp_call", "mcp_approval_request", "mcp_approval_response", "tool_search_call", "tool_search_output", "compaction",
}

// assistantMessage is the message that an item of the assistant belongs to: the last one where that is the assistant's
// and has a place for the item, else a new one. Items that make up one message follow each other.
func (d *decoder) assistantMessage(path string, hasPlace func(*request.Message) bool) *request.Message {
	if n := len(d.Request.Messages); n > 0 {
		if last := &d.Request.Messages[n-1]; last.Role == request.RoleAssistant && hasPlace(last) {
			return last
		}
	}
	d.Request.Messages = append(d.Request.Messages,
		request.Message{Role: request.RoleAssistant, Path: path, IsText: true})
	return &d.Request.Messages[len(d.Request.Messages)-1]
}

// call reads a call of the assistant. One of a custom tool, of another server, is shown like any other.
func (d *decoder) call(v *jsonbody.Value, path, kind string) {
	call := request.ToolCall{ID: d.Member(v, path, "call_id"), Name: d.Member(v, path, "name")}
	if kind == itemCall {
		d.Keys(v, path, "type", "call_id", "name", "arguments")
		call.Arguments = d.CallArguments(jsonbody.Present(v, "arguments"), path+".arguments")
	} else {
		d.Keys(v, path, "type", "call_id", "name", "input")
		call.Arguments = request.CustomInput(d.Member(v, path, "input"))
	}
	m := d.assistantMessage(path, func(*request.Message) bool { return true })
	m.ToolCalls = append(m.ToolCalls, call)
}

func (d *decoder) message(v *jsonbody.Value, path string) {
	d.Keys(v, path, "type", "role", "content")
	m := request.Message{Path: path, IsText: true}
	role := jsonbody.OrEmpty(jsonbody.Present(v, "role"))
	switch d.OneOf(role, path+".role", "user", "assistant", "system", "developer") {
	case "assistant":
		m.Role = request.RoleAssistant
	case "user":
		m.Role = request.RoleUser
	default:
		m.Role = request.RoleSystem
	}
	switch content := jsonbody.Present(v, "content"); {
	case content == nil && m.Role != request.RoleAssistant:
		d.Fail(path+".content", fault.CodeMissing, "a message needs content")
	case content == nil:
	case content.Kind == jsonbody.String:
		m.Text = jsonbody.TextOf(content)
	default:
		d.parts(content, path+".content", &m)
	}
	if m.Role != request.RoleAssistant {
		d.Request.Messages = append(d.Request.Messages, m)
		return
	}
	answer := d.assistantMessage(path, isUnanswered)
	answer.IsText, answer.Text, answer.Parts = m.IsText, m.Text, m.Parts
}

// isUnanswered says whether a message of the assistant has thoughts at most.
func isUnanswered(m *request.Message) bool {
	return m.Text == "" && len(m.Parts) == 0 && len(m.ToolCalls) == 0
}

// parts reads a list of content parts.
func (d *decoder) parts(v *jsonbody.Value, path string, m *request.Message) {
	if !d.Want(v, path, jsonbody.Array) {
		return
	}
	for i := range v.Items {
		part, at := &v.Items[i], jsonbody.At(path, i)
		if !d.OK() || !d.Want(part, at, jsonbody.Object) {
			return
		}
		d.part(part, at, m)
	}
	m.IsText = len(m.Parts) == 0
}

func (d *decoder) part(v *jsonbody.Value, path string, m *request.Message) {
	switch kind := d.Text(jsonbody.OrEmpty(jsonbody.Present(v, "type")), path+".type"); kind {
	case "input_text", "output_text", "text":
		d.Keys(v, path, "type", "text")
		m.Parts = append(m.Parts, request.Part{Text: d.Member(v, path, "text")})
	case "refusal", "summary_text", "reasoning_text":
		d.Keys(v, path, "type", "text", "refusal")
		text := jsonbody.MemberText(v, "text") + jsonbody.MemberText(v, "refusal")
		m.Parts = append(m.Parts, request.Part{Text: text})
	case "input_image":
		if jsonbody.Present(v, "file_id") != nil {
			d.Fail(path+".file_id", fault.CodeUnsupported, "files are not kept here; send image_url")
			return
		}
		d.ImagePart(v.Without("file_id"), path, m)
	case "input_video", "video_url", "video":
		d.VideoPart(v, path, kind, m)
	case "input_file":
		d.Fail(path+".type", fault.CodeUnsupported, "files are not supported")
	case "input_audio":
		d.Fail(path+".type", fault.CodeUnsupported, "this model does not take audio")
	default:
		d.Fail(path+".type", fault.CodeInvalidValue,
			"must be input_text, input_image, input_video or output_text, not %q", jsonbody.Abbreviate(kind))
	}
}

// thoughts reads a reasoning item, whose text is in its content or, from other servers, in its summary. What those
// encrypted cannot be read and is left out.
func (d *decoder) thoughts(v *jsonbody.Value, path string) {
	d.Keys(v, path, "type", "summary", "content", "encrypted_content")
	var texts []string
	for _, key := range []string{"content", "summary"} {
		parts := jsonbody.Present(v, key)
		if parts == nil || len(texts) > 0 || !d.Want(parts, path+"."+key, jsonbody.Array) {
			continue
		}
		for i := range parts.Items {
			part, at := &parts.Items[i], jsonbody.At(path+"."+key, i)
			if !d.Want(part, at, jsonbody.Object) {
				return
			}
			d.Keys(part, at, "type", "text")
			kind := jsonbody.OrEmpty(jsonbody.Present(part, "type"))
			d.OneOf(kind, at+".type", "reasoning_text", "summary_text", "text")
			texts = append(texts, d.Member(part, at, "text"))
		}
	}
	if len(texts) == 0 {
		return
	}
	text := strings.Join(texts, "\n\n")
	m := d.assistantMessage(path, func(last *request.Message) bool {
		return last.Reasoning == nil && isUnanswered(last)
	})
	m.Reasoning = &text
}

func (d *decoder) callOutput(v *jsonbody.Value, path string) {
	d.Keys(v, path, "type", "call_id", "output")
	m := request.Message{Role: request.RoleTool, Path: path, IsText: true, ToolCallID: d.Member(v, path, "call_id")}
	if d.OK() && !d.AnswersCall(m.ToolCallID) {
		d.Fail(path+".call_id", fault.CodeInvalidValue, "no earlier function_call has the call_id %q",
			jsonbody.Abbreviate(m.ToolCallID))
	}
	switch output := jsonbody.Present(v, "output"); {
	case output == nil: // a function that returned nothing
	case output.Kind == jsonbody.String:
		m.Text = jsonbody.TextOf(output)
	default:
		d.parts(output, path+".output", &m)
	}
	d.Request.Messages = append(d.Request.Messages, m)
}
