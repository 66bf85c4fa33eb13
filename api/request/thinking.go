package request

import (
	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/router"
)

// ThinkingTable are members that say whether and how long to think.
func ThinkingTable() Table[*Builder] {
	return Table[*Builder]{
		"reasoning_effort": func(d *Builder, v *jsonbody.Value, path string) { d.Effort(v, path) },
		"enable_thinking":  func(d *Builder, v *jsonbody.Value, path string) { d.enableThinking = new(d.Flag(v, path)) },
		"chat_template_kwargs": func(d *Builder, v *jsonbody.Value, path string) {
			if !d.Want(v, path, jsonbody.Object) {
				return
			}
			// DeepSeek's templates call it thinking.
			d.Keys(v, path, "enable_thinking", "thinking", "add_vision_id")
			for _, key := range []string{"thinking", "enable_thinking"} {
				if m := jsonbody.Present(v, key); m != nil {
					d.templateThinking = new(d.Flag(m, path+"."+key))
				}
			}
			if m := jsonbody.Present(v, "add_vision_id"); m != nil {
				d.Request.VisionID = d.Flag(m, path+".add_vision_id")
			}
		},
		"thinking": (*Builder).Thinking,
		"thinking_budget": func(d *Builder, v *jsonbody.Value, path string) {
			d.Request.Controls.ThinkingBudget = new(int(d.Integer(v, path, 0, MaxTokensLimit)))
		},
	}
}

// Thinking reads Anthropic's object that turns thinking on and off and bounds it.
func (d *Builder) Thinking(v *jsonbody.Value, path string) {
	if !d.Want(v, path, jsonbody.Object) {
		return
	}
	d.Keys(v, path, "type", "budget_tokens")
	c := &d.Request.Controls
	m := jsonbody.Present(v, "type")
	if m == nil {
		d.Fail(path+".type", fault.CodeMissing, "thinking.type is required")
		return
	}
	name := d.Text(m, path+".type")
	if name == "auto" { // Doubao's word
		name = string(router.ThinkingAdaptive)
	}
	kind, err := router.ParseThinkingType(name)
	if err != nil {
		d.Fail(path+".type", fault.CodeInvalidValue, "%s", err)
	}
	c.Thinking = kind
	if m := jsonbody.Present(v, "budget_tokens"); m != nil {
		c.BudgetTokens = new(int(d.Integer(m, path+".budget_tokens", 0, MaxTokensLimit)))
		if kind == router.ThinkingDisabled {
			d.Fail(path+".budget_tokens", fault.CodeInvalidValue, "is not allowed when thinking is disabled")
		}
	}
}

// Effort reads how much to think in any surface's words. Max is what some call the most.
func (d *Builder) Effort(v *jsonbody.Value, path string) string {
	name := d.Text(v, path)
	switch name {
	case "max":
		name = string(router.EffortXHigh)
	case "auto", "default": // Groq's and others' way to say nothing
		return ""
	}
	effort, err := router.ParseEffort(name)
	if err != nil {
		d.Fail(path, fault.CodeInvalidValue, "%s", err)
	}
	d.Request.Controls.Effort = effort
	return string(effort)
}

// VisibilityTable are members that say what becomes of thoughts that were made.
func VisibilityTable() Table[*Builder] {
	return Table[*Builder]{
		"separate_reasoning": func(d *Builder, v *jsonbody.Value, path string) { d.Request.MergeReasoning = !d.Flag(v, path) },
		"include_reasoning":  func(d *Builder, v *jsonbody.Value, path string) { d.Request.HideReasoning = !d.Flag(v, path) },
		"reasoning":          (*Builder).reasoning,
		"reasoning_format":   (*Builder).reasoningFormat,
		"usage": func(d *Builder, v *jsonbody.Value, path string) { // OpenRouter's way to ask for it at a stream's end
			if d.Want(v, path, jsonbody.Object) {
				d.Keys(v, path, "include")
				d.Request.IncludeUsage = d.Request.IncludeUsage || d.OptionalFlag(v, path, "include")
			}
		},
	}
}

// reasoningFormat is llama.cpp's and Groq's way to say where thoughts go.
func (d *Builder) reasoningFormat(v *jsonbody.Value, path string) {
	switch d.OneOf(v, path, "auto", "deepseek", "deepseek-legacy", "parsed", "none", "raw", "hidden") {
	case "none", "raw":
		d.Request.MergeReasoning = true
	case "hidden":
		d.Request.HideReasoning = true
	}
}

// reasoning is the object of OpenRouter, and of the Responses API, in chat completions.
func (d *Builder) reasoning(v *jsonbody.Value, path string) {
	if !d.Want(v, path, jsonbody.Object) {
		return
	}
	d.Keys(v, path, "effort", "max_tokens", "enabled", "exclude", "summary", "generate_summary")
	if m := jsonbody.Present(v, "effort"); m != nil {
		d.Effort(m, path+".effort")
	}
	if m := jsonbody.Present(v, "max_tokens"); m != nil {
		d.Request.Controls.ThinkingBudget = new(int(d.Integer(m, path+".max_tokens", 0, MaxTokensLimit)))
	}
	if m := jsonbody.Present(v, "enabled"); m != nil {
		d.enableThinking = new(d.Flag(m, path+".enabled"))
	}
	d.ExcludeReasoning(v, path)
}

// ExcludeReasoning keeps the thoughts out of the reply.
func (d *Builder) ExcludeReasoning(v *jsonbody.Value, path string) {
	d.Request.HideReasoning = d.Request.HideReasoning || d.OptionalFlag(v, path, "exclude")
}
