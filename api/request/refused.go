package request

import (
	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
)

// RefusedTable are parameters that cannot be honoured, those that are accepted only with the value that changes
// nothing, and those that say nothing to this server.
func RefusedTable() Table[*Builder] {
	table := Table[*Builder]{
		"modalities":                 (*Builder).modalities,
		"ignore_eos":                 OnlyFalse("an answer ends where the model ends it"),
		"include_stop_str_in_output": OnlyFalse("stop strings are never part of the answer"),
		"use_beam_search":            OnlyFalse("there is no beam search"),
		"echo":                       OnlyFalse("a conversation is not echoed"),
		"best_of": func(d *Builder, v *jsonbody.Value, path string) {
			if n := d.Integer(v, path, 1, int64(d.limits.Choices)); n > 1 {
				d.Fail(path, fault.CodeUnsupported, "only as many answers as n are made")
			}
		},
		"min_tokens": func(d *Builder, v *jsonbody.Value, path string) {
			if d.Integer(v, path, 0, MaxTokensLimit) > 0 {
				d.Fail(path, fault.CodeUnsupported, "an answer ends where the model ends it")
			}
		},
		"audio":              Never("audio output is not supported"),
		"functions":          Never("functions is deprecated; send tools"),
		"function_call":      Never("function_call is deprecated; send tool_choice"),
		"web_search_options": Never("web search is not supported"),
		"moderation":         Never("moderation is not supported"),
		"guided_grammar":     Never(whyNoGrammar),
		"grammar":            Never(whyNoGrammar),
		"ebnf":               Never(whyNoGrammar),
		"structural_tag":     Never(whyNoGrammar),
		"stop_token_ids":     Never("tokens cannot end an answer; send texts as stop"),
		"bad_words":          Never("words cannot be banned; logit_bias bans tokens"),
		"prompt_logprobs":    Never("log-probabilities of prompts are not computed"),
		"chat_template":      Never("the model's own chat template is used"),
	}
	for _, name := range []string{
		"store", "metadata", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "verbosity",
	} {
		table[name] = Ignored
	}
	return table
}

// Ignored is a parameter whose value changes nothing here.
func Ignored(*Builder, *jsonbody.Value, string) {}

// Never refuses a parameter with any value.
func Never(why string) Reader[*Builder] {
	return func(d *Builder, _ *jsonbody.Value, path string) { d.Fail(path, fault.CodeUnsupported, "%s", why) }
}

// OnlyFalse refuses a switch that is on.
func OnlyFalse(why string) Reader[*Builder] {
	return func(d *Builder, v *jsonbody.Value, path string) {
		if d.Flag(v, path) {
			d.Fail(path, fault.CodeUnsupported, "%s", why)
		}
	}
}

func (d *Builder) modalities(v *jsonbody.Value, path string) {
	if !d.Want(v, path, jsonbody.Array) {
		return
	}
	for i := range v.Items {
		if m := d.Text(&v.Items[i], jsonbody.At(path, i)); m != "text" {
			d.Fail(jsonbody.At(path, i), fault.CodeUnsupported, "only text can be generated, not %q", jsonbody.Abbreviate(m))
		}
	}
}
