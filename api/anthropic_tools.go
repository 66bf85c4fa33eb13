package api

import "encoding/json"

// anthropicTools puts tools into the form that chat templates show.
func (d *decoder) anthropicTools(v *value, path string) {
	d.toolList(v, path, func(t *value, at string) {
		if kind := present(t, "type"); kind != nil {
			if name := d.text(kind, at+".type"); name != "custom" {
				d.skipTool(t, name)
				return
			}
		}
		d.keys(t, at, "type", "name", "description", "input_schema", "strict")
		d.flatTool(t, at, "input_schema")
	})
}

func (d *decoder) finishAnthropicTools() {
	const path = "tool_choice"
	d.choice = toolChoice{mode: choiceAuto}
	c := d.toolChoice
	if c == nil || d.err != nil || !d.want(c, path, kindObject) {
		return
	}
	d.keys(c, path, "type", "name", "disable_parallel_tool_use")
	if m := present(c, "disable_parallel_tool_use"); m != nil {
		d.parallelToolCalls = ptr(!d.flag(m, path+".disable_parallel_tool_use"))
	}
	switch d.oneOf(orEmpty(present(c, "type")), path+".type", choiceAuto, choiceAny, "tool", choiceNone) {
	case choiceAny:
		d.choice.mode = choiceRequired
	case choiceNone:
		d.choice.mode = choiceNone
	case "tool":
		d.choice = toolChoice{mode: choiceRequired, name: d.member(c, path, "name"), path: path + ".name"}
	}
	d.checkChoice(path)
}

func mustJSON(s string) json.RawMessage {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always encodes
	}
	return data
}
