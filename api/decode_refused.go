package api

// refusedParams are parameters that cannot be honoured, those that are accepted only with the value that changes nothing, and those that
// say nothing to this server.
func refusedParams() map[string]param {
	table := map[string]param{
		"modalities":                 (*decoder).modalities,
		"ignore_eos":                 onlyFalse("an answer ends where the model ends it"),
		"include_stop_str_in_output": onlyFalse("stop strings are never part of the answer"),
		"use_beam_search":            onlyFalse("there is no beam search"),
		"echo":                       onlyFalse("a conversation is not echoed"),
		"best_of": func(d *decoder, v *value, path string) {
			if n := d.integer(v, path, 1, int64(d.limits.Choices)); n > 1 {
				d.fail(path, codeUnsupported, "only as many answers as n are made")
			}
		},
		"min_tokens": func(d *decoder, v *value, path string) {
			if d.integer(v, path, 0, maxTokensLimit) > 0 {
				d.fail(path, codeUnsupported, "an answer ends where the model ends it")
			}
		},
		"audio":              never("audio output is not supported"),
		"functions":          never("functions is deprecated; send tools"),
		"function_call":      never("function_call is deprecated; send tool_choice"),
		"web_search_options": never("web search is not supported"),
		"moderation":         never("moderation is not supported"),
		"guided_grammar":     never(whyNoGrammar),
		"grammar":            never(whyNoGrammar),
		"ebnf":               never(whyNoGrammar),
		"structural_tag":     never(whyNoGrammar),
		"stop_token_ids":     never("tokens cannot end an answer; send texts as stop"),
		"bad_words":          never("words cannot be banned; logit_bias bans tokens"),
		"prompt_logprobs":    never("log-probabilities of prompts are not computed"),
		"chat_template":      never("the model's own chat template is used"),
	}
	for _, name := range []string{
		"service_tier", "store", "metadata", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "verbosity",
		"prediction", // it would only make the same answer faster
	} {
		table[name] = ignored
	}
	return table
}

// ignored is a parameter whose value changes nothing here.
func ignored(*decoder, *value, string) {}

// never refuses a parameter with any value.
func never(why string) param {
	return func(d *decoder, _ *value, path string) { d.fail(path, codeUnsupported, "%s", why) }
}

// onlyFalse refuses a switch that is on.
func onlyFalse(why string) param {
	return func(d *decoder, v *value, path string) {
		if d.flag(v, path) {
			d.fail(path, codeUnsupported, "%s", why)
		}
	}
}

func (d *decoder) modalities(v *value, path string) {
	if !d.want(v, path, kindArray) {
		return
	}
	for i := range v.items {
		if m := d.text(&v.items[i], index(path, i)); m != "text" {
			d.fail(index(path, i), codeUnsupported, "only text can be generated, not %q", abbreviate(m))
		}
	}
}
