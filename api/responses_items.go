package api

import (
	"encoding/json"
	"slices"
	"strings"
)

// responseItems reads input items, or those of an earlier turn, as messages.
func (d *decoder) responseItems(v *value, path string) {
	for i := range v.items {
		if d.err != nil {
			return
		}
		if len(d.req.Messages) >= d.limits.Messages {
			d.fail(path, codeInvalidValue, "a conversation may have at most %d messages", d.limits.Messages)
			return
		}
		at := index(path, i)
		if path != "input" {
			at = path // the client does not see the items of earlier turns
		}
		d.responseItem(&v.items[i], at)
	}
}

func (d *decoder) responseItem(v *value, path string) {
	if !d.want(v, path, kindObject) {
		return
	}
	kind := "message"
	if t := present(v, "type"); t != nil {
		kind = d.text(t, path+".type")
	}
	switch kind {
	case "message":
		d.responseMessage(v, path)
	case "reasoning":
		d.responseThought(v, path)
	case "function_call", "custom_tool_call":
		d.responseCall(v, path, kind)
	case "function_call_output", "custom_tool_call_output":
		d.responseResult(v, path)
	case "item_reference":
		d.fail(path+".id", codeNotFound, "no kept response has the item %q; send the item itself", abbreviate(memberText(v, "id")))
	default:
		if !slices.Contains(serverItems, kind) {
			d.fail(path+".type", codeUnsupported, "items of type %q are not supported", abbreviate(kind))
		}
	}
}

// serverItems are what OpenAI's own tools left in a conversation. Where it goes on here, they say nothing that the model could be shown.
var serverItems = []string{
	"web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_list_tools", "mcp_call",
	"mcp_approval_request", "mcp_approval_response", "tool_search_call", "tool_search_output", "compaction",
}

// responseCall reads a call of the assistant; one of a custom tool, of another server, is shown like any other.
func (d *decoder) responseCall(v *value, path, kind string) {
	call := toolCall{ID: d.member(v, path, "call_id"), Name: d.member(v, path, "name")}
	if kind == "function_call" {
		d.keys(v, path, "type", "call_id", "name", "arguments")
		call.Arguments = d.callArguments(present(v, "arguments"), path+".arguments")
	} else {
		d.keys(v, path, "type", "call_id", "name", "input")
		call.Arguments = customInput(d.member(v, path, "input"))
	}
	m := d.openTurn(path, func(*chatMessage) bool { return true })
	m.ToolCalls = append(m.ToolCalls, call)
}

// openTurn is the assistant's turn that an item belongs to: the last message if it is the assistant's and fits, else a new one. Items of
// one turn follow each other.
func (d *decoder) openTurn(path string, fits func(*chatMessage) bool) *chatMessage {
	if n := len(d.req.Messages); n > 0 {
		if last := &d.req.Messages[n-1]; last.Role == roleAssistant && fits(last) {
			return last
		}
	}
	d.req.Messages = append(d.req.Messages, chatMessage{Role: roleAssistant, Path: path, IsText: true})
	return &d.req.Messages[len(d.req.Messages)-1]
}

func (d *decoder) responseMessage(v *value, path string) {
	d.keys(v, path, "type", "role", "content")
	m := chatMessage{Path: path, IsText: true}
	switch d.oneOf(orEmpty(present(v, "role")), path+".role", "user", "assistant", "system", "developer") {
	case "assistant":
		m.Role = roleAssistant
	case "user":
		m.Role = roleUser
	default:
		m.Role = roleSystem
	}
	switch content := present(v, "content"); {
	case content == nil && m.Role != roleAssistant:
		d.fail(path+".content", codeMissing, "a message needs content")
	case content == nil:
	case content.kind == kindString:
		m.Text = unquote(content.raw)
	default:
		d.responseParts(content, path+".content", &m)
	}
	if m.Role != roleAssistant {
		d.req.Messages = append(d.req.Messages, m)
		return
	}
	turn := d.openTurn(path, func(last *chatMessage) bool {
		return last.Text == "" && len(last.Parts) == 0 && len(last.ToolCalls) == 0
	})
	turn.IsText, turn.Text, turn.Parts = m.IsText, m.Text, m.Parts
}

// responseParts reads a list of content parts.
func (d *decoder) responseParts(v *value, path string, m *chatMessage) {
	if !d.want(v, path, kindArray) {
		return
	}
	for i := range v.items {
		p, at := &v.items[i], index(path, i)
		if d.err != nil || !d.want(p, at, kindObject) {
			return
		}
		switch kind := d.text(orEmpty(present(p, "type")), at+".type"); kind {
		case "input_text", "output_text", "text":
			d.keys(p, at, "type", "text")
			m.Parts = append(m.Parts, chatPart{Text: d.member(p, at, "text")})
		case "refusal", "summary_text", "reasoning_text":
			d.keys(p, at, "type", "text", "refusal")
			m.Parts = append(m.Parts, chatPart{Text: memberText(p, "text") + memberText(p, "refusal")})
		case "input_image":
			if present(p, "file_id") != nil {
				d.fail(at+".file_id", codeUnsupported, "files are not kept here; send image_url")
				return
			}
			d.imagePart(p.without("file_id"), at, m)
		case "input_video", "video_url", "video":
			d.videoPart(p, at, kind, m)
		case "input_file":
			d.fail(at+".type", codeUnsupported, "files are not supported")
		case "input_audio":
			d.fail(at+".type", codeUnsupported, "this model does not take audio")
		default:
			d.fail(at+".type", codeInvalidValue, "must be input_text, input_image, input_video or output_text, not %q", abbreviate(kind))
		}
	}
	m.IsText = len(m.Parts) == 0
}

// responseThought reads a reasoning item, whose text is in its content or, from other servers, in its summary. What those encrypted
// cannot be read and is left out.
func (d *decoder) responseThought(v *value, path string) {
	d.keys(v, path, "type", "summary", "content", "encrypted_content")
	var texts []string
	for _, key := range []string{"content", "summary"} {
		list := present(v, key)
		if list == nil || len(texts) > 0 || !d.want(list, path+"."+key, kindArray) {
			continue
		}
		for i := range list.items {
			at := index(path+"."+key, i)
			if !d.want(&list.items[i], at, kindObject) {
				return
			}
			d.keys(&list.items[i], at, "type", "text")
			d.oneOf(orEmpty(present(&list.items[i], "type")), at+".type", "reasoning_text", "summary_text", "text")
			texts = append(texts, d.member(&list.items[i], at, "text"))
		}
	}
	if len(texts) == 0 {
		return
	}
	turn := d.openTurn(path, func(last *chatMessage) bool {
		return last.Reasoning == nil && last.Text == "" && len(last.Parts) == 0 && len(last.ToolCalls) == 0
	})
	turn.Reasoning = ptr(strings.Join(texts, "\n\n"))
}

func (d *decoder) responseResult(v *value, path string) {
	d.keys(v, path, "type", "call_id", "output")
	m := chatMessage{Role: roleTool, Path: path, IsText: true, ToolCallID: d.member(v, path, "call_id")}
	if d.err == nil && !d.answersCall(m.ToolCallID) {
		d.fail(path+".call_id", codeInvalidValue, "no earlier function_call has the call_id %q", abbreviate(m.ToolCallID))
	}
	switch output := present(v, "output"); {
	case output == nil: // a function that returned nothing
	case output.kind == kindString:
		m.Text = unquote(output.raw)
	default:
		d.responseParts(output, path+".output", &m)
	}
	d.req.Messages = append(d.req.Messages, m)
}

// items joins lists of items into one JSON array.
func joinItems(items []json.RawMessage) json.RawMessage {
	if items == nil {
		items = []json.RawMessage{}
	}
	out, err := json.Marshal(items)
	if err != nil {
		panic(err) // the parts were JSON
	}
	return out
}
