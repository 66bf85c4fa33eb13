package api

import "github.com/qwenvld/qwenvld/router"

func thinkingTable() map[string]param {
	return map[string]param{
		"reasoning_effort": func(d *decoder, v *value, path string) { d.effort(v, path) },
		"enable_thinking":  func(d *decoder, v *value, path string) { d.enableThinking = ptr(d.flag(v, path)) },
		"chat_template_kwargs": func(d *decoder, v *value, path string) {
			if !d.want(v, path, kindObject) {
				return
			}
			// DeepSeek's templates call it thinking.
			d.keys(v, path, "enable_thinking", "thinking", "add_vision_id")
			for _, key := range []string{"thinking", "enable_thinking"} {
				if m := present(v, key); m != nil {
					d.templateThinking = ptr(d.flag(m, path+"."+key))
				}
			}
			if m := present(v, "add_vision_id"); m != nil {
				d.req.VisionID = d.flag(m, path+".add_vision_id")
			}
		},
		"thinking": (*decoder).thinking,
		"thinking_budget": func(d *decoder, v *value, path string) {
			d.req.Controls.ThinkingBudget = ptr(int(d.integer(v, path, 0, maxTokensLimit)))
		},
	}
}

func (d *decoder) thinking(v *value, path string) {
	if !d.want(v, path, kindObject) {
		return
	}
	d.keys(v, path, "type", "budget_tokens")
	c := &d.req.Controls
	m := present(v, "type")
	if m == nil {
		d.fail(path+".type", codeMissing, "thinking.type is required")
		return
	}
	name := d.text(m, path+".type")
	if name == "auto" { // Doubao's word
		name = string(router.ThinkingAdaptive)
	}
	kind, err := router.ParseThinkingType(name)
	if err != nil {
		d.fail(path+".type", codeInvalidValue, "%s", err)
	}
	c.Thinking = kind
	if m := present(v, "budget_tokens"); m != nil {
		c.BudgetTokens = ptr(int(d.integer(m, path+".budget_tokens", 0, maxTokensLimit)))
		if kind == router.ThinkingDisabled {
			d.fail(path+".budget_tokens", codeInvalidValue, "is not allowed when thinking is disabled")
		}
	}
}

// effort reads how much to think in any surface's words. Max is what some call the most.
func (d *decoder) effort(v *value, path string) router.Effort {
	name := d.text(v, path)
	switch name {
	case "max":
		name = string(router.EffortXHigh)
	case "auto", "default": // Groq's and others' way to say nothing
		return ""
	}
	effort, err := router.ParseEffort(name)
	if err != nil {
		d.fail(path, codeInvalidValue, "%s", err)
	}
	d.req.Controls.Effort = effort
	return effort
}

// visibleTable says what becomes of thoughts that were made.
func visibleTable() map[string]param {
	return map[string]param{
		"separate_reasoning": func(d *decoder, v *value, path string) { d.req.MergeReasoning = !d.flag(v, path) },
		"include_reasoning":  func(d *decoder, v *value, path string) { d.req.HideReasoning = !d.flag(v, path) },
		"reasoning":          (*decoder).reasoning,
		"reasoning_format":   (*decoder).reasoningFormat,
		"usage": func(d *decoder, v *value, path string) { // OpenRouter's way to ask for it at a stream's end
			if d.want(v, path, kindObject) {
				d.keys(v, path, "include")
				d.req.IncludeUsage = d.req.IncludeUsage || d.optionalFlagOf(v, path, "include")
			}
		},
	}
}

// reasoningFormat is llama.cpp's and Groq's way to say where thoughts go.
func (d *decoder) reasoningFormat(v *value, path string) {
	switch d.oneOf(v, path, "auto", "deepseek", "deepseek-legacy", "parsed", "none", "raw", "hidden") {
	case "none", "raw":
		d.req.MergeReasoning = true
	case "hidden":
		d.req.HideReasoning = true
	}
}

// reasoning is the object of OpenRouter, and of the Responses API, in chat completions.
func (d *decoder) reasoning(v *value, path string) {
	if !d.want(v, path, kindObject) {
		return
	}
	d.keys(v, path, "effort", "max_tokens", "enabled", "exclude", "summary", "generate_summary")
	if m := present(v, "effort"); m != nil {
		d.effort(m, path+".effort")
	}
	if m := present(v, "max_tokens"); m != nil {
		d.req.Controls.ThinkingBudget = ptr(int(d.integer(m, path+".max_tokens", 0, maxTokensLimit)))
	}
	if m := present(v, "enabled"); m != nil {
		d.enableThinking = ptr(d.flag(m, path+".enabled"))
	}
	d.exclude(v, path)
}

// exclude keeps the thoughts out of the reply.
func (d *decoder) exclude(v *value, path string) {
	d.req.HideReasoning = d.req.HideReasoning || d.optionalFlagOf(v, path, "exclude")
}

// optionalFlagOf reads a flag of an object; one that is not there is off.
func (d *decoder) optionalFlagOf(v *value, path, key string) bool {
	m := present(v, key)
	return m != nil && d.flag(m, path+"."+key)
}
