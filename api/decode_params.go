package api

import (
	"math"
	"strconv"
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
		"messages":              (*decoder).messages,
		"max_tokens":            func(d *decoder, v *value, path string) { d.maxTokens = d.tokenLimit(v, path) },
		"max_completion_tokens": func(d *decoder, v *value, path string) { d.maxCompletionTokens = d.tokenLimit(v, path) },
		"n": func(d *decoder, v *value, path string) {
			d.req.Choices = int(d.integer(v, path, 1, int64(d.limits.Choices)))
		},
		"stop":   (*decoder).stop,
		"stream": func(d *decoder, v *value, path string) { d.req.Stream = d.flag(v, path) },
		"stream_options": func(d *decoder, v *value, path string) {
			if !d.want(v, path, kindObject) {
				return
			}
			d.keys(v, path, "include_usage", "continuous_usage_stats")
			if m := present(v, "include_usage"); m != nil {
				d.req.IncludeUsage = d.flag(m, path+".include_usage")
			}
			if m := present(v, "continuous_usage_stats"); m != nil && d.flag(m, path+".continuous_usage_stats") {
				d.req.IncludeUsage, d.req.RunningUsage = true, true
			}
		},
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

// tokenLimit reads a bound of the answer's tokens. LM Studio's and llama.cpp's clients write -1 for none.
func (d *decoder) tokenLimit(v *value, path string) *int {
	if v.kind == kindNumber && string(v.raw) == "-1" {
		return nil
	}
	return ptr(int(d.integer(v, path, 1, maxTokensLimit)))
}

func (d *decoder) stop(v *value, path string) { d.stops(v, path, d.limits.Stops) }

// maxStopSequences bounds Anthropic's stop_sequences, which are not bounded there.
const maxStopSequences = 1024

func (d *decoder) stops(v *value, path string, most int) {
	items := []value{*v}
	list := v.kind == kindArray
	if list {
		items = v.items
	}
	if len(items) > most {
		d.fail(path, codeInvalidValue, "at most %d stop strings are allowed", most)
		return
	}
	for i := range items {
		p := path
		if list {
			p = index(path, i)
		}
		s := d.text(&items[i], p)
		if len(s) > d.limits.StopBytes {
			d.fail(p, codeInvalidValue, "must have at most %d bytes", d.limits.StopBytes)
			return
		}
		if s == "" {
			continue // an empty field of a form
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
		"temperature":        number(0, 2, func(s *samplingParams) **float64 { return &s.Temperature }),
		"top_p":              number(0, 1, func(s *samplingParams) **float64 { return &s.TopP }),
		"min_p":              number(0, 1, func(s *samplingParams) **float64 { return &s.MinP }),
		"presence_penalty":   number(-2, 2, func(s *samplingParams) **float64 { return &s.PresencePenalty }),
		"frequency_penalty":  number(-2, 2, func(s *samplingParams) **float64 { return &s.FrequencyPenalty }),
		"repetition_penalty": (*decoder).repetitionPenalty,
		"repeat_penalty":     (*decoder).repetitionPenalty, // llama.cpp's and Ollama's name
		"top_k": func(d *decoder, v *value, path string) {
			// vLLM's clients turn it off with -1.
			k := d.integer(v, path, -1, math.MaxInt32)
			d.req.Sampling.TopK = ptr(int(max(k, 0)))
		},
		"repetition_detection": func(d *decoder, v *value, path string) { d.req.MayRepeat = !d.flag(v, path) },
		"seed": func(d *decoder, v *value, path string) {
			d.req.Sampling.Seed = ptr(d.integer(v, path, math.MinInt64, math.MaxInt64))
		},
		"logit_bias": (*decoder).logitBias,
	}
}

func (d *decoder) repetitionPenalty(v *value, path string) {
	p := d.number(v, path, 0, 10)
	if p == 0 {
		d.fail(path, codeInvalidValue, "must be greater than 0; 1 turns it off")
	}
	if had := d.req.Sampling.RepetitionPenalty; had != nil && *had != p {
		d.fail(path, codeInvalidValue, "repetition_penalty and repeat_penalty contradict each other; send one of them")
	}
	d.req.Sampling.RepetitionPenalty = &p
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
		id, err := strconv.ParseInt(m.key, 10, 32)
		if err != nil || id < 0 {
			d.fail(path, codeInvalidValue, "keys must be token ids, not %q", abbreviate(m.key))
			return
		}
		p := path + "." + strconv.FormatInt(id, 10)
		if _, twice := bias[int32(id)]; twice {
			d.fail(p, codeInvalidValue, "token %d is given twice", id)
		}
		bias[int32(id)] = d.number(&m.value, p, -maxLogitBias, maxLogitBias)
	}
	if len(bias) > 0 {
		d.req.Sampling.LogitBias = bias
	}
}

func ptr[T any](v T) *T { return &v }

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
