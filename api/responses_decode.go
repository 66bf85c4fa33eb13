package api

import (
	"encoding/json"
	"slices"
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
	d := r.newDecoder()
	d.req.PromptParam = "input"
	out := &responseRequest{chatRequest: d.req, echo: responseEcho{Parallel: true}}
	d.members(root, d.responseTable(out))
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
		d.req.Messages = append(d.req.Messages, chatMessage{Role: roleUser, Path: "input", IsText: true, Text: unquote(input.raw)})
		out.Items = []json.RawMessage{withID(json.RawMessage(`{"type":"message","status":"completed","role":"user",`+
			`"content":[{"type":"input_text","text":`+string(input.raw)+`}]}`), newID)}
	case d.want(input, "input", kindArray):
		d.responseItems(input, "input")
		if d.err == nil && len(d.req.Messages) == 0 {
			d.fail("input", codeInvalidValue, "must have an item that can be shown to the model")
		}
		for i := range input.items {
			out.Items = append(out.Items, withID(rawCopy(&input.items[i]), newID))
		}
	}
	if d.err == nil && out.echo.Instructions != nil {
		d.req.Messages = slices.Insert(d.req.Messages, 0,
			chatMessage{Role: roleSystem, Path: "instructions", IsText: true, Text: *out.echo.Instructions})
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

func (d *decoder) responseTable(out *responseRequest) map[string]param {
	core, thinking, sampling, tools := coreParams(), thinkingTable(), samplingTable(), toolTable()
	keep := func(to **string) param {
		return func(d *decoder, v *value, path string) { *to = ptr(d.text(v, path)) }
	}
	e := &out.echo
	table := map[string]param{
		"model": core["model"], "stream": core["stream"], "stop": core["stop"], "mm_processor_kwargs": core["mm_processor_kwargs"],
		"media_io_kwargs":      core["media_io_kwargs"],
		"input":                ignored, // read when all else is
		"previous_response_id": func(d *decoder, v *value, path string) { out.Previous = d.text(v, path) },
		"instructions":         keep(&e.Instructions),
		"user":                 keep(&e.User),
		"prompt_cache_key":     keep(&e.CacheKey),
		"safety_identifier":    keep(&e.SafetyID),
		"store":                func(d *decoder, v *value, path string) { out.Store = ptr(d.flag(v, path)) },
		"background":           func(d *decoder, v *value, path string) { out.Background = d.flag(v, path) },
		"max_output_tokens": func(d *decoder, v *value, path string) {
			d.req.MaxTokens = d.tokenLimit(v, path)
			e.MaxOutputTokens = d.req.MaxTokens
		},
		"top_logprobs": func(d *decoder, v *value, path string) {
			d.topLogprobs = ptr(int(d.integer(v, path, 0, maxTopLogprobs)))
			d.req.Logprobs = true
		},
		"metadata":       func(d *decoder, v *value, path string) { e.Metadata = d.metadata(v, path) },
		"stream_options": func(d *decoder, v *value, path string) { d.want(v, path, kindObject) }, // none of them has a use here
		"include":        func(d *decoder, v *value, path string) { d.responseInclude(v, path) },
		"reasoning":      func(d *decoder, v *value, path string) { d.responseReasoning(v, path, e) },
		"text":           func(d *decoder, v *value, path string) { d.responseText(v, path, e) },
		"tools":          func(d *decoder, v *value, path string) { d.responseTools(v, path, e) },
		"tool_choice": func(d *decoder, v *value, path string) {
			e.ToolChoice = rawCopy(v)
			d.toolChoice = v
		},
		"parallel_tool_calls": func(d *decoder, v *value, path string) {
			e.Parallel = d.flag(v, path)
			d.parallelToolCalls = &e.Parallel
		},
		// Conversations are never cut silently: one that does not fit is refused, which auto leaves to the server.
		"truncation":   func(d *decoder, v *value, path string) { d.oneOf(v, path, "auto", "disabled") },
		"service_tier": ignored, "prompt_cache_retention": ignored, "context_management": ignored, "max_tool_calls": ignored,
		"moderation":         never("moderation is not supported"),
		"structured_outputs": tools["structured_outputs"], "guided_json": tools["guided_json"],
		"guided_regex": tools["guided_regex"], "guided_choice": tools["guided_choice"],
		"conversation": never("conversations are not kept; use previous_response_id"),
		"prompt":       never("prompt templates are not kept here"),
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

// includable is what OpenAI's tools would give.
var includable = []string{
	"web_search_call.action.sources", "web_search_call.results", "code_interpreter_call.outputs", "computer_call_output.output.image_url",
	"file_search_call.results", "message.input_image.image_url",
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
			// Of tools and stores that are not here there is nothing to include, and clients ask for all they know.
			if !slices.Contains(includable, what) {
				d.fail(index(path, i), codeUnsupported, "%q cannot be included", abbreviate(what))
			}
		}
	}
}

func (d *decoder) responseReasoning(v *value, path string, e *responseEcho) {
	if !d.want(v, path, kindObject) {
		return
	}
	d.keys(v, path, "effort", "summary", "generate_summary", "exclude")
	if m := present(v, "effort"); m != nil {
		if effort := d.effort(m, path+".effort"); effort != "" {
			e.Effort = ptr(string(effort))
		}
	}
	for _, key := range []string{"generate_summary", "summary"} {
		if m := present(v, key); m != nil {
			if how := d.oneOf(m, path+"."+key, "auto", "concise", "detailed", "none"); how != "none" {
				e.Summary = ptr(how)
			}
		}
	}
	d.exclude(v, path)
}

func (d *decoder) responseText(v *value, path string, e *responseEcho) {
	if !d.want(v, path, kindObject) {
		return
	}
	d.keys(v, path, "format", "verbosity")
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
	d.toolList(v, path, func(t *value, at string) {
		e.Tools = append(e.Tools, rawCopy(t))
		if kind := d.text(orEmpty(present(t, "type")), at+".type"); kind != "function" {
			d.skipTool(t, kind)
			return
		}
		if f := present(t, "function"); f != nil && f.kind == kindObject { // as chat completions have it
			t, at = f, at+".function"
		}
		d.keys(t, at, "type", "name", "description", "parameters", "strict")
		d.flatTool(t, at, "parameters")
	})
}

// metadata is kept with the response, as text for text; anything else in it, as gateways send it, is not.
func (d *decoder) metadata(v *value, path string) json.RawMessage {
	if !d.want(v, path, kindObject) {
		return nil
	}
	for i := range v.members {
		if v.members[i].value.kind != kindString {
			return nil
		}
	}
	return rawCopy(v)
}
