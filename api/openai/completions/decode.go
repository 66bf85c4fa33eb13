package completions

import (
	"math"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/api/request"
)

const (
	// defaultTokens is OpenAI's default of max_tokens here.
	defaultTokens = 16
	maxLogprobs   = 5
)

// textRequest is a decoded body.
type textRequest struct {
	*request.Request // model, sampling, stop, n, stream; Logprobs and TopLogprobs from logprobs
	prompts          []generation.TextPrompt
	echo             bool
}

// decoder reads a body.
type decoder struct {
	*request.Builder
	out    *textRequest
	bestOf int64
	// nothing is max_tokens 0: a way to have a prompt echoed or counted.
	nothing bool
}

// shared are the members that completions have in common with chat completions.
func shared() []string {
	return []string{
		"model", "temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty", "repeat_penalty",
		"logit_bias", "seed", "stop", "n", "stream", "stream_options", "user", "structured_outputs", "guided_json", "guided_regex",
		"guided_choice", "ignore_eos", "include_stop_str_in_output", "use_beam_search", "min_tokens", "guided_grammar", "grammar",
		"stop_token_ids", "bad_words", "prompt_logprobs", "repetition_detection", "cache_salt", "service_tier",
	}
}

func table() request.Table[*decoder] {
	return request.Shared[*decoder](request.Common(), shared()...).With(request.Table[*decoder]{
		"prompt": func(d *decoder, v *jsonbody.Value, path string) { d.out.prompts = d.prompts(v, path) },
		"echo":   func(d *decoder, v *jsonbody.Value, path string) { d.out.echo = d.Flag(v, path) },
		"logprobs": func(d *decoder, v *jsonbody.Value, path string) {
			d.Request.Logprobs, d.Request.TopLogprobs = true, int(d.Integer(v, path, 0, maxLogprobs))
		},
		"best_of": func(d *decoder, v *jsonbody.Value, path string) { d.bestOf = d.Integer(v, path, 1, math.MaxInt32) },
		"suffix": func(d *decoder, v *jsonbody.Value, path string) {
			if d.Text(v, path) != "" {
				d.Fail(path, fault.CodeUnsupported, "text cannot be filled in before a suffix")
			}
		},
		"max_tokens": func(d *decoder, v *jsonbody.Value, path string) {
			if d.nothing = v.Kind == jsonbody.Number && string(v.Raw) == "0"; !d.nothing {
				d.Request.MaxTokens = d.TokenLimit(v, path)
			}
		},
	})
}

// decode checks a body. What it shares with chat completions is read as there.
func decode(policy *request.Policy, table request.Table[*decoder], body *jsonbody.Value) (*textRequest, error) {
	d := &decoder{Builder: policy.NewBuilder("prompt")}
	d.out = &textRequest{Request: d.Request}
	request.Read(d, body, table)
	d.Needs(body, "prompt")
	if err := d.Finish(); err != nil {
		return nil, err
	}
	switch {
	case d.nothing:
		d.Request.MaxTokens = new(int)
	case d.Request.MaxTokens == nil:
		n := defaultTokens
		d.Request.MaxTokens = &n
	}
	most := d.Limits().Choices * d.Limits().Choices
	switch {
	case d.bestOf > 0 && d.bestOf != int64(d.Request.Answers()):
		d.Fail("best_of", fault.CodeUnsupported, "only as many completions as n are made")
	case d.out.echo && d.Request.Logprobs:
		d.Fail("logprobs", fault.CodeUnsupported, "log-probabilities of an echoed prompt are not computed")
	case len(d.out.prompts)*d.Request.Answers() > most:
		d.Fail("prompt", fault.CodeInvalidValue, "at most %d completions can be asked for at once", most)
	}
	return d.out, d.Failure()
}

// prompts reads a text, a list of texts, a list of tokens or a list of such lists.
func (d *decoder) prompts(v *jsonbody.Value, path string) []generation.TextPrompt {
	switch {
	case v.Kind == jsonbody.String:
		return []generation.TextPrompt{{Text: d.Text(v, path)}}
	case !d.Want(v, path, jsonbody.Array):
		return nil
	case len(v.Items) == 0:
		d.Fail(path, fault.CodeInvalidValue, "must not be empty")
		return nil
	case v.Items[0].Kind == jsonbody.Number:
		return []generation.TextPrompt{{Tokens: d.tokenList(v, path)}}
	}
	var out []generation.TextPrompt
	for i := range v.Items {
		item, at := &v.Items[i], jsonbody.At(path, i)
		if item.Kind == jsonbody.Array {
			out = append(out, generation.TextPrompt{Tokens: d.tokenList(item, at)})
		} else {
			out = append(out, generation.TextPrompt{Text: d.Text(item, at)})
		}
	}
	return out
}

func (d *decoder) tokenList(v *jsonbody.Value, path string) []int32 {
	out := make([]int32, 0, len(v.Items))
	for i := range v.Items {
		out = append(out, int32(d.Integer(&v.Items[i], jsonbody.At(path, i), 0, math.MaxInt32)))
	}
	return out
}
