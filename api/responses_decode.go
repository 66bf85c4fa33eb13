package api

import (
	"encoding/json"
	"math"
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/router"
)

// responseRequest is a decoded and checked body of POST /v1/responses.
type responseRequest struct {
	*chatRequest
	// Store keeps the response; nil where the client did not say.
	Store      *bool
	Background bool
	Previous   string
	// Items are the request's own input items, each with an id.
	Items []json.RawMessage
	echo  responseEcho
}

// responseEcho are members of the request that the response shows again, as the client wrote them.
type responseEcho struct {
	Instructions    *string
	MaxOutputTokens *int
	Metadata        json.RawMessage
	Effort          *string
	Summary         *string
	Format          json.RawMessage
	ToolChoice      json.RawMessage
	Tools           []json.RawMessage
	TopLogprobs     int
	Parallel        bool
	User, CacheKey  *string
	SafetyID        *string
}

// previousID is the id of the response that a body goes on from, "" if none.
func previousID(root *value) (string, error) {
	d := &decoder{}
	m := present(root, "previous_response_id")
	if m == nil {
		return "", nil
	}
	id := d.text(m, "previous_response_id")
	if d.err != nil {
		return "", d.err
	}
	return id, nil
}

// decodeResponse checks a body. past holds the lists of items of earlier turns, oldest first; newID makes ids for items without one.
func (r *requestDecoder) decodeResponse(root *value, past []json.RawMessage, newID func() string) (*responseRequest, error) {
	d := &decoder{limits: r.limits, req: &chatRequest{}}
	out := &responseRequest{chatRequest: d.req, echo: responseEcho{Parallel: true}}
	table := d.responseTable(out)
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
	if present(root, "model") == nil {
		d.fail("model", codeMissing, "model is required")
	}
	if d.err != nil {
		return nil, d.err
	}
	const everyTurn = 16 // values of one turn's list count against the whole conversation
	for _, list := range past {
		items, err := parseJSON(list, jsonLimits{depth: r.limits.Depth + 2, values: r.limits.Values * everyTurn})
		if err != nil {
			return nil, err
		}
		d.responseItems(items, "previous_response_id")
	}
	input := present(root, "input")
	switch {
	case input == nil:
		d.fail("input", codeMissing, "input is required")
	case input.kind == kindString:
		d.req.Messages = append(d.req.Messages, chatMessage{Role: roleUser, IsText: true, Text: unquote(input.raw)})
		out.Items = []json.RawMessage{withID(json.RawMessage(`{"type":"message","status":"completed","role":"user",`+
			`"content":[{"type":"input_text","text":`+string(input.raw)+`}]}`), newID)}
	case d.want(input, "input", kindArray):
		if len(input.items) == 0 {
			d.fail("input", codeInvalidValue, "must not be empty")
		}
		d.responseItems(input, "input")
		for i := range input.items {
			out.Items = append(out.Items, withID(rawCopy(&input.items[i]), newID))
		}
	}
	if d.err == nil && out.echo.Instructions != nil {
		d.instruct(*out.echo.Instructions)
	}
	d.continued = ptr(false) // items are turns that have ended
	d.finish()
	out.echo.TopLogprobs = d.req.TopLogprobs
	if d.err != nil {
		return nil, d.err
	}
	return out, nil
}

// withID gives an item an id unless it has one, and a type where it is a message in the short form.
func withID(item json.RawMessage, newID func() string) json.RawMessage {
	var has struct{ ID, Type *string }
	if json.Unmarshal(item, &has) != nil {
		return item
	}
	more := ""
	if has.Type == nil {
		more = `"type":"message",`
	}
	if has.ID == nil {
		prefix := "msg_"
		if has.Type != nil && *has.Type != "message" {
			prefix = "item_"
		}
		more += `"id":` + string(mustJSON(prefix+newID())) + `,`
	}
	return append(append(json.RawMessage("{"), more...), item[1:]...)
}

// instruct puts instructions before the conversation. A system message that is there already follows them in the same turn, since chat
// templates show one.
func (d *decoder) instruct(text string) {
	if first := &d.req.Messages[0]; first.Role == roleSystem {
		parts := first.Parts
		if first.IsText {
			parts = []chatPart{{Text: first.Text}}
		}
		*first = chatMessage{Role: roleSystem, Parts: append([]chatPart{{Text: text + "\n\n"}}, parts...)}
		return
	}
	d.req.Messages = slices.Insert(d.req.Messages, 0, chatMessage{Role: roleSystem, IsText: true, Text: text})
}

func (d *decoder) responseTable(out *responseRequest) map[string]param {
	core, thinking, sampling, other := coreParams(), thinkingTable(), samplingTable(), refusedParams()
	never := func(why string) param {
		return func(d *decoder, _ *value, path string) { d.fail(path, codeUnsupported, "%s", why) }
	}
	keep := func(to **string) param {
		return func(d *decoder, v *value, path string) { *to = ptr(d.text(v, path)) }
	}
	done := func(*decoder, *value, string) {} // read elsewhere
	e := &out.echo
	table := map[string]param{
		"model": core["model"], "stream": core["stream"], "stop": core["stop"], "mm_processor_kwargs": core["mm_processor_kwargs"],
		"media_io_kwargs":      core["media_io_kwargs"],
		"input":                done,
		"previous_response_id": func(d *decoder, v *value, path string) { out.Previous = d.text(v, path) },
		"instructions":         keep(&e.Instructions),
		"user":                 keep(&e.User),
		"prompt_cache_key":     keep(&e.CacheKey),
		"safety_identifier":    keep(&e.SafetyID),
		"store":                func(d *decoder, v *value, path string) { out.Store = ptr(d.flag(v, path)) },
		"background":           func(d *decoder, v *value, path string) { out.Background = d.flag(v, path) },
		"max_output_tokens": func(d *decoder, v *value, path string) {
			d.req.MaxTokens, d.req.MaxTokensParam = ptr(int(d.integer(v, path, 1, math.MaxInt32))), path
			e.MaxOutputTokens = d.req.MaxTokens
		},
		"top_logprobs": func(d *decoder, v *value, path string) {
			d.topLogprobs = ptr(int(d.integer(v, path, 0, maxTopLogprobs)))
			d.req.Logprobs = true
		},
		"metadata": func(d *decoder, v *value, path string) {
			d.metadata(v, path)
			e.Metadata = rawCopy(v)
		},
		"stream_options": func(d *decoder, v *value, path string) {
			d.streamOptions = true
			if d.want(v, path, kindObject) {
				d.keys(v, path, "include_obfuscation")
				d.mustBeFalse(v, path, "include_obfuscation", "padding of stream events is not supported")
			}
		},
		"include":   func(d *decoder, v *value, path string) { d.responseInclude(v, path) },
		"reasoning": func(d *decoder, v *value, path string) { d.responseReasoning(v, path, e) },
		"text":      func(d *decoder, v *value, path string) { d.responseText(v, path, e) },
		"tools":     func(d *decoder, v *value, path string) { d.responseTools(v, path, e) },
		"tool_choice": func(d *decoder, v *value, path string) {
			e.ToolChoice = rawCopy(v)
			d.responseChoice(v, path)
		},
		"parallel_tool_calls": func(d *decoder, v *value, path string) {
			e.Parallel = d.flag(v, path)
			d.parallelToolCalls = &e.Parallel
		},
		"truncation": func(d *decoder, v *value, path string) {
			if d.oneOf(v, path, "auto", "disabled") == "auto" {
				d.fail(path, codeUnsupported, "conversations are never cut silently; send fewer items")
			}
		},
		"service_tier": other["service_tier"], "prompt_cache_retention": other["prompt_cache_retention"], "moderation": other["moderation"],
		"structured_outputs": toolTable()["structured_outputs"],
		"conversation":       never("conversations are not kept; use previous_response_id"),
		"prompt":             never("prompt templates are not kept here"),
		"context_management": never("conversations are never cut or summed up"),
		"max_tool_calls":     never("there are no built-in tools whose calls could be bounded"),
	}
	for name, p := range sampling {
		table[name] = p
	}
	for name, p := range thinking {
		if name != "reasoning_effort" {
			table[name] = p
		}
	}
	return table
}

func (d *decoder) responseInclude(v *value, path string) {
	if !d.want(v, path, kindArray) {
		return
	}
	for i := range v.items {
		switch what := d.text(&v.items[i], index(path, i)); what {
		case "message.output_text.logprobs":
			d.req.Logprobs = true
		case "reasoning.encrypted_content":
			// Asked for to carry reasoning between stateless turns. Here it is always there, and readable.
		default:
			d.fail(index(path, i), codeUnsupported, "%q cannot be included", abbreviate(what))
		}
	}
}

func (d *decoder) responseReasoning(v *value, path string, e *responseEcho) {
	if !d.want(v, path, kindObject) {
		return
	}
	d.keys(v, path, "effort", "summary", "generate_summary")
	if m := present(v, "effort"); m != nil {
		effort, err := router.ParseEffort(d.text(m, path+".effort"))
		if err != nil {
			d.fail(path+".effort", codeInvalidValue, "%s", err)
		}
		d.req.Controls.Effort, e.Effort = effort, ptr(string(effort))
	}
	for _, key := range []string{"summary", "generate_summary"} {
		if m := present(v, key); m != nil {
			if d.oneOf(m, path+"."+key, "auto", "concise", "detailed") != "auto" {
				d.fail(path+"."+key, codeUnsupported, "reasoning is told in full, not summed up")
			}
			e.Summary = ptr("auto")
		}
	}
}

func (d *decoder) responseText(v *value, path string, e *responseEcho) {
	if !d.want(v, path, kindObject) {
		return
	}
	d.keys(v, path, "format", "verbosity")
	if m := present(v, "verbosity"); m != nil {
		refusedParams()["verbosity"](d, m, path+".verbosity")
	}
	f := present(v, "format")
	if f == nil || !d.want(f, path+".format", kindObject) {
		return
	}
	e.Format = rawCopy(f)
	if t := present(f, "type"); t != nil && t.kind == kindString && unquote(t.raw) == "json_schema" {
		if present(f, "schema") == nil {
			d.fail(path+".format.schema", codeMissing, "json_schema needs a schema")
			return
		}
		d.jsonSchema(f.without("type"), path+".format")
		return
	}
	d.responseFormat(f, path+".format")
}

func (d *decoder) responseTools(v *value, path string, e *responseEcho) {
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
		if kind := d.text(orEmpty(present(t, "type")), at+".type"); kind != "function" {
			d.fail(at+".type", codeUnsupported, "only function tools are supported, which the client runs, not %q", abbreviate(kind))
			return
		}
		d.keys(t, at, "type", "name", "description", "parameters", "strict")
		d.flatTool(t, at, "parameters")
		e.Tools = append(e.Tools, rawCopy(t))
	}
}

// flatTool reads a tool whose name, description and schema lie side by side, and puts it into the form that chat templates show.
func (d *decoder) flatTool(t *value, at, schemaKey string) {
	spec := toolSpec{name: d.functionName(t, at), path: at}
	var shown strings.Builder
	shown.WriteString(`{"type": "function", "function": {"name": `)
	shown.Write(mustJSON(spec.name))
	if m := present(t, "description"); m != nil {
		shown.WriteString(`, "description": `)
		shown.Write(mustJSON(d.text(m, at+".description")))
	}
	if m := present(t, schemaKey); m != nil && d.want(m, at+"."+schemaKey, kindObject) {
		if len(m.raw) > d.limits.SchemaBytes {
			d.fail(at+"."+schemaKey, codeInvalidValue, "must not be longer than %d bytes", d.limits.SchemaBytes)
		}
		spec.parameters = rawCopy(m)
		shown.WriteString(`, "parameters": `)
		shown.Write(m.raw)
	}
	if m := present(t, "strict"); m != nil {
		spec.strict = d.flag(m, at+".strict")
	}
	shown.WriteString("}}")
	d.tools = append(d.tools, spec)
	d.req.Tools = append(d.req.Tools, json.RawMessage(shown.String()))
}

// responseChoice reads tool_choice, whose object form names the function directly.
func (d *decoder) responseChoice(v *value, path string) {
	d.toolChoice = v
	if v.kind != kindObject {
		return
	}
	if kind := d.text(orEmpty(present(v, "type")), path+".type"); kind != "function" {
		d.fail(path+".type", codeUnsupported, "only function is supported, not %q", abbreviate(kind))
		return
	}
	d.keys(v, path, "type", "name")
	name := d.member(v, path, "name")
	// The shared check of the chat form knows all tools once the body is read.
	d.toolChoice = &value{kind: kindObject, members: []member{
		{key: "type", value: value{kind: kindString, raw: []byte(`"function"`)}},
		{key: "function", value: value{kind: kindObject, members: []member{
			{key: "name", value: value{kind: kindString, raw: mustJSON(name)}},
		}}},
	}}
}
