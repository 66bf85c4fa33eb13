package api

import (
	"math"
	"strconv"

	"github.com/qwenvld/qwenvld/router"
)

const (
	maxTokensLimit = math.MaxInt32
	maxTopLogprobs = 20
	maxLogitBias   = 100
	// maxPixelArea bounds mm_processor_kwargs far above any projector's own limit.
	maxPixelArea = 1 << 32
)

func coreParams() map[string]param {
	return map[string]param{
		"model": func(d *decoder, v *value, path string) {
			if d.req.Model = d.text(v, path); d.req.Model == "" {
				d.fail(path, codeInvalidValue, "must not be empty")
			}
		},
		"messages": (*decoder).messages,
		"max_tokens": func(d *decoder, v *value, path string) {
			d.maxTokens = ptr(int(d.integer(v, path, 1, maxTokensLimit)))
		},
		"max_completion_tokens": func(d *decoder, v *value, path string) {
			d.maxCompletionTokens = ptr(int(d.integer(v, path, 1, maxTokensLimit)))
		},
		"n": func(d *decoder, v *value, path string) {
			d.req.Choices = int(d.integer(v, path, 1, int64(d.limits.Choices)))
		},
		"stop":   (*decoder).stop,
		"stream": func(d *decoder, v *value, path string) { d.req.Stream = d.flag(v, path) },
		"stream_options": func(d *decoder, v *value, path string) {
			d.streamOptions = true
			if !d.want(v, path, kindObject) {
				return
			}
			d.keys(v, path, "include_usage", "include_obfuscation", "continuous_usage_stats")
			if m := present(v, "include_usage"); m != nil {
				d.req.IncludeUsage = d.flag(m, path+".include_usage")
			}
			d.mustBeFalse(v, path, "include_obfuscation", "padding of stream chunks is not supported")
			if m := present(v, "continuous_usage_stats"); m != nil && d.flag(m, path+".continuous_usage_stats") {
				d.req.IncludeUsage, d.req.RunningUsage = true, true
			}
		},
		"separate_reasoning":     func(d *decoder, v *value, path string) { d.req.MergeReasoning = !d.flag(v, path) },
		"continue_final_message": func(d *decoder, v *value, path string) { d.continued = ptr(d.flag(v, path)) },
		"add_generation_prompt":  func(d *decoder, v *value, path string) { d.generationPrompt = ptr(d.flag(v, path)) },
		"logprobs":               func(d *decoder, v *value, path string) { d.req.Logprobs = d.flag(v, path) },
		"top_logprobs": func(d *decoder, v *value, path string) {
			d.topLogprobs = ptr(int(d.integer(v, path, 0, maxTopLogprobs)))
		},
		"mm_processor_kwargs": func(d *decoder, v *value, path string) {
			if !d.want(v, path, kindObject) {
				return
			}
			d.keys(v, path, videoOptionNames()...)
			d.videoDefaults(v, path, append(sizeOptions(), optNumFrames, optMinFrames, optMaxFrames)...)
			for _, name := range []string{optStart, optEnd} {
				if present(v, name) != nil {
					d.fail(path+"."+name, codeUnsupported, "belongs to one video; put it beside its url")
				}
			}
			if m := present(v, "min_pixels"); m != nil {
				d.req.MinPixels = ptr(int(d.integer(m, path+".min_pixels", 1, maxPixelArea)))
			}
			if m := present(v, "max_pixels"); m != nil {
				d.req.MaxPixels = ptr(int(d.integer(m, path+".max_pixels", 1, maxPixelArea)))
			}
		},
		// vLLM's place for the first three.
		"media_io_kwargs": func(d *decoder, v *value, path string) {
			if !d.want(v, path, kindObject) {
				return
			}
			d.keys(v, path, "video")
			if m := present(v, "video"); m != nil && d.want(m, path+".video", kindObject) {
				d.keys(m, path+".video", optFPS, optNumFrames, optMaxFrames)
				d.videoDefaults(m, path+".video", optFPS, optNumFrames, optMaxFrames)
			}
		},
	}
}

func (d *decoder) mustBeFalse(v *value, path, key, why string) {
	if m := present(v, key); m != nil && d.flag(m, path+"."+key) {
		d.fail(path+"."+key, codeUnsupported, "%s", why)
	}
}

func (d *decoder) stop(v *value, path string) {
	items := []value{*v}
	list := v.kind == kindArray
	if list {
		items = v.items
	}
	if len(items) > d.limits.Stops {
		d.fail(path, codeInvalidValue, "at most %d stop strings are allowed", d.limits.Stops)
		return
	}
	for i := range items {
		p := path
		if list {
			p = index(path, i)
		}
		s := d.text(&items[i], p)
		if s == "" || len(s) > d.limits.StopBytes {
			d.fail(p, codeInvalidValue, "must have 1 to %d bytes", d.limits.StopBytes)
			return
		}
		d.req.Stop = append(d.req.Stop, s)
	}
}

func samplingTable() map[string]param {
	number := func(lo, hi float64, field func(*samplingParams) **float64) param {
		return func(d *decoder, v *value, path string) {
			*field(&d.req.Sampling) = ptr(d.number(v, path, lo, hi))
		}
	}
	return map[string]param{
		"temperature": number(0, 2, func(s *samplingParams) **float64 { return &s.Temperature }),
		"top_p": func(d *decoder, v *value, path string) {
			// 0 would mean "off" to the engine and "greedy" to some clients, so it is refused.
			p := d.number(v, path, 0, 1)
			if p == 0 {
				d.fail(path, codeInvalidValue, "must be greater than 0; use temperature 0 for greedy decoding")
			}
			d.req.Sampling.TopP = &p
		},
		"min_p":             number(0, 1, func(s *samplingParams) **float64 { return &s.MinP }),
		"presence_penalty":  number(-2, 2, func(s *samplingParams) **float64 { return &s.PresencePenalty }),
		"frequency_penalty": number(-2, 2, func(s *samplingParams) **float64 { return &s.FrequencyPenalty }),
		"repetition_penalty": func(d *decoder, v *value, path string) {
			p := d.number(v, path, 0, 10)
			if p == 0 {
				d.fail(path, codeInvalidValue, "must be greater than 0; 1 turns it off")
			}
			d.req.Sampling.RepetitionPenalty = &p
		},
		"top_k": func(d *decoder, v *value, path string) {
			// vLLM's clients turn it off with -1.
			k := d.integer(v, path, -1, math.MaxInt32)
			d.req.Sampling.TopK = ptr(int(max(k, 0)))
		},
		"seed": func(d *decoder, v *value, path string) {
			d.req.Sampling.Seed = ptr(d.integer(v, path, math.MinInt64, math.MaxInt64))
		},
		"logit_bias": (*decoder).logitBias,
	}
}

func (d *decoder) logitBias(v *value, path string) {
	if !d.want(v, path, kindObject) {
		return
	}
	if len(v.members) > d.limits.LogitBias {
		d.fail(path, codeInvalidValue, "at most %d entries are allowed", d.limits.LogitBias)
		return
	}
	bias := make(map[int32]float64, len(v.members))
	for i := range v.members {
		m := &v.members[i]
		p := path + "." + abbreviate(m.key)
		id, err := strconv.ParseInt(m.key, 10, 32)
		if err != nil || id < 0 {
			d.fail(p, codeInvalidValue, "keys must be token ids")
			return
		}
		if _, twice := bias[int32(id)]; twice {
			d.fail(p, codeInvalidValue, "token %d is given twice", id)
		}
		bias[int32(id)] = d.number(&m.value, p, -maxLogitBias, maxLogitBias)
	}
	if len(bias) > 0 {
		d.req.Sampling.LogitBias = bias
	}
}

func thinkingTable() map[string]param {
	return map[string]param{
		"reasoning_effort": func(d *decoder, v *value, path string) {
			effort, err := router.ParseEffort(d.text(v, path))
			if err != nil {
				d.fail(path, codeInvalidValue, "%s", err)
			}
			d.req.Controls.Effort = effort
		},
		"enable_thinking": func(d *decoder, v *value, path string) { d.enableThinking = ptr(d.flag(v, path)) },
		"chat_template_kwargs": func(d *decoder, v *value, path string) {
			if !d.want(v, path, kindObject) {
				return
			}
			d.keys(v, path, "enable_thinking")
			if m := present(v, "enable_thinking"); m != nil {
				d.templateThinking = ptr(d.flag(m, path+".enable_thinking"))
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
	kind, err := router.ParseThinkingType(d.text(m, path+".type"))
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

func ptr[T any](v T) *T { return &v }

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
