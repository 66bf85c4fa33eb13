package request

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
)

// ToolTable are members about tools and the constraint of the answer.
func ToolTable() Table[*Builder] {
	return Table[*Builder]{
		"tools":               func(d *Builder, v *jsonbody.Value, path string) { d.tools.readAll(v, path) },
		"tool_choice":         func(d *Builder, v *jsonbody.Value, _ string) { d.ToolChoice = v },
		"response_format":     (*Builder).ResponseFormat,
		"structured_outputs":  (*Builder).structuredOutputs,
		"parallel_tool_calls": func(d *Builder, v *jsonbody.Value, path string) { d.ParallelCalls = new(d.Flag(v, path)) },
		"guided_json":         guided("json"),
		"guided_regex":        guided("regex"),
		"guided_choice":       guided("choice"),
	}
}

// List hands the tools of any surface to read.
func (s *Tools) List(v *jsonbody.Value, path string, read func(t *jsonbody.Value, path string)) {
	if !s.d.Want(v, path, jsonbody.Array) {
		return
	}
	if len(v.Items) > s.d.limits.Tools {
		s.d.Fail(path, fault.CodeInvalidValue, "at most %d tools are allowed", s.d.limits.Tools)
		return
	}
	for i := range v.Items {
		if at := jsonbody.At(path, i); s.d.OK() && s.d.Want(&v.Items[i], at, jsonbody.Object) {
			read(&v.Items[i], at)
		}
	}
}

func (s *Tools) readAll(v *jsonbody.Value, path string) { s.List(v, path, s.readTool) }

// readTool takes {"type": "function", "function": {...}}; without a type too, and with the function's members beside
// the type.
func (s *Tools) readTool(v *jsonbody.Value, path string) {
	f := jsonbody.Present(v, "function")
	kind := "function"
	if m := jsonbody.Present(v, "type"); m != nil {
		kind = s.d.Text(m, path+".type")
	} else if f == nil {
		s.d.Fail(path+".type", fault.CodeMissing, "a tool needs a type")
		return
	}
	switch {
	case kind != "function":
		s.Skip(v, kind)
	case f == nil && jsonbody.Present(v, "name") != nil:
		s.d.Keys(v, path, "type", "name", "description", "parameters", "strict")
		s.AddFlat(v, path, "parameters")
	case f == nil:
		s.d.Fail(path+".function", fault.CodeMissing, "a tool needs a function")
	case s.d.Want(f, path+".function", jsonbody.Object):
		s.d.Keys(v, path, "type", "function", "strict")
		s.functionTool(v, f, path+".function")
	}
}

// functionTool keeps a tool as the client wrote it, whose key order reaches the prompt, unless it has members that are
// not for the model.
func (s *Tools) functionTool(v, f *jsonbody.Value, path string) {
	own := []string{"name", "description", "parameters", "strict"}
	s.d.Keys(f, path, own...)
	s.add(f, path, "parameters")
	for i := range f.Members {
		if !slices.Contains(own, f.Members[i].Key) {
			s.d.Request.Tools = append(s.d.Request.Tools, shownTool(f, "parameters"))
			return
		}
	}
	if len(v.Members) > 2 || jsonbody.Present(v, "type") == nil {
		s.d.Request.Tools = append(s.d.Request.Tools, shownTool(f, "parameters"))
		return
	}
	s.d.Request.Tools = append(s.d.Request.Tools, jsonbody.RawCopy(v))
}

// AddFlat reads a tool whose name, description and schema lie side by side, and puts it into the form that chat
// templates show.
func (s *Tools) AddFlat(t *jsonbody.Value, path, schemaKey string) {
	s.add(t, path, schemaKey)
	s.d.Request.Tools = append(s.d.Request.Tools, shownTool(t, schemaKey))
}

// add reads what of a tool can be enforced.
func (s *Tools) add(f *jsonbody.Value, path, schemaKey string) {
	spec := toolSpec{name: s.functionName(f, path), path: path, schemaKey: schemaKey}
	if m := jsonbody.Present(f, "description"); m != nil {
		s.d.Text(m, path+".description")
	}
	if m := jsonbody.Present(f, schemaKey); m != nil && s.d.Want(m, path+"."+schemaKey, jsonbody.Object) {
		if len(m.Raw) > s.d.limits.SchemaBytes {
			s.d.Fail(path+"."+schemaKey, fault.CodeInvalidValue, "must not be longer than %d bytes", s.d.limits.SchemaBytes)
		}
		spec.parameters = jsonbody.RawCopy(m)
	}
	if m := jsonbody.Present(f, "strict"); m != nil {
		spec.strict = s.d.Flag(m, path+".strict")
	}
	s.offered = append(s.offered, spec)
}

// shownTool is a tool in the form that chat templates show.
func shownTool(f *jsonbody.Value, schemaKey string) json.RawMessage {
	var b strings.Builder
	b.WriteString(`{"type": "function", "function": {`)
	sep := ""
	writeMember(&b, &sep, f, "name", "name")
	writeMember(&b, &sep, f, "description", "description")
	writeMember(&b, &sep, f, schemaKey, "parameters")
	b.WriteString("}}")
	return json.RawMessage(b.String())
}

func writeMember(b *strings.Builder, sep *string, f *jsonbody.Value, key, as string) {
	m := jsonbody.Present(f, key)
	if m == nil {
		return
	}
	b.WriteString(*sep + `"` + as + `": `)
	b.Write(m.Raw)
	*sep = ", "
}

// toolName is what tools may be called: OpenAI's letters and those that MCP servers put between their parts, up to
// Anthropic's length.
var toolName = regexp.MustCompile(`^[a-zA-Z0-9_.:/-]{1,128}$`)

func (s *Tools) functionName(f *jsonbody.Value, path string) string {
	name := s.d.Member(f, path, "name")
	if s.d.OK() && !toolName.MatchString(name) {
		s.d.Fail(path+".name", fault.CodeInvalidValue, "must have 1 to 128 letters, digits, underscores, dots, colons, slashes or dashes")
	}
	return name
}
