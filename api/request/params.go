package request

import (
	"math"
	"strconv"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
)

// MaxTokensLimit is the largest number of tokens that a member may name, MaxTopLogprobs the most alternatives of a
// token that may be asked for.
const (
	MaxTokensLimit = math.MaxInt32
	MaxTopLogprobs = 20
)

const (
	maxLogitBias = 100
	// maxCacheSalt bounds cache_salt, in bytes: several hashes side by side.
	maxCacheSalt = 1024
	// maxPixelArea bounds mm_processor_kwargs far above any projector's own limit.
	maxPixelArea = 1 << 32
)

// CoreTable are members of the answer as a whole and of its media.
func CoreTable() Table[*Builder] {
	return Table[*Builder]{
		"model": func(d *Builder, v *jsonbody.Value, path string) {
			if d.Request.Model = d.Text(v, path); d.Request.Model == "" {
				d.Fail(path, fault.CodeInvalidValue, "must not be empty")
			}
		},
		"max_tokens":            func(d *Builder, v *jsonbody.Value, path string) { d.maxTokens = d.TokenLimit(v, path) },
		"max_completion_tokens": func(d *Builder, v *jsonbody.Value, path string) { d.maxCompletionTokens = d.TokenLimit(v, path) },
		"cache_salt":            (*Builder).cacheSalt,
		"prediction":            (*Builder).prediction,
		"service_tier":          (*Builder).tier,
		"prompt_cache_key":      func(d *Builder, v *jsonbody.Value, _ string) { d.SetCacheKey(v) },
		"n": func(d *Builder, v *jsonbody.Value, path string) {
			d.Request.Choices = int(d.Integer(v, path, 1, int64(d.limits.Choices)))
		},
		"stop":   (*Builder).stop,
		"stream": func(d *Builder, v *jsonbody.Value, path string) { d.Request.Stream = d.Flag(v, path) },
		"stream_options": func(d *Builder, v *jsonbody.Value, path string) {
			if !d.Want(v, path, jsonbody.Object) {
				return
			}
			d.Keys(v, path, "include_usage", "continuous_usage_stats")
			if m := jsonbody.Present(v, "include_usage"); m != nil {
				d.Request.IncludeUsage = d.Flag(m, path+".include_usage")
			}
			if m := jsonbody.Present(v, "continuous_usage_stats"); m != nil && d.Flag(m, path+".continuous_usage_stats") {
				d.Request.IncludeUsage, d.Request.RunningUsage = true, true
			}
		},
		"continue_final_message": func(d *Builder, v *jsonbody.Value, path string) { d.Continued = new(d.Flag(v, path)) },
		"add_generation_prompt":  func(d *Builder, v *jsonbody.Value, path string) { d.generationPrompt = new(d.Flag(v, path)) },
		"logprobs":               func(d *Builder, v *jsonbody.Value, path string) { d.Request.Logprobs = d.Flag(v, path) },
		"top_logprobs": func(d *Builder, v *jsonbody.Value, path string) {
			d.TopLogprobs = new(int(d.Integer(v, path, 0, MaxTopLogprobs)))
		},
		"mm_processor_kwargs": func(d *Builder, v *jsonbody.Value, path string) {
			if !d.Want(v, path, jsonbody.Object) {
				return
			}
			d.Keys(v, path, videoOptionNames()...)
			d.videoDefaults(v, path, append(sizeOptions(), OptNumFrames, OptMinFrames, OptMaxFrames)...)
			for _, name := range []string{OptStart, OptEnd} {
				if jsonbody.Present(v, name) != nil {
					d.Fail(path+"."+name, fault.CodeUnsupported, "belongs to one video; put it beside its url")
				}
			}
			if m := jsonbody.Present(v, "min_pixels"); m != nil {
				d.Request.MinPixels = new(int(d.Integer(m, path+".min_pixels", 1, maxPixelArea)))
			}
			if m := jsonbody.Present(v, "max_pixels"); m != nil {
				d.Request.MaxPixels = new(int(d.Integer(m, path+".max_pixels", 1, maxPixelArea)))
			}
		},
		// vLLM's place for the first three.
		"media_io_kwargs": func(d *Builder, v *jsonbody.Value, path string) {
			if !d.Want(v, path, jsonbody.Object) {
				return
			}
			d.Keys(v, path, "video")
			if m := jsonbody.Present(v, "video"); m != nil && d.Want(m, path+".video", jsonbody.Object) {
				d.Keys(m, path+".video", OptFPS, OptNumFrames, OptMaxFrames)
				d.videoDefaults(m, path+".video", OptFPS, OptNumFrames, OptMaxFrames)
			}
		},
	}
}

// maxCacheKey bounds prompt_cache_key, in bytes. Whatever else it is, it is a hint, which is not refused.
const maxCacheKey = 1024

// SetCacheKey reads OpenAI's hint of which requests have their prompts' beginnings in common.
func (d *Builder) SetCacheKey(v *jsonbody.Value) {
	if v.Kind == jsonbody.String && len(v.Raw) <= maxCacheKey {
		d.Request.CacheKey = jsonbody.TextOf(v)
	}
}

// tier reads OpenAI's service_tier. Names of tiers that are not known here are accepted: clients send what other
// services have.
func (d *Builder) tier(v *jsonbody.Value, _ string) {
	if v.Kind == jsonbody.String {
		if t := Tier(jsonbody.TextOf(v)); t == TierFlex || t == TierPriority {
			d.Request.Tier = t
		}
	}
}

func (d *Builder) cacheSalt(v *jsonbody.Value, path string) {
	if d.Request.CacheSalt = d.Text(v, path); len(d.Request.CacheSalt) > maxCacheSalt {
		d.Fail(path, fault.CodeInvalidValue, "must have at most %d bytes", maxCacheSalt)
	}
}

// prediction reads text that the answer is expected to have much of: a string, or parts of text.
func (d *Builder) prediction(v *jsonbody.Value, path string) {
	if !d.Want(v, path, jsonbody.Object) {
		return
	}
	d.Keys(v, path, "type", "content")
	if m := jsonbody.Present(v, "type"); m == nil || m.Kind != jsonbody.String || jsonbody.TextOf(m) != "content" {
		d.Fail(path+".type", fault.CodeInvalidValue, "must be content")
		return
	}
	content := jsonbody.Present(v, "content")
	switch {
	case content == nil:
		d.Fail(path+".content", fault.CodeInvalidValue, "is missing")
	case content.Kind == jsonbody.String:
		d.Request.Prediction = jsonbody.TextOf(content)
	case d.Want(content, path+".content", jsonbody.Array):
		for i := range content.Items {
			part, at := &content.Items[i], jsonbody.At(path+".content", i)
			if !d.Want(part, at, jsonbody.Object) {
				return
			}
			text := jsonbody.Present(part, "text")
			if text == nil {
				d.Fail(at+".text", fault.CodeInvalidValue, "is missing")
				return
			}
			d.Request.Prediction += d.Text(text, at+".text")
		}
	}
}

// TokenLimit reads a bound of the answer's tokens. LM Studio's and llama.cpp's clients write -1 for none.
func (d *Builder) TokenLimit(v *jsonbody.Value, path string) *int {
	if v.Kind == jsonbody.Number && string(v.Raw) == "-1" {
		return nil
	}
	return new(int(d.Integer(v, path, 1, MaxTokensLimit)))
}

func (d *Builder) stop(v *jsonbody.Value, path string) { d.StopList(v, path, d.limits.Stops) }

// StopList reads a stop string or a list of at most so many.
func (d *Builder) StopList(v *jsonbody.Value, path string, most int) {
	items := []jsonbody.Value{*v}
	list := v.Kind == jsonbody.Array
	if list {
		items = v.Items
	}
	if len(items) > most {
		d.Fail(path, fault.CodeInvalidValue, "at most %d stop strings are allowed", most)
		return
	}
	for i := range items {
		p := path
		if list {
			p = jsonbody.At(path, i)
		}
		s := d.Text(&items[i], p)
		if len(s) > d.limits.StopBytes {
			d.Fail(p, fault.CodeInvalidValue, "must have at most %d bytes", d.limits.StopBytes)
			return
		}
		if s == "" {
			continue // an empty field of a form
		}
		d.Request.Stop = append(d.Request.Stop, s)
	}
}

// SamplingTable are members that say how tokens are drawn.
func SamplingTable() Table[*Builder] {
	number := func(lo, hi float64, field func(*Sampling) **float64) Reader[*Builder] {
		return func(d *Builder, v *jsonbody.Value, path string) {
			*field(&d.Request.Sampling) = new(d.Number(v, path, lo, hi))
		}
	}
	return Table[*Builder]{
		"temperature":        number(0, 2, func(s *Sampling) **float64 { return &s.Temperature }),
		"top_p":              number(0, 1, func(s *Sampling) **float64 { return &s.TopP }),
		"min_p":              number(0, 1, func(s *Sampling) **float64 { return &s.MinP }),
		"presence_penalty":   number(-2, 2, func(s *Sampling) **float64 { return &s.PresencePenalty }),
		"frequency_penalty":  number(-2, 2, func(s *Sampling) **float64 { return &s.FrequencyPenalty }),
		"repetition_penalty": (*Builder).repetitionPenalty,
		"repeat_penalty":     (*Builder).repetitionPenalty, // llama.cpp's and Ollama's name
		"top_k": func(d *Builder, v *jsonbody.Value, path string) {
			// vLLM's clients turn it off with -1.
			k := d.Integer(v, path, -1, math.MaxInt32)
			d.Request.Sampling.TopK = new(int(max(k, 0)))
		},
		"repetition_detection": func(d *Builder, v *jsonbody.Value, path string) { d.Request.MayRepeat = !d.Flag(v, path) },
		"seed": func(d *Builder, v *jsonbody.Value, path string) {
			d.Request.Sampling.Seed = new(d.Integer(v, path, math.MinInt64, math.MaxInt64))
		},
		"logit_bias": (*Builder).logitBias,
	}
}

func (d *Builder) repetitionPenalty(v *jsonbody.Value, path string) {
	p := d.Number(v, path, 0, 10)
	if p == 0 {
		d.Fail(path, fault.CodeInvalidValue, "must be greater than 0; 1 turns it off")
	}
	if had := d.Request.Sampling.RepetitionPenalty; had != nil && *had != p {
		d.Fail(path, fault.CodeInvalidValue, "repetition_penalty and repeat_penalty contradict each other; send one of them")
	}
	d.Request.Sampling.RepetitionPenalty = &p
}

func (d *Builder) logitBias(v *jsonbody.Value, path string) {
	if !d.Want(v, path, jsonbody.Object) {
		return
	}
	if len(v.Members) > d.limits.LogitBias {
		d.Fail(path, fault.CodeInvalidValue, "at most %d entries are allowed", d.limits.LogitBias)
		return
	}
	bias := make(map[int32]float64, len(v.Members))
	for i := range v.Members {
		m := &v.Members[i]
		id, err := strconv.ParseInt(m.Key, 10, 32)
		if err != nil || id < 0 {
			d.Fail(path, fault.CodeInvalidValue, "keys must be token ids, not %q", jsonbody.Abbreviate(m.Key))
			return
		}
		p := path + "." + strconv.FormatInt(id, 10)
		if _, twice := bias[int32(id)]; twice {
			d.Fail(p, fault.CodeInvalidValue, "token %d is given twice", id)
		}
		bias[int32(id)] = d.Number(&m.Value, p, -maxLogitBias, maxLogitBias)
	}
	if len(bias) > 0 {
		d.Request.Sampling.LogitBias = bias
	}
}
