package api

import "net/http"

func anthropicTable() map[string]param {
	sampling, core := samplingTable(), coreParams()
	return map[string]param{
		"model": core["model"], "stream": core["stream"],
		"stop_sequences": func(d *decoder, v *value, path string) { d.stops(v, path, maxStopSequences) },
		"temperature":    sampling["temperature"], "top_p": sampling["top_p"], "top_k": sampling["top_k"],
		"mm_processor_kwargs": core["mm_processor_kwargs"], "repetition_detection": sampling["repetition_detection"],
		"max_tokens": func(d *decoder, v *value, path string) {
			d.req.MaxTokens = ptr(int(d.integer(v, path, 1, maxTokensLimit)))
		},
		"messages":      (*decoder).anthropicMessages,
		"system":        ignored, // read last, put first
		"thread":        ignored, // refused with what an SDK understands
		"tools":         (*decoder).anthropicTools,
		"tool_choice":   func(d *decoder, v *value, _ string) { d.toolChoice = v },
		"thinking":      (*decoder).anthropicThinking,
		"metadata":      ignored,
		"service_tier":  ignored,
		"cache_control": ignored, // prompts are cached without being asked
		"output_config": (*decoder).outputConfig,
		"output_format": func(d *decoder, v *value, path string) { d.outputFormat(v, path) },
		"container":     never("containers are not supported"),
		"mcp_servers": func(d *decoder, v *value, path string) {
			if v.kind != kindArray || len(v.items) > 0 {
				d.fail(path, codeUnsupported, "MCP servers are not supported; run them in the client")
			}
		},
	}
}

// anthropicThinking reads whether to think, and with display whether to show it. Thoughts come as they are, never summed up.
func (d *decoder) anthropicThinking(v *value, path string) {
	if !d.want(v, path, kindObject) {
		return
	}
	if m := present(v, "display"); m != nil && d.text(m, path+".display") == "omitted" {
		d.req.HideReasoning = true
	}
	d.thinking(v.without("display"), path)
}

// outputConfig is Anthropic's way to ask for effort and for a form of the answer.
func (d *decoder) outputConfig(v *value, path string) {
	if !d.want(v, path, kindObject) {
		return
	}
	d.keys(v, path, "effort", "format", "task_budget")
	if m := present(v, "effort"); m != nil {
		d.effort(m, path+".effort")
	}
	if f := present(v, "format"); f != nil {
		d.outputFormat(f, path+".format")
	}
}

// outputFormat is a schema of the answer. There is no strict mode: SDKs send schemas with whatever is in a class.
func (d *decoder) outputFormat(f *value, path string) {
	if !d.want(f, path, kindObject) {
		return
	}
	d.keys(f, path, "type", "schema")
	d.oneOf(orEmpty(present(f, "type")), path+".type", "json_schema")
	schema := present(f, "schema")
	if schema == nil {
		d.fail(path+".schema", codeMissing, "a format needs a schema")
		return
	}
	d.format = d.schemaForm(schema, path+".schema", false)
}

// failThread refuses server-side threads in the way after which Anthropic's tool runners go on without them.
func (d *decoder) failThread() {
	if d.err != nil {
		return
	}
	d.err = &Error{
		Status: http.StatusBadRequest, Type: typeInvalidRequest, Code: codeUnsupported, Param: "thread",
		Message: "threads are not kept; send the whole conversation",
		Details: map[string]any{"error_code": "thread_unsupported_request", "unsupported": []string{"thread"}},
	}
}
