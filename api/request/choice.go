package request

import (
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
)

// foreignTools are kinds of tools of other services, by the beginning of their type. The rest of a type is a date or
// what a client made up.
var foreignTools = []string{
	"web_search", "web_fetch", "file_search", "computer", "code_interpreter", "code_execution", "image_generation", "local_shell", "shell",
	"apply_patch", "mcp", "custom", "namespace", "bash", "text_editor", "memory", "tool_search", "google_search", "url_context", "advisor",
}

// Skip leaves out a tool that this server cannot offer. The reply's header says so.
func (s *Tools) Skip(t *jsonbody.Value, kind string) {
	s.skipped = append(s.skipped, skippedTool{kind: kind, name: jsonbody.MemberText(t, "name")})
	known := "other"
	for _, prefix := range foreignTools {
		if strings.HasPrefix(kind, prefix) {
			known = prefix
			break
		}
	}
	if !slices.Contains(s.d.Request.Skipped, known) {
		s.d.Request.Skipped = append(s.d.Request.Skipped, known)
	}
}

// skippedTool is a tool that was left out, to be refused when it is chosen.
type skippedTool struct{ kind, name string }

// finishChoice checks tool_choice and parallel_tool_calls against the tools.
func (s *Tools) finishChoice() {
	s.choice = s.readChoice()
	s.checkChoice("tool_choice")
}

// checkChoice checks a choice that was read against the tools.
func (s *Tools) checkChoice(path string) {
	c := &s.choice
	s.d.Request.ToolsOff = c.mode == choiceNone
	if c.mode == choiceRequired && c.name == "" && len(s.offered) == 0 {
		s.d.Fail(path, fault.CodeInvalidValue, "a call can only be required where there are tools to call")
	}
	for _, name := range append(slices.Clone(c.among), c.name) {
		if name != "" && !slices.ContainsFunc(s.offered, func(t toolSpec) bool { return t.name == name }) {
			s.failChosen(c.path, name)
		}
	}
}

// failChosen refuses the choice of a tool that cannot be called.
func (s *Tools) failChosen(path, name string) {
	if slices.ContainsFunc(s.skipped, func(t skippedTool) bool { return t.name == name }) {
		s.d.Fail(path, fault.CodeUnsupported, "%q is a tool of a kind that this server does not have", jsonbody.Abbreviate(name))
		return
	}
	s.d.Fail(path, fault.CodeInvalidValue, "%q is not among the tools", jsonbody.Abbreviate(name))
}

// readChoice reads tool_choice in the words of every surface: a mode, or an object that names a mode, one function, or
// those that are allowed. The Responses API and Anthropic leave out the object around a function's name.
func (s *Tools) readChoice() toolChoice {
	const path = "tool_choice"
	c := s.d.ToolChoice
	switch {
	case c == nil:
		return toolChoice{mode: choiceAuto}
	case c.Kind == jsonbody.String:
		return toolChoice{mode: s.choiceMode(c, path), path: path}
	case c.Kind != jsonbody.Object:
		s.d.Fail(path, fault.CodeInvalidValue, "must be a string or an object, not %s", c.Kind)
		return toolChoice{}
	}
	if m := jsonbody.Present(c, "disable_parallel_tool_use"); m != nil { // Anthropic's place for it
		s.d.ParallelCalls = new(!s.d.Flag(m, path+".disable_parallel_tool_use"))
		c = c.Without("disable_parallel_tool_use")
	}
	t := jsonbody.Present(c, "type")
	if t == nil {
		s.d.Fail(path+".type", fault.CodeMissing, "tool_choice.type is required")
		return toolChoice{}
	}
	switch kind := s.d.Text(t, path+".type"); kind {
	case choiceAuto, choiceNone, choiceRequired, choiceAny:
		return toolChoice{mode: s.choiceMode(t, path+".type"), path: path}
	case "function", "tool":
		name, at := s.chosenName(c, path)
		return toolChoice{mode: choiceRequired, name: name, path: at}
	case "allowed_tools":
		return s.allowedTools(c, path)
	default:
		s.d.Fail(path+".type", fault.CodeUnsupported, "only functions can be chosen, not %q", jsonbody.Abbreviate(kind))
		return toolChoice{}
	}
}

// choiceMode reads how freely the model may choose. Any is Anthropic's and Mistral's word for required.
func (s *Tools) choiceMode(v *jsonbody.Value, path string) string {
	mode := s.d.OneOf(v, path, choiceNone, choiceAuto, choiceRequired, choiceAny)
	if mode == choiceAny {
		return choiceRequired
	}
	return mode
}

// chosenName finds the name of {"type": "function", "function": {"name"}}, of {"type": "function", "name"} and of
// Anthropic's {"type": "tool", "name"}.
func (s *Tools) chosenName(c *jsonbody.Value, path string) (name, at string) {
	f := jsonbody.Present(c, "function")
	if f == nil {
		if jsonbody.Present(c, "name") == nil {
			member := "function"
			if jsonbody.MemberText(c, "type") == "tool" {
				member = "name"
			}
			s.d.Fail(path+"."+member, fault.CodeMissing, "%s.%s is required", path, member)
			return "", ""
		}
		s.d.Keys(c, path, "type", "name")
		return s.d.Member(c, path, "name"), path + ".name"
	}
	s.d.Keys(c, path, "type", "function")
	path += ".function"
	if !s.d.Want(f, path, jsonbody.Object) {
		return "", ""
	}
	s.d.Keys(f, path, "name")
	return s.d.Member(f, path, "name"), path + ".name"
}

// allowedTools reads {"type": "allowed_tools", "mode", "tools"}, which chat completions have in a member of its own.
func (s *Tools) allowedTools(c *jsonbody.Value, path string) toolChoice {
	s.d.Keys(c, path, "type", "allowed_tools", "mode", "tools")
	if inner := jsonbody.Present(c, "allowed_tools"); inner != nil {
		path += ".allowed_tools"
		if c = inner; !s.d.Want(c, path, jsonbody.Object) {
			return toolChoice{}
		}
		s.d.Keys(c, path, "mode", "tools")
	}
	out := toolChoice{mode: choiceAuto, path: path + ".tools"}
	if m := jsonbody.Present(c, "mode"); m != nil {
		out.mode = s.d.OneOf(m, path+".mode", choiceAuto, choiceRequired)
	}
	s.List(jsonbody.OrEmptyList(jsonbody.Present(c, "tools")), path+".tools", func(t *jsonbody.Value, at string) {
		if kind := jsonbody.MemberText(t, "type"); kind != "function" && kind != "" {
			return // of a kind that is not offered
		}
		name, _ := s.chosenName(t, at)
		out.among = append(out.among, name)
	})
	if len(out.among) == 0 {
		s.d.Fail(path+".tools", fault.CodeInvalidValue, "must name a function")
	}
	return out
}
