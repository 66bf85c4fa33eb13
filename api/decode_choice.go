package api

import (
	"slices"
	"strings"
)

// foreignTools are kinds of tools of other services, by the beginning of their type. The rest of a type is a date or what a client made up.
var foreignTools = []string{
	"web_search", "web_fetch", "file_search", "computer", "code_interpreter", "code_execution", "image_generation", "local_shell", "shell",
	"apply_patch", "mcp", "custom", "namespace", "bash", "text_editor", "memory", "tool_search", "google_search", "url_context", "advisor",
}

// skipTool leaves out a tool that this server cannot offer. The reply's header says so.
func (d *decoder) skipTool(t *value, kind string) {
	d.skipped = append(d.skipped, skippedTool{kind: kind, name: memberText(t, "name")})
	known := "other"
	for _, prefix := range foreignTools {
		if strings.HasPrefix(kind, prefix) {
			known = prefix
			break
		}
	}
	if !slices.Contains(d.req.Skipped, known) {
		d.req.Skipped = append(d.req.Skipped, known)
	}
}

// skippedTool is a tool that was left out, to be refused when it is chosen.
type skippedTool struct{ kind, name string }

// memberText is a text member, "" where there is none.
func memberText(v *value, key string) string {
	if m := present(v, key); m != nil && m.kind == kindString {
		return unquote(m.raw)
	}
	return ""
}

// finishTools checks tool_choice and parallel_tool_calls against the tools.
func (d *decoder) finishTools() {
	d.choice = d.readChoice()
	d.checkChoice("tool_choice")
}

// checkChoice checks a choice that was read against the tools.
func (d *decoder) checkChoice(path string) {
	c := &d.choice
	d.req.ToolsOff = c.mode == choiceNone
	if c.mode == choiceRequired && c.name == "" && len(d.tools) == 0 {
		d.fail(path, codeInvalidValue, "a call can only be required where there are tools to call")
	}
	for _, name := range append(slices.Clone(c.among), c.name) {
		if name != "" && !slices.ContainsFunc(d.tools, func(t toolSpec) bool { return t.name == name }) {
			d.failChosen(c.path, name)
		}
	}
}

// failChosen refuses the choice of a tool that cannot be called.
func (d *decoder) failChosen(path, name string) {
	if slices.ContainsFunc(d.skipped, func(t skippedTool) bool { return t.name == name }) {
		d.fail(path, codeUnsupported, "%q is a tool of a kind that this server does not have", abbreviate(name))
		return
	}
	d.fail(path, codeInvalidValue, "%q is not among the tools", abbreviate(name))
}

// readChoice reads tool_choice of chat completions and of the Responses API, which leaves out the object around the name.
func (d *decoder) readChoice() toolChoice {
	const path = "tool_choice"
	c := d.toolChoice
	switch {
	case c == nil:
		return toolChoice{mode: choiceAuto}
	case c.kind == kindString:
		return toolChoice{mode: d.choiceMode(c, path), path: path}
	case c.kind != kindObject:
		d.fail(path, codeInvalidValue, "must be a string or an object, not %s", c.kind)
		return toolChoice{}
	}
	t := present(c, "type")
	if t == nil {
		d.fail(path+".type", codeMissing, "tool_choice.type is required")
		return toolChoice{}
	}
	switch kind := d.text(t, path+".type"); kind {
	case choiceAuto, choiceNone, choiceRequired, choiceAny:
		return toolChoice{mode: d.choiceMode(t, path+".type"), path: path}
	case "function", "tool":
		name, at := d.chosenName(c, path)
		return toolChoice{mode: choiceRequired, name: name, path: at}
	case "allowed_tools":
		return d.allowedTools(c, path)
	default:
		d.fail(path+".type", codeUnsupported, "only functions can be chosen, not %q", abbreviate(kind))
		return toolChoice{}
	}
}

// choiceMode reads how freely the model may choose. Any is Anthropic's and Mistral's word for required.
func (d *decoder) choiceMode(v *value, path string) string {
	mode := d.oneOf(v, path, choiceNone, choiceAuto, choiceRequired, choiceAny)
	if mode == choiceAny {
		return choiceRequired
	}
	return mode
}

// chosenName finds the name of {"type": "function", "function": {"name"}} and of {"type": "function", "name"}.
func (d *decoder) chosenName(c *value, path string) (name, at string) {
	f := present(c, "function")
	if f == nil {
		if present(c, "name") == nil {
			d.fail(path+".function", codeMissing, "%s.function is required", path)
			return "", ""
		}
		d.keys(c, path, "type", "name")
		return d.member(c, path, "name"), path + ".name"
	}
	d.keys(c, path, "type", "function")
	path += ".function"
	if !d.want(f, path, kindObject) {
		return "", ""
	}
	d.keys(f, path, "name")
	return d.member(f, path, "name"), path + ".name"
}

// allowedTools reads {"type": "allowed_tools", "mode", "tools"}, which chat completions have in a member of its own.
func (d *decoder) allowedTools(c *value, path string) toolChoice {
	d.keys(c, path, "type", "allowed_tools", "mode", "tools")
	if inner := present(c, "allowed_tools"); inner != nil {
		path += ".allowed_tools"
		if c = inner; !d.want(c, path, kindObject) {
			return toolChoice{}
		}
		d.keys(c, path, "mode", "tools")
	}
	out := toolChoice{mode: choiceAuto, path: path + ".tools"}
	if m := present(c, "mode"); m != nil {
		out.mode = d.oneOf(m, path+".mode", choiceAuto, choiceRequired)
	}
	d.toolList(orEmptyList(present(c, "tools")), path+".tools", func(t *value, at string) {
		if kind := memberText(t, "type"); kind != "function" && kind != "" {
			return // of a kind that is not offered
		}
		name, _ := d.chosenName(t, at)
		out.among = append(out.among, name)
	})
	if len(out.among) == 0 {
		d.fail(path+".tools", codeInvalidValue, "must name a function")
	}
	return out
}

func orEmptyList(v *value) *value {
	if v == nil {
		return &value{kind: kindArray, raw: []byte("[]")}
	}
	return v
}
