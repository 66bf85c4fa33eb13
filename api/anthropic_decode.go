package api

import (
	"encoding/json"
	"math"
	"slices"

	"github.com/qwenvld/qwenvld/router"
)

// decodeAnthropic checks a body of POST /v1/messages, or with counting of /v1/messages/count_tokens, and turns it into the chat request
// that it means.
func (r *requestDecoder) decodeAnthropic(body []byte, counting bool) (*chatRequest, error) {
	root, err := r.parse(body)
	if err != nil {
		return nil, err
	}
	d := &decoder{limits: r.limits, req: &chatRequest{}}
	table := anthropicTable()
	for i := range root.members {
		m := &root.members[i]
		read, ok := table[m.key]
		if !ok {
			d.fail(abbreviate(m.key), codeUnknown, "unknown parameter %q", abbreviate(m.key))
			break
		}
		if m.value.kind != kindNull {
			read(d, &m.value, m.key)
		}
	}
	needed := []string{"model", "messages", "max_tokens"}
	if counting {
		needed = needed[:2]
	}
	for _, name := range needed {
		if present(root, name) == nil {
			d.fail(name, codeMissing, "%s is required", name)
		}
	}
	// What the system says comes first, wherever the member stands.
	if system := present(root, "system"); system != nil && d.err == nil {
		d.systemText(system, "system")
	}
	d.finishAnthropicTools()
	d.finishForm()
	d.finishPrefill()
	if d.err != nil {
		return nil, d.err
	}
	return d.req, nil
}

func anthropicTable() map[string]param {
	sampling := samplingTable()
	text := func(d *decoder, v *value, path string) { d.text(v, path) }
	never := func(why string) param {
		return func(d *decoder, _ *value, path string) { d.fail(path, codeUnsupported, "%s", why) }
	}
	core := coreParams()
	return map[string]param{
		"model": core["model"], "stream": core["stream"], "stop_sequences": core["stop"],
		"temperature": sampling["temperature"], "top_p": sampling["top_p"], "top_k": sampling["top_k"],
		"mm_processor_kwargs": core["mm_processor_kwargs"],
		"max_tokens": func(d *decoder, v *value, path string) {
			d.req.MaxTokens = ptr(int(d.integer(v, path, 1, math.MaxInt32)))
		},
		"messages":    (*decoder).anthropicMessages,
		"system":      func(*decoder, *value, string) {}, // read last, put first
		"tools":       (*decoder).anthropicTools,
		"tool_choice": func(d *decoder, v *value, _ string) { d.toolChoice = v },
		// Display asks for summaries, which are not made: thoughts come as they are.
		"thinking": func(d *decoder, v *value, path string) { d.thinking(v.without("display"), path) },
		"metadata": func(d *decoder, v *value, path string) {
			if d.want(v, path, kindObject) {
				d.keys(v, path, "user_id")
			}
		},
		"service_tier": text,
		// Prompts are cached without being asked.
		"cache_control": func(*decoder, *value, string) {},
		"output_config": (*decoder).outputConfig,
		"container":     never("containers are not supported"),
		"mcp_servers":   never("MCP servers are not supported; run them in the client"),
	}
}

// outputConfig is Anthropic's way to ask for effort and for a form of the answer.
func (d *decoder) outputConfig(v *value, path string) {
	if !d.want(v, path, kindObject) {
		return
	}
	d.keys(v, path, "effort", "format")
	if m := present(v, "effort"); m != nil {
		name := d.oneOf(m, path+".effort", "low", "medium", "high", "xhigh", "max")
		if name == "max" {
			name = "xhigh"
		}
		effort, err := router.ParseEffort(name)
		if err != nil {
			d.fail(path+".effort", codeInvalidValue, "%s", err)
		}
		d.req.Controls.Effort = effort
	}
	f := present(v, "format")
	if f == nil || !d.want(f, path+".format", kindObject) {
		return
	}
	d.keys(f, path+".format", "type", "schema")
	d.oneOf(orEmpty(present(f, "type")), path+".format.type", "json_schema")
	schema := present(f, "schema")
	if schema == nil {
		d.fail(path+".format.schema", codeMissing, "a format needs a schema")
		return
	}
	d.format = d.schemaForm(schema, path+".format.schema", true)
}

// systemText puts a system message before all others.
func (d *decoder) systemText(v *value, path string) {
	m := chatMessage{Role: roleSystem}
	if v.kind == kindString {
		m.IsText, m.Text = true, unquote(v.raw)
	} else if d.want(v, path, kindArray) {
		for i := range v.items {
			d.anthropicText(&v.items[i], index(path, i), &m)
		}
	}
	d.req.Messages = slices.Insert(d.req.Messages, 0, m)
}

func (d *decoder) anthropicText(v *value, path string, m *chatMessage) {
	if !d.want(v, path, kindObject) {
		return
	}
	d.keys(v, path, "type", "text", "cache_control", "citations")
	if t := present(v, "type"); t == nil || d.text(t, path+".type") != "text" {
		d.fail(path+".type", codeInvalidValue, "must be text here")
		return
	}
	m.Parts = append(m.Parts, chatPart{Text: d.member(v, path, "text")})
}

// member reads a text that must be there.
func (d *decoder) member(v *value, path, key string) string {
	m := present(v, key)
	if m == nil {
		d.fail(path+"."+key, codeMissing, "%s is required", key)
		return ""
	}
	return d.text(m, path+"."+key)
}

func (d *decoder) anthropicMessages(v *value, path string) {
	if !d.want(v, path, kindArray) {
		return
	}
	if len(v.items) == 0 || len(v.items) > d.limits.Messages {
		d.fail(path, codeInvalidValue, "must have 1 to %d messages", d.limits.Messages)
		return
	}
	for i := range v.items {
		if d.err != nil {
			return
		}
		d.anthropicMessage(&v.items[i], index(path, i))
	}
}

func (d *decoder) anthropicMessage(v *value, path string) {
	if !d.want(v, path, kindObject) {
		return
	}
	d.keys(v, path, "role", "content")
	m := chatMessage{Role: roleUser}
	if d.oneOf(orEmpty(present(v, "role")), path+".role", "user", "assistant") == "assistant" {
		m.Role = roleAssistant
	}
	content := present(v, "content")
	path += ".content"
	switch {
	case content == nil:
		d.fail(path, codeMissing, "a message needs content")
	case content.kind == kindString:
		m.IsText, m.Text = true, unquote(content.raw)
		d.req.Messages = append(d.req.Messages, m)
	case d.want(content, path, kindArray):
		for i := range content.items {
			if d.err != nil {
				return
			}
			d.anthropicBlock(&content.items[i], index(path, i), &m)
		}
		if len(m.Parts) > 0 || len(m.ToolCalls) > 0 || m.Reasoning != nil {
			m.IsText = len(m.Parts) == 0
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

func (d *decoder) anthropicBlock(v *value, path string, m *chatMessage) {
	if !d.want(v, path, kindObject) {
		return
	}
	switch kind := d.text(orEmpty(present(v, "type")), path+".type"); {
	case kind == "text":
		d.anthropicText(v, path, m)
	case kind == "image":
		d.anthropicImage(v, path, m)
	case kind == "tool_result" && m.Role == roleUser:
		d.anthropicResult(v, path)
	case kind == "tool_use" && m.Role == roleAssistant:
		d.keys(v, path, "type", "id", "name", "input", "cache_control", "caller")
		call := toolCall{ID: d.member(v, path, "id"), Name: d.functionName(v, path), Arguments: json.RawMessage("{}")}
		if input := present(v, "input"); input != nil && d.want(input, path+".input", kindObject) {
			call.Arguments = rawCopy(input)
		}
		m.ToolCalls = append(m.ToolCalls, call)
	case kind == "thinking" && m.Role == roleAssistant:
		d.keys(v, path, "type", "thinking", "signature", "cache_control")
		thought := d.member(v, path, "thinking")
		if m.Reasoning != nil {
			thought = *m.Reasoning + "\n" + thought
		}
		m.Reasoning = &thought
	case kind == "redacted_thinking":
		d.fail(path+".type", codeUnsupported, "this server made no redacted thinking and cannot read it")
	case kind == "document" || kind == "search_result":
		d.fail(path+".type", codeUnsupported, "%s blocks are not supported", kind)
	case slices.Contains([]string{"video", "video_url", "input_video"}, kind):
		d.fail(path+".type", codeUnsupported, "this API has no videos; send them to /v1/chat/completions or /v1/responses")
	default:
		d.fail(path+".type", codeInvalidValue, "%q is no block of a %s message", abbreviate(kind), m.Role)
	}
}

// anthropicResult is a message of its own, before what the user says beside it.
func (d *decoder) anthropicResult(v *value, path string) {
	d.keys(v, path, "type", "tool_use_id", "content", "is_error", "cache_control")
	m := chatMessage{Role: roleTool, ToolCallID: d.member(v, path, "tool_use_id")}
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
	case d.want(content, path+".content", kindArray):
		for i := range content.items {
			at := index(path+".content", i)
			if t := present(&content.items[i], "type"); t != nil && t.kind == kindString && unquote(t.raw) == "image" {
				d.anthropicImage(&content.items[i], at, &m)
			} else {
				d.anthropicText(&content.items[i], at, &m)
			}
		}
		m.IsText = len(m.Parts) == 0
	}
	d.req.Messages = append(d.req.Messages, m)
}

func (d *decoder) anthropicImage(v *value, path string, m *chatMessage) {
	d.keys(v, path, "type", "source", "cache_control")
	path += ".source"
	source := present(v, "source")
	if source == nil {
		d.fail(path, codeMissing, "an image needs a source")
		return
	}
	if !d.want(source, path, kindObject) {
		return
	}
	ref := imageRef{Path: path + ".url"}
	switch kind := d.text(orEmpty(present(source, "type")), path+".type"); kind {
	case "url":
		d.keys(source, path, "type", "url")
		ref.URL = d.member(source, path, "url")
	case "base64":
		d.keys(source, path, "type", "media_type", "data")
		ref.Path = path + ".data"
		media := d.oneOf(orEmpty(present(source, "media_type")), path+".media_type", "image/jpeg", "image/png", "image/gif", "image/webp")
		ref.URL = "data:" + media + ";base64," + d.member(source, path, "data")
	case "file":
		d.fail(path+".type", codeUnsupported, "files are not supported; send base64 or a url")
	default:
		d.fail(path+".type", codeInvalidValue, "must be base64 or url, not %q", abbreviate(kind))
	}
	if len(d.req.Images) == d.limits.Images {
		d.fail(path, codeInvalidValue, "at most %d images per request are allowed", d.limits.Images)
		return
	}
	d.req.Images = append(d.req.Images, ref)
	m.Parts = append(m.Parts, chatPart{IsImage: true})
}

// anthropicTools puts tools into the form that chat templates show.
func (d *decoder) anthropicTools(v *value, path string) {
	if !d.want(v, path, kindArray) {
		return
	}
	if len(v.items) > d.limits.Tools {
		d.fail(path, codeInvalidValue, "at most %d tools are allowed", d.limits.Tools)
		return
	}
	for i := range v.items {
		t, at := &v.items[i], index(path, i)
		if !d.want(t, at, kindObject) {
			return
		}
		if kind := present(t, "type"); kind != nil && d.text(kind, at+".type") != "custom" {
			d.fail(at+".type", codeUnsupported, "only custom tools are supported, which the client runs")
			return
		}
		d.keys(t, at, "type", "name", "description", "input_schema", "cache_control", "strict")
		d.flatTool(t, at, "input_schema")
	}
}

func (d *decoder) finishAnthropicTools() {
	d.choice = toolChoice{mode: choiceAuto}
	c := d.toolChoice
	if c == nil || d.err != nil || !d.want(c, "tool_choice", kindObject) {
		return
	}
	d.keys(c, "tool_choice", "type", "name", "disable_parallel_tool_use")
	if m := present(c, "disable_parallel_tool_use"); m != nil {
		d.parallelToolCalls = ptr(!d.flag(m, "tool_choice.disable_parallel_tool_use"))
	}
	switch d.oneOf(orEmpty(present(c, "type")), "tool_choice.type", "auto", "any", "tool", "none") {
	case "any":
		d.choice.mode = choiceRequired
	case "none":
		d.choice.mode, d.req.ToolsOff = choiceNone, true
	case "tool":
		d.choice = toolChoice{mode: choiceRequired, name: d.member(c, "tool_choice", "name")}
		if d.err == nil && !slices.ContainsFunc(d.tools, func(t toolSpec) bool { return t.name == d.choice.name }) {
			d.fail("tool_choice.name", codeInvalidValue, "%q is not among the tools", abbreviate(d.choice.name))
		}
	}
	if d.choice.mode == choiceRequired && len(d.tools) == 0 {
		d.fail("tool_choice", codeInvalidValue, "is only allowed when tools are given")
	}
}

func mustJSON(s string) []byte {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always encodes
	}
	return data
}
