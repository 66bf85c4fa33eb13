package api

import (
	"bytes"
	"context"
	"math"
	"strings"

	"github.com/qwenvld/qwenvld/engine"
)

const (
	// defaultCompletionTokens is OpenAI's default of max_tokens for plain completions.
	defaultCompletionTokens = 16
	maxTextLogprobs         = 5
)

// textRequest is a decoded body of POST /v1/completions: prompts that are continued as they are, without a chat template.
type textRequest struct {
	*chatRequest // model, sampling, stop, n, stream; Logprobs and TopLogprobs from logprobs
	prompts      []textPrompt
	echo         bool
}

// textPrompt is text, in which special tokens are recognised, or tokens.
type textPrompt struct {
	text   string
	tokens []int32
}

func (p *textPrompt) piece() engine.Piece {
	if p.tokens != nil {
		return engine.Piece{Kind: engine.PieceTokens, Tokens: p.tokens}
	}
	return engine.Piece{Kind: engine.PieceControl, Text: p.text}
}

// textShared are the parameters that plain completions have in common with chat completions.
var textShared = []string{
	"model", "temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty", "repeat_penalty",
	"logit_bias", "seed", "stop", "n", "stream", "stream_options", "user", "structured_outputs", "guided_json", "guided_regex",
	"guided_choice", "ignore_eos", "include_stop_str_in_output", "use_beam_search", "min_tokens", "guided_grammar", "grammar",
	"stop_token_ids", "bad_words", "prompt_logprobs", "repetition_detection",
}

// decodeText checks a completions body. What it shares with chat completions is decoded as there.
func (r *requestDecoder) decodeText(body []byte) (*textRequest, error) {
	root, err := r.parse(body)
	if err != nil {
		return nil, err
	}
	d := r.newDecoder()
	d.req.PromptParam = "prompt"
	out := &textRequest{chatRequest: d.req}
	bestOf, nothing := 0, false
	own := map[string]param{
		"prompt": func(d *decoder, v *value, path string) { out.prompts = d.prompts(v, path) },
		"echo":   func(d *decoder, v *value, path string) { out.echo = d.flag(v, path) },
		"logprobs": func(d *decoder, v *value, path string) {
			d.req.Logprobs, d.req.TopLogprobs = true, int(d.integer(v, path, 0, maxTextLogprobs))
		},
		"best_of": func(d *decoder, v *value, path string) { bestOf = int(d.integer(v, path, 1, math.MaxInt32)) },
		"suffix": func(d *decoder, v *value, path string) {
			if d.text(v, path) != "" {
				d.fail(path, codeUnsupported, "text cannot be filled in before a suffix")
			}
		},
		"max_tokens": func(d *decoder, v *value, path string) {
			// None at all is a way to have a prompt echoed or counted.
			if nothing = v.kind == kindNumber && string(v.raw) == "0"; !nothing {
				d.maxTokens = d.tokenLimit(v, path)
			}
		},
	}
	for _, name := range textShared {
		own[name] = r.params[name]
	}
	d.members(root, own)
	d.needs(root, "prompt")
	d.finish()
	switch {
	case nothing:
		d.req.MaxTokens = ptr(0)
	case d.req.MaxTokens == nil:
		d.req.MaxTokens = ptr(defaultCompletionTokens)
	}
	switch {
	case bestOf > 0 && bestOf != max(1, d.req.Choices):
		d.fail("best_of", codeUnsupported, "only as many completions as n are made")
	case out.echo && d.req.Logprobs:
		d.fail("logprobs", codeUnsupported, "log-probabilities of an echoed prompt are not computed")
	case len(out.prompts)*max(1, d.req.Choices) > r.limits.Choices*r.limits.Choices:
		d.fail("prompt", codeInvalidValue, "at most %d completions can be asked for at once", r.limits.Choices*r.limits.Choices)
	}
	if d.err != nil {
		return nil, d.err
	}
	return out, nil
}

// spell finds the text of prompts that came as tokens.
func (r *textRequest) spell(ctx context.Context, eng engine.Engine) error {
	for i := range r.prompts {
		p := &r.prompts[i]
		if p.tokens == nil {
			continue
		}
		pieces, err := eng.TokenBytes(ctx, p.tokens)
		if err != nil {
			return err
		}
		p.text = strings.ToValidUTF8(string(bytes.Join(pieces, nil)), "\uFFFD")
	}
	return nil
}

// prompts reads a text, a list of texts, a list of tokens or a list of such lists.
func (d *decoder) prompts(v *value, path string) []textPrompt {
	switch {
	case v.kind == kindString:
		return []textPrompt{{text: d.text(v, path)}}
	case !d.want(v, path, kindArray):
		return nil
	case len(v.items) == 0:
		d.fail(path, codeInvalidValue, "must not be empty")
		return nil
	case v.items[0].kind == kindNumber:
		return []textPrompt{{tokens: d.tokenList(v, path)}}
	}
	var out []textPrompt
	for i := range v.items {
		item, at := &v.items[i], index(path, i)
		if item.kind == kindArray {
			out = append(out, textPrompt{tokens: d.tokenList(item, at)})
		} else {
			out = append(out, textPrompt{text: d.text(item, at)})
		}
	}
	return out
}

func (d *decoder) tokenList(v *value, path string) []int32 {
	out := make([]int32, 0, len(v.items))
	for i := range v.items {
		out = append(out, int32(d.integer(&v.items[i], index(path, i), 0, math.MaxInt32)))
	}
	return out
}
