package api

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

func toolTable() map[string]param {
	return map[string]param{
		"tools":               (*decoder).readTools,
		"tool_choice":         func(d *decoder, v *value, _ string) { d.toolChoice = v },
		"response_format":     (*decoder).responseFormat,
		"structured_outputs":  (*decoder).structuredOutputs,
		"parallel_tool_calls": func(d *decoder, v *value, path string) { d.parallelToolCalls = ptr(d.flag(v, path)) },
		"guided_json":         guided("json"),
		"guided_regex":        guided("regex"),
		"guided_choice":       guided("choice"),
	}
}

// toolList hands the tools of any surface to read.
func (d *decoder) toolList(v *value, path string, read func(t *value, path string)) {
	if !d.want(v, path, kindArray) {
		return
	}
	if len(v.items) > d.limits.Tools {
		d.fail(path, codeInvalidValue, "at most %d tools are allowed", d.limits.Tools)
		return
	}
	for i := range v.items {
		if at := index(path, i); d.err == nil && d.want(&v.items[i], at, kindObject) {
			read(&v.items[i], at)
		}
	}
}

func (d *decoder) readTools(v *value, path string) { d.toolList(v, path, d.readTool) }

// readTool takes {"type": "function", "function": {...}}; without a type too, and with the function's members beside the type.
func (d *decoder) readTool(v *value, path string) {
	f := present(v, "function")
	kind := "function"
	if m := present(v, "type"); m != nil {
		kind = d.text(m, path+".type")
	} else if f == nil {
		d.fail(path+".type", codeMissing, "a tool needs a type")
		return
	}
	switch {
	case kind != "function":
		d.skipTool(v, kind)
	case f == nil && present(v, "name") != nil:
		d.keys(v, path, "type", "name", "description", "parameters", "strict")
		d.flatTool(v, path, "parameters")
	case f == nil:
		d.fail(path+".function", codeMissing, "a tool needs a function")
	case d.want(f, path+".function", kindObject):
		d.keys(v, path, "type", "function", "strict")
		d.functionTool(v, f, path+".function")
	}
}

// functionTool keeps a tool as the client wrote it, whose key order reaches the prompt, unless it has members that are not for the model.
func (d *decoder) functionTool(v, f *value, path string) {
	own := []string{"name", "description", "parameters", "strict"}
	d.keys(f, path, own...)
	d.addTool(f, path, "parameters")
	for i := range f.members {
		if !slices.Contains(own, f.members[i].key) {
			d.req.Tools = append(d.req.Tools, shownTool(f, "parameters"))
			return
		}
	}
	if len(v.members) > 2 || present(v, "type") == nil {
		d.req.Tools = append(d.req.Tools, shownTool(f, "parameters"))
		return
	}
	d.req.Tools = append(d.req.Tools, rawCopy(v))
}

// flatTool reads a tool whose name, description and schema lie side by side, and puts it into the form that chat templates show.
func (d *decoder) flatTool(t *value, path, schemaKey string) {
	d.addTool(t, path, schemaKey)
	d.req.Tools = append(d.req.Tools, shownTool(t, schemaKey))
}

// addTool reads what of a tool can be enforced.
func (d *decoder) addTool(f *value, path, schemaKey string) {
	spec := toolSpec{name: d.functionName(f, path), path: path, schemaKey: schemaKey}
	if m := present(f, "description"); m != nil {
		d.text(m, path+".description")
	}
	if m := present(f, schemaKey); m != nil && d.want(m, path+"."+schemaKey, kindObject) {
		if len(m.raw) > d.limits.SchemaBytes {
			d.fail(path+"."+schemaKey, codeInvalidValue, "must not be longer than %d bytes", d.limits.SchemaBytes)
		}
		spec.parameters = rawCopy(m)
	}
	if m := present(f, "strict"); m != nil {
		spec.strict = d.flag(m, path+".strict")
	}
	d.tools = append(d.tools, spec)
}

// shownTool is a tool in the form that chat templates show.
func shownTool(f *value, schemaKey string) json.RawMessage {
	var b strings.Builder
	b.WriteString(`{"type": "function", "function": {`)
	sep := ""
	writeMember(&b, &sep, f, "name", "name")
	writeMember(&b, &sep, f, "description", "description")
	writeMember(&b, &sep, f, schemaKey, "parameters")
	b.WriteString("}}")
	return json.RawMessage(b.String())
}

func writeMember(b *strings.Builder, sep *string, f *value, key, as string) {
	m := present(f, key)
	if m == nil {
		return
	}
	b.WriteString(*sep + `"` + as + `": `)
	b.Write(m.raw)
	*sep = ", "
}

// toolName is what tools may be called: OpenAI's letters and those that MCP servers put between their parts, up to Anthropic's length.
var toolName = regexp.MustCompile(`^[a-zA-Z0-9_.:/-]{1,128}$`)

func (d *decoder) functionName(f *value, path string) string {
	name := d.member(f, path, "name")
	if d.err == nil && !toolName.MatchString(name) {
		d.fail(path+".name", codeInvalidValue, "must have 1 to 128 letters, digits, underscores, dots, colons, slashes or dashes")
	}
	return name
}
