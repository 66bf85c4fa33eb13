package api

import (
	"regexp"
	"slices"
)

func toolTable() map[string]param {
	return map[string]param{
		"tools":               (*decoder).readTools,
		"tool_choice":         func(d *decoder, v *value, _ string) { d.toolChoice = v },
		"response_format":     (*decoder).responseFormat,
		"structured_outputs":  (*decoder).structuredOutputs,
		"parallel_tool_calls": func(d *decoder, v *value, path string) { d.parallelToolCalls = ptr(d.flag(v, path)) },
	}
}

// tools keeps each tool as written.
func (d *decoder) readTools(v *value, path string) {
	if !d.want(v, path, kindArray) {
		return
	}
	if len(v.items) > d.limits.Tools {
		d.fail(path, codeInvalidValue, "at most %d tools are allowed", d.limits.Tools)
		return
	}
	for i := range v.items {
		d.readTool(&v.items[i], index(path, i))
	}
}

func (d *decoder) readTool(v *value, path string) {
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
	spec := toolSpec{name: d.functionName(f, path), path: path}
	if m := present(f, "description"); m != nil {
		d.text(m, path+".description")
	}
	if m := present(f, "parameters"); m != nil && d.want(m, path+".parameters", kindObject) {
		if len(m.raw) > d.limits.SchemaBytes {
			d.fail(path+".parameters", codeInvalidValue, "must not be longer than %d bytes", d.limits.SchemaBytes)
		}
		spec.parameters = rawCopy(m)
	}
	if m := present(f, "strict"); m != nil {
		spec.strict = d.flag(m, path+".strict")
	}
	d.tools = append(d.tools, spec)
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
	if d.parallelToolCalls != nil && len(d.req.Tools) == 0 {
		d.fail("parallel_tool_calls", codeInvalidValue, "is only allowed when tools are given")
	}
	d.choice = d.readChoice()
	d.req.ToolsOff = d.choice.mode == choiceNone
}

func (d *decoder) readChoice() toolChoice {
	c := d.toolChoice
	if c == nil {
		return toolChoice{mode: choiceAuto}
	}
	if c.kind == kindString {
		mode := d.oneOf(c, "tool_choice", choiceNone, choiceAuto, choiceRequired)
		if mode != choiceNone && len(d.req.Tools) == 0 {
			d.fail("tool_choice", codeInvalidValue, "%s is only allowed when tools are given", mode)
		}
		return toolChoice{mode: mode}
	}
	if c.kind != kindObject {
		d.fail("tool_choice", codeInvalidValue, "must be a string or an object, not %s", c.kind)
		return toolChoice{}
	}
	d.keys(c, "tool_choice", "type", "function")
	if t := present(c, "type"); t == nil {
		d.fail("tool_choice.type", codeMissing, "tool_choice.type is required")
	} else if kind := d.text(t, "tool_choice.type"); kind != "function" {
		d.fail("tool_choice.type", codeUnsupported, "only function is supported, not %q", abbreviate(kind))
	}
	f := present(c, "function")
	if f == nil {
		d.fail("tool_choice.function", codeMissing, "tool_choice.function is required")
		return toolChoice{}
	}
	if !d.want(f, "tool_choice.function", kindObject) {
		return toolChoice{}
	}
	d.keys(f, "tool_choice.function", "name")
	name := d.functionName(f, "tool_choice.function")
	if !slices.ContainsFunc(d.tools, func(t toolSpec) bool { return t.name == name }) {
		d.fail("tool_choice.function.name", codeInvalidValue, "%q is not among the tools", abbreviate(name))
	}
	return toolChoice{mode: choiceRequired, name: name}
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
