package api

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/qwenvld/qwenvld/engine"
)

// Limits bound a request. Zero fields take the defaults of DefaultLimits.
type Limits struct {
	BodyBytes int64 // bytes of a request body
	Messages  int   // messages in a request
	Images    int   // images in a request
	Videos    int   // videos in a request
	Tools     int   // tools in a request
	Stops     int   // stop strings in a request
	StopBytes int   // bytes of one stop string
	LogitBias int   // entries of logit_bias
	Choices   int   // answers of a request
	Depth     int   // nesting of the JSON body
	Values    int   // JSON values in the body

	SchemaBytes int // bytes of a JSON schema for the answer
}

// DefaultLimits are generous enough for OpenAI's clients and bound the memory of one request.
func DefaultLimits() Limits {
	return Limits{
		BodyBytes: 64 << 20, Messages: 2048, Images: 32, Videos: 8, Tools: 1024, Stops: 16, StopBytes: 512, LogitBias: 1024,
		Choices: 8, Depth: 64, Values: 200_000, SchemaBytes: 256 << 10,
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	set := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	if l.BodyBytes == 0 {
		l.BodyBytes = d.BodyBytes
	}
	set(&l.Messages, d.Messages)
	set(&l.Images, d.Images)
	set(&l.Videos, d.Videos)
	set(&l.Tools, d.Tools)
	set(&l.Stops, d.Stops)
	set(&l.StopBytes, d.StopBytes)
	set(&l.LogitBias, d.LogitBias)
	set(&l.Choices, d.Choices)
	set(&l.Depth, d.Depth)
	set(&l.Values, d.Values)
	set(&l.SchemaBytes, d.SchemaBytes)
	return l
}

// decoder walks a parsed body and keeps the first error. Its readers return zero values after an error,
// so that callers need not check each one.
type decoder struct {
	limits  Limits
	foreign *foreign
	err     *Error
	// req is the request being filled.
	req *chatRequest
	// both max_tokens spellings, to compare at the end
	maxTokens, maxCompletionTokens *int
	// both spellings of the thinking switch
	enableThinking, templateThinking *bool
	topLogprobs                      *int
	parallelToolCalls                *bool
	toolChoice                       *value
	choice                           toolChoice
	tools                            []toolSpec
	skipped                          []skippedTool
	schemaSize                       int // of the tools' schemas so far
	// the answer's form by response_format and by structured_outputs
	format, structured *engine.Form
	// vLLM's words for going on from the last message
	continued, generationPrompt *bool
}

func (d *decoder) fail(path, code, format string, args ...any) {
	if d.err == nil {
		d.err = badField(path, code, format, args...)
	}
}

func (d *decoder) want(v *value, path string, k kind) bool {
	if v.kind == k {
		return true
	}
	d.fail(path, codeInvalidValue, "must be %s, not %s", k, v.kind)
	return false
}

func (d *decoder) text(v *value, path string) string {
	if !d.want(v, path, kindString) {
		return ""
	}
	return unquote(v.raw)
}

func (d *decoder) flag(v *value, path string) bool {
	return d.want(v, path, kindBool) && v.raw[0] == 't'
}

// number reads a finite number in [lo, hi].
func (d *decoder) number(v *value, path string, lo, hi float64) float64 {
	if !d.want(v, path, kindNumber) {
		return 0
	}
	f, err := strconv.ParseFloat(string(v.raw), 64)
	if err != nil || math.IsInf(f, 0) || f < lo || f > hi {
		d.fail(path, codeInvalidValue, "must be between %v and %v", lo, hi)
		return 0
	}
	return f
}

// integer reads a whole number in [lo, hi]. 5.0 and 5e0 are whole numbers too.
func (d *decoder) integer(v *value, path string, lo, hi int64) int64 {
	if !d.want(v, path, kindNumber) {
		return 0
	}
	n, err := strconv.ParseInt(string(v.raw), 10, 64)
	if errors.Is(err, strconv.ErrSyntax) {
		f, ferr := strconv.ParseFloat(string(v.raw), 64)
		// Past 2^53 a float no longer says which integer was meant.
		if ferr != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			d.fail(path, codeInvalidValue, "must be an integer")
			return 0
		}
		n, err = int64(f), nil
	}
	if err != nil || n < lo || n > hi {
		d.fail(path, codeInvalidValue, "must be an integer between %d and %d", lo, hi)
		return 0
	}
	return n
}

func (d *decoder) oneOf(v *value, path string, allowed ...string) string {
	s := d.text(v, path)
	if d.err == nil && !slices.Contains(allowed, s) {
		d.fail(path, codeInvalidValue, "must be one of %s, not %q", strings.Join(allowed, ", "), abbreviate(s))
	}
	return s
}

// present returns the member unless it is missing or null.
func present(v *value, key string) *value {
	if m := v.get(key); m != nil && m.kind != kindNull {
		return m
	}
	return nil
}

// param decodes one top-level parameter.
type param func(d *decoder, v *value, path string)

// requestDecoder holds the table of top-level parameters. It is safe for concurrent use.
type requestDecoder struct {
	limits  Limits
	foreign foreign
	params  map[string]param
	// mayRepeat is chatRequest.MayRepeat where a request says nothing of it.
	mayRepeat bool
}

func newRequestDecoder(l Limits) *requestDecoder {
	r := &requestDecoder{limits: l.withDefaults(), params: map[string]param{}}
	for _, table := range []map[string]param{coreParams(), samplingTable(), thinkingTable(), visibleTable(), toolTable(), refusedParams()} {
		for name, p := range table {
			r.params[name] = p
		}
	}
	return r
}

func (r *requestDecoder) newDecoder() *decoder {
	return &decoder{limits: r.limits, foreign: &r.foreign, req: &chatRequest{MayRepeat: r.mayRepeat}}
}

// decode parses and checks a chat completions body. Its errors are *Error.
func (r *requestDecoder) decode(body []byte) (*chatRequest, error) {
	root, err := r.parse(body)
	if err != nil {
		return nil, err
	}
	return r.decodeWithout(root)
}

// parse reads a body that must be a JSON object.
func (r *requestDecoder) parse(body []byte) (*value, error) {
	root, err := parseJSON(body, jsonLimits{depth: r.limits.Depth, values: r.limits.Values})
	if err != nil {
		return nil, badField("", codeInvalidJSON, "The body is not valid JSON: %s.", err)
	}
	if root.kind != kindObject {
		return nil, badField("", codeInvalidJSON, "The body must be a JSON object, not %s.", root.kind)
	}
	return root, nil
}

// decodeWithout checks a chat completions body that may have members which are not for chat completions.
func (r *requestDecoder) decodeWithout(root *value, others ...string) (*chatRequest, error) {
	d := r.newDecoder()
	d.members(root, r.params, others...)
	d.needs(root, "messages")
	d.finish()
	if d.err != nil {
		return nil, d.err
	}
	return d.req, nil
}

// finish checks what depends on several parameters.
func (d *decoder) finish() {
	r := d.req
	switch {
	case d.maxTokens != nil && d.maxCompletionTokens != nil && *d.maxTokens != *d.maxCompletionTokens:
		d.fail("max_completion_tokens", codeInvalidValue, "contradicts max_tokens; send one of them")
	case d.maxCompletionTokens != nil:
		r.MaxTokens = d.maxCompletionTokens
	case d.maxTokens != nil:
		r.MaxTokens = d.maxTokens
	}
	switch {
	case d.enableThinking != nil && d.templateThinking != nil && *d.enableThinking != *d.templateThinking:
		d.fail("chat_template_kwargs.enable_thinking", codeInvalidValue, "contradicts enable_thinking; send one of them")
	case d.enableThinking != nil:
		r.Controls.EnableThinking = d.enableThinking
	default:
		r.Controls.EnableThinking = d.templateThinking
	}
	d.finishSampling()
	if d.topLogprobs != nil {
		r.TopLogprobs = *d.topLogprobs
		if !r.Logprobs && r.TopLogprobs > 0 {
			d.fail("top_logprobs", codeInvalidValue, "needs logprobs to be true")
		}
	}
	if r.MinPixels != nil && r.MaxPixels != nil && *r.MinPixels > *r.MaxPixels {
		d.fail("mm_processor_kwargs.min_pixels", codeInvalidValue, "must not be larger than max_pixels")
	}
	d.finishTools()
	d.finishForm()
	d.finishPrefill()
}

// finishSampling makes greedy what leaves nothing but the likeliest token.
func (d *decoder) finishSampling() {
	if s := &d.req.Sampling; s.TopP != nil && *s.TopP == 0 {
		s.TopP, s.Temperature = nil, ptr(0.0)
	}
}

// finishPrefill settles whether the answer goes on from the last message.
func (d *decoder) finishPrefill() {
	r := d.req
	if d.continued != nil && d.generationPrompt != nil && *d.continued == *d.generationPrompt {
		d.fail("add_generation_prompt", codeInvalidValue, "must be the opposite of continue_final_message")
	}
	goOn := d.continued != nil && *d.continued || d.generationPrompt != nil && !*d.generationPrompt
	r.NewTurn = d.continued != nil && !*d.continued || d.generationPrompt != nil && *d.generationPrompt
	p := r.prefill()
	switch {
	case goOn && p == nil:
		name := "continue_final_message"
		if d.continued == nil {
			name = "add_generation_prompt"
		}
		d.fail(name, codeInvalidValue, "needs an assistant message with text at the end to go on from")
	case goOn && d.wholeForm():
		d.fail(p.path, codeUnsupported, "an answer that must have a form cannot be begun for the model; "+
			"send continue_final_message: false to have this message stand as a turn of its own")
	case p != nil && d.wholeForm():
		// Frameworks ask for a form after an answer that has ended: nobody asked to go on from it.
		r.NewTurn = true
	}
}

// rawCopy detaches v from the body, so that a kept tool does not keep a body full of images alive.
func rawCopy(v *value) json.RawMessage { return slices.Clone(v.raw) }
