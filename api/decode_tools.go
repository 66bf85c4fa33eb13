package api

import "regexp"

func toolTable() map[string]param {
	return map[string]param{
		"tools":               (*decoder).tools,
		"tool_choice":         func(d *decoder, v *value, _ string) { d.toolChoice = v },
		"parallel_tool_calls": func(d *decoder, v *value, path string) { d.parallelToolCalls = ptr(d.flag(v, path)) },
	}
}

// tools keeps each tool as written. What the model never sees enforced, such as strict, is refused.
func (d *decoder) tools(v *value, path string) {
	if !d.want(v, path, kindArray) {
		return
	}
	if len(v.items) > d.limits.Tools {
		d.fail(path, codeInvalidValue, "at most %d tools are allowed", d.limits.Tools)
		return
	}
	for i := range v.items {
		d.tool(&v.items[i], index(path, i))
	}
}

func (d *decoder) tool(v *value, path string) {
	if !d.want(v, path, kindObject) {
		return
	}
	d.keys(v, path, "type", "function")
	m := present(v, "type")
	if m == nil {
		d.fail(path+".type", codeMissing, "a tool needs a type")
		return
	}
	if t := d.text(m, path+".type"); t != "function" {
		d.fail(path+".type", codeUnsupported, "only tools of type function are supported, not %q", abbreviate(t))
		return
	}
	f := present(v, "function")
	path += ".function"
	if f == nil {
		d.fail(path, codeMissing, "a tool needs a function")
		return
	}
	if !d.want(f, path, kindObject) {
		return
	}
	d.keys(f, path, "name", "description", "parameters", "strict")
	d.functionName(f, path)
	if m := present(f, "description"); m != nil {
		d.text(m, path+".description")
	}
	if m := present(f, "parameters"); m != nil {
		d.want(m, path+".parameters", kindObject)
	}
	d.mustBeFalse(f, path, "strict", "strict tool arguments need constrained decoding, which is not supported yet")
	d.req.Tools = append(d.req.Tools, rawCopy(v))
}

func (d *decoder) functionName(f *value, path string) string {
	m := present(f, "name")
	if m == nil {
		d.fail(path+".name", codeMissing, "a function needs a name")
		return ""
	}
	name := d.text(m, path+".name")
	if ok, _ := regexp.MatchString(`^[a-zA-Z0-9_.-]{1,64}$`, name); !ok {
		d.fail(path+".name", codeInvalidValue, "must have 1 to 64 letters, digits, underscores, dots or dashes")
	}
	return name
}

// finishTools checks tool_choice and parallel_tool_calls against the tools.
func (d *decoder) finishTools() {
	r := d.req
	if p := d.parallelToolCalls; p != nil {
		switch {
		case len(r.Tools) == 0:
			d.fail("parallel_tool_calls", codeInvalidValue, "is only allowed when tools are given")
		case !*p:
			d.fail("parallel_tool_calls", codeUnsupported, "a single tool call cannot be enforced yet; leave it out or send true")
		}
	}
	c := d.toolChoice
	if c == nil {
		return
	}
	if c.kind == kindString {
		switch s := unquote(c.raw); s {
		case "none":
			r.ToolsOff = true
			return
		case "auto":
			if len(r.Tools) == 0 {
				d.fail("tool_choice", codeInvalidValue, "auto is only allowed when tools are given")
			}
			return
		case "required":
		default:
			d.fail("tool_choice", codeInvalidValue, "must be none or auto, not %q", abbreviate(s))
			return
		}
	} else if c.kind != kindObject {
		d.fail("tool_choice", codeInvalidValue, "must be a string or an object, not %s", c.kind)
		return
	}
	d.fail("tool_choice", codeUnsupported, "only none and auto are supported; a tool call cannot be enforced yet")
}

// refusedParams are OpenAI parameters that are accepted only with the value that changes nothing, and
// those that cannot be honoured at all.
func refusedParams() map[string]param {
	never := func(why string) param {
		return func(d *decoder, _ *value, path string) { d.fail(path, codeUnsupported, "%s", why) }
	}
	onlyFalse := func(why string) param {
		return func(d *decoder, v *value, path string) {
			if d.flag(v, path) {
				d.fail(path, codeUnsupported, "%s", why)
			}
		}
	}
	text := func(d *decoder, v *value, path string) { d.text(v, path) }
	return map[string]param{
		"n": func(d *decoder, v *value, path string) {
			if d.integer(v, path, 1, 128) > 1 {
				d.fail(path, codeUnsupported, "only one choice per request is supported")
			}
		},
		"response_format":   (*decoder).responseFormat,
		"service_tier":      func(d *decoder, v *value, path string) { d.serviceTier(v, path) },
		"modalities":        (*decoder).modalities,
		"store":             onlyFalse("completions are not stored"),
		"metadata":          func(d *decoder, v *value, path string) { d.metadata(v, path) },
		"user":              text,
		"safety_identifier": text,
		"prompt_cache_key":  text,
		"prompt_cache_retention": func(d *decoder, v *value, path string) {
			if d.oneOf(v, path, "in_memory", "in-memory", "24h") == "24h" {
				d.fail(path, codeUnsupported, "prompts are cached in memory only")
			}
		},
		"verbosity": func(d *decoder, v *value, path string) {
			if d.oneOf(v, path, "low", "medium", "high") != "medium" {
				d.fail(path, codeUnsupported, "this model has no verbosity control; ask for it in the prompt")
			}
		},
		"audio":              never("audio output is not supported"),
		"functions":          never("functions is deprecated; send tools"),
		"function_call":      never("function_call is deprecated; send tool_choice"),
		"prediction":         never("predicted outputs are not supported"),
		"web_search_options": never("web search is not supported"),
		"moderation":         never("moderation is not supported"),
	}
}

func (d *decoder) responseFormat(v *value, path string) {
	if !d.want(v, path, kindObject) {
		return
	}
	m := present(v, "type")
	if m == nil {
		d.fail(path+".type", codeMissing, "response_format.type is required")
		return
	}
	if t := d.oneOf(m, path+".type", "text", "json_object", "json_schema"); t != "text" {
		d.fail(path, codeUnsupported, "%s needs constrained decoding, which is not supported yet", abbreviate(t))
		return
	}
	d.keys(v, path, "type")
}

func (d *decoder) serviceTier(v *value, path string) {
	switch tier := d.text(v, path); tier {
	case "auto", "default":
	default:
		d.fail(path, codeUnsupported, "there is one service tier: auto and default are accepted, %q is not", abbreviate(tier))
	}
}

func (d *decoder) modalities(v *value, path string) {
	if !d.want(v, path, kindArray) {
		return
	}
	for i := range v.items {
		if m := d.text(&v.items[i], index(path, i)); m != "text" {
			d.fail(index(path, i), codeUnsupported, "only text can be generated, not %q", abbreviate(m))
		}
	}
}

// metadata is checked and dropped: nothing stores it.
func (d *decoder) metadata(v *value, path string) {
	if !d.want(v, path, kindObject) {
		return
	}
	for i := range v.members {
		d.text(&v.members[i].value, path+"."+abbreviate(v.members[i].key))
	}
}
