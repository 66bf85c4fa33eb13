package api

import (
	"encoding/json"
	"slices"
	"strings"
)

func (d *decoder) anthropicMessage(v *value, path string) {
	if !d.want(v, path, kindObject) {
		return
	}
	d.keys(v, path, "role", "content")
	m := chatMessage{Role: roleUser, Path: path}
	switch d.oneOf(orEmpty(present(v, "role")), path+".role", "user", "assistant", "system") {
	case "assistant":
		m.Role = roleAssistant
	case "system":
		m.Role = roleSystem
	}
	content := present(v, "content")
	path += ".content"
	switch {
	case content == nil && m.Role == roleAssistant:
		m.IsText = true
		d.req.Messages = append(d.req.Messages, m)
	case content == nil:
		d.fail(path, codeMissing, "a message needs content")
	case content.kind == kindString:
		m.IsText, m.Text = true, unquote(content.raw)
		d.req.Messages = append(d.req.Messages, m)
	case d.want(content, path, kindArray):
		results := len(d.req.Messages)
		for i := range content.items {
			if d.err != nil {
				return
			}
			d.anthropicBlock(&content.items[i], index(path, i), &m)
		}
		m.IsText = len(m.Parts) == 0
		// A user's message may be nothing but results, which are messages of their own.
		if !m.IsText || m.Role != roleUser || len(d.req.Messages) == results {
			d.req.Messages = append(d.req.Messages, m)
		}
	}
}

// orEmpty lets a missing member be read as an empty text, which no reader accepts.
func orEmpty(v *value) *value {
	if v == nil {
		return &value{kind: kindString, raw: []byte(`""`)}
	}
	return v
}

// serverBlocks are what tools of Anthropic's servers left in an answer, and thoughts that only those can read. Where a conversation goes
// on here, they say nothing that the model could be shown.
func serverBlock(kind string) bool {
	return kind == "redacted_thinking" || kind == "server_tool_use" || strings.HasPrefix(kind, "mcp_tool_") || kind == "fallback" ||
		strings.HasSuffix(kind, "_tool_result") && kind != "tool_result" || kind == "tool_reference" || kind == "container_upload"
}

func (d *decoder) anthropicBlock(v *value, path string, m *chatMessage) {
	if !d.want(v, path, kindObject) {
		return
	}
	switch kind := d.text(orEmpty(present(v, "type")), path+".type"); {
	case kind == "text":
		d.anthropicText(v, path, m)
	case kind == "image":
		d.anthropicImage(v, path, m)
	case kind == "document" || kind == "search_result" || kind == "compaction":
		d.anthropicDocument(v, path, m)
	case kind == "tool_result" && m.Role == roleUser:
		d.anthropicResult(v, path)
	case kind == "tool_use" && m.Role == roleAssistant:
		d.keys(v, path, "type", "id", "name", "input")
		call := toolCall{ID: d.member(v, path, "id"), Name: d.member(v, path, "name"), Arguments: json.RawMessage("{}")}
		if input := present(v, "input"); input != nil && d.want(input, path+".input", kindObject) {
			call.Arguments = rawCopy(input)
		}
		m.ToolCalls = append(m.ToolCalls, call)
	case kind == "thinking" && m.Role == roleAssistant:
		d.keys(v, path, "type", "thinking")
		m.addThought(d.member(v, path, "thinking"))
	case serverBlock(kind):
	case slices.Contains([]string{"video", "video_url", "input_video"}, kind):
		d.fail(path+".type", codeUnsupported, "this API has no videos; send them to /v1/chat/completions or /v1/responses")
	default:
		d.fail(path+".type", codeInvalidValue, "%q is no block of a %s message", abbreviate(kind), m.Role)
	}
}

// anthropicDocument shows a document, or a result of the client's search, that is text.
func (d *decoder) anthropicDocument(v *value, path string, m *chatMessage) {
	d.keys(v, path, "type", "source", "context", "content", "encrypted_content")
	if title := memberText(v, "title"); title != "" {
		m.Parts = append(m.Parts, chatPart{Text: title + "\n"})
	}
	source, at := present(v, "source"), path+".source"
	if source == nil || source.kind == kindString { // of a search result it is where it was found
		source, at = v, path
	}
	if data := present(source, "data"); data != nil {
		d.keys(source, at, "type", "data")
		if kind := memberText(source, "type"); kind != "text" {
			d.fail(at+".type", codeUnsupported, "only documents of text can be read, not %q; send their pages as images", abbreviate(kind))
			return
		}
		m.Parts = append(m.Parts, chatPart{Text: d.text(data, at+".data")})
		return
	}
	content := present(source, "content")
	switch {
	case content == nil:
		d.fail(at+".type", codeUnsupported, "only documents of text can be read; send their pages as images")
	case content.kind == kindString:
		m.Parts = append(m.Parts, chatPart{Text: unquote(content.raw)})
	default:
		d.anthropicParts(content, at+".content", m)
	}
}

// anthropicParts reads texts, images and documents inside another block.
func (d *decoder) anthropicParts(v *value, path string, m *chatMessage) {
	if !d.want(v, path, kindArray) {
		return
	}
	for i := range v.items {
		item, at := &v.items[i], index(path, i)
		if d.err != nil || !d.want(item, at, kindObject) {
			return
		}
		switch kind := memberText(item, "type"); {
		case kind == "image":
			d.anthropicImage(item, at, m)
		case kind == "document" || kind == "search_result":
			d.anthropicDocument(item, at, m)
		case serverBlock(kind):
		default:
			d.anthropicText(item, at, m)
		}
	}
}

// anthropicResult is a message of its own, before what the user says beside it.
func (d *decoder) anthropicResult(v *value, path string) {
	d.keys(v, path, "type", "tool_use_id", "content", "is_error")
	m := chatMessage{Role: roleTool, Path: path, ToolCallID: d.member(v, path, "tool_use_id")}
	if d.err == nil && !d.answersCall(m.ToolCallID) {
		d.fail(path+".tool_use_id", codeInvalidValue, "no earlier assistant message has a tool_use %q", abbreviate(m.ToolCallID))
	}
	if e := present(v, "is_error"); e != nil {
		d.flag(e, path+".is_error")
	}
	switch content := present(v, "content"); {
	case content == nil:
		m.IsText = true
	case content.kind == kindString:
		m.IsText, m.Text = true, unquote(content.raw)
	default:
		d.anthropicParts(content, path+".content", &m)
		m.IsText = len(m.Parts) == 0
	}
	d.req.Messages = append(d.req.Messages, m)
}

func (d *decoder) anthropicImage(v *value, path string, m *chatMessage) {
	d.keys(v, path, "type", "source")
	path += ".source"
	source := present(v, "source")
	if source == nil {
		d.fail(path, codeMissing, "an image needs a source")
		return
	}
	if !d.want(source, path, kindObject) {
		return
	}
	if m.Role == roleSystem {
		d.fail(path, codeUnsupported, "images are allowed in user, assistant and tool messages only")
		return
	}
	ref := imageRef{Path: path + ".url"}
	switch kind := d.text(orEmpty(present(source, "type")), path+".type"); kind {
	case "url":
		d.keys(source, path, "type", "url")
		ref.URL = d.member(source, path, "url")
	case "base64":
		// What kind of image it is, its bytes tell better than media_type, which clients guess.
		d.keys(source, path, "type", "data")
		ref.Path = path + ".data"
		ref.URL = "data:image/png;base64," + d.member(source, path, "data")
	case "file":
		d.fail(path+".type", codeUnsupported, "files are not supported; send base64 or a url")
	default:
		d.fail(path+".type", codeInvalidValue, "must be base64 or url, not %q", abbreviate(kind))
	}
	d.addImage(&ref, m)
}
