package api

import (
	"encoding/json"
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
	case "function_call":
		d.keys(v, path, "type", "id", "call_id", "name", "arguments", "status")
		call := toolCall{ID: d.member(v, path, "call_id"), Name: d.functionName(v, path)}
		call.Arguments = mustJSON(d.member(v, path, "arguments"))
		m := d.openTurn(func(last *chatMessage) bool { return true })
		m.ToolCalls = append(m.ToolCalls, call)
	case "function_call_output":
		d.responseResult(v, path)
	case "item_reference":
		d.fail(path+".type", codeUnsupported, "item references are not supported; send the item or use previous_response_id")
	default:
		d.fail(path+".type", codeUnsupported, "items of type %q are not supported", abbreviate(kind))
	}
}

// openTurn is the assistant's turn that an item belongs to: the last message if it is the assistant's and fits, else a new one. Items of
// one turn follow each other.
func (d *decoder) openTurn(fits func(*chatMessage) bool) *chatMessage {
	if n := len(d.req.Messages); n > 0 {
		if last := &d.req.Messages[n-1]; last.Role == roleAssistant && fits(last) {
			return last
		}
	}
	d.req.Messages = append(d.req.Messages, chatMessage{Role: roleAssistant, IsText: true})
	return &d.req.Messages[len(d.req.Messages)-1]
}

func (d *decoder) responseMessage(v *value, path string) {
	d.keys(v, path, "type", "id", "status", "role", "content", "phase")
	m := chatMessage{IsText: true}
	switch d.oneOf(orEmpty(present(v, "role")), path+".role", "user", "assistant", "system", "developer") {
	case "assistant":
		m.Role = roleAssistant
	case "user":
		m.Role = roleUser
	default:
		m.Role = roleSystem
	}
	content := present(v, "content")
	path += ".content"
	switch {
	case content == nil:
		d.fail(path, codeMissing, "a message needs content")
	case content.kind == kindString:
		m.Text = unquote(content.raw)
	default:
		d.responseParts(content, path, &m)
	}
	if m.Role != roleAssistant {
		d.req.Messages = append(d.req.Messages, m)
		return
	}
	turn := d.openTurn(func(last *chatMessage) bool {
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
			d.keys(p, at, "type", "text", "annotations", "logprobs", "parsed")
			m.Parts = append(m.Parts, chatPart{Text: d.member(p, at, "text")})
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

// responseThought reads a reasoning item, whose text is in its content or, from other servers, in its summary.
func (d *decoder) responseThought(v *value, path string) {
	d.keys(v, path, "type", "id", "status", "summary", "content", "encrypted_content")
	if present(v, "encrypted_content") != nil {
		d.fail(path+".encrypted_content", codeUnsupported, "this server made no encrypted reasoning and cannot read it")
		return
	}
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
	turn := d.openTurn(func(last *chatMessage) bool {
		return last.Reasoning == nil && last.Text == "" && len(last.Parts) == 0 && len(last.ToolCalls) == 0
	})
	turn.Reasoning = ptr(strings.Join(texts, "\n\n"))
}

func (d *decoder) responseResult(v *value, path string) {
	d.keys(v, path, "type", "id", "call_id", "output", "status")
	m := chatMessage{Role: roleTool, IsText: true, ToolCallID: d.member(v, path, "call_id")}
	if d.err == nil && !d.answersCall(m.ToolCallID) {
		d.fail(path+".call_id", codeInvalidValue, "no earlier function_call has the call_id %q", abbreviate(m.ToolCallID))
	}
	switch output := present(v, "output"); {
	case output == nil:
		d.fail(path+".output", codeMissing, "output is required")
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
