package request

import (
	"sync/atomic"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/engine"
)

// Policy is how bodies are read: the bounds of a request and what becomes of members that nobody knows. It is safe for
// concurrent use.
type Policy struct {
	// Limits hold until SetLimits gives others.
	Limits  Limits
	Unknown *Unknown
	// MayRepeat is Request.MayRepeat where a request says nothing of it.
	MayRepeat bool

	others atomic.Pointer[Limits]
}

// SetLimits has other limits hold for requests that begin to be read from now on.
func (p *Policy) SetLimits(l Limits) { p.others.Store(&l) }

// Bounds are the limits that hold.
func (p *Policy) Bounds() *Limits {
	if l := p.others.Load(); l != nil {
		return l
	}
	return &p.Limits
}

// Parse reads a body that must be a JSON object.
func (p *Policy) Parse(body []byte) (*jsonbody.Value, error) {
	root, err := jsonbody.Parse(body, p.Bounds().Bounds())
	if err != nil {
		return nil, fault.Field("", fault.CodeInvalidJSON, "The body is not valid JSON: %s.", err)
	}
	if root.Kind != jsonbody.Object {
		return nil, fault.Field("", fault.CodeInvalidJSON, "The body must be a JSON object, not %s.", root.Kind)
	}
	return root, nil
}

// NewBuilder begins a request whose prompt the member promptParam carries.
func (p *Policy) NewBuilder(promptParam string) *Builder {
	b := &Builder{policy: p, limits: p.Bounds(), Request: &Request{MayRepeat: p.MayRepeat, PromptParam: promptParam}}
	b.tools.d = b
	return b
}

// Builder fills a Request. Decoders of surfaces embed it: they read their own members and leave the common ones to it.
// It keeps the first error, after which its methods do nothing of use and nothing of harm.
type Builder struct {
	jsonbody.Reader
	Request *Request

	// ToolChoice is tool_choice as it was written, to be read by Finish; ParallelCalls whether an answer may have
	// several calls, nil where nothing is said.
	ToolChoice    *jsonbody.Value
	ParallelCalls *bool
	// Format is the constraint of the answer by the surface's own member for it.
	Format *engine.Constraint
	// Continued says whether the answer goes on from an assistant message at the end; nil where nothing is said.
	Continued *bool
	// TopLogprobs is how many alternatives of each token are wanted, nil where nothing is said.
	TopLogprobs *int

	policy *Policy
	limits *Limits // that held when the request began to be read
	// What several members say together is settled by Finish.
	maxTokens, maxCompletionTokens   *int
	enableThinking, templateThinking *bool
	generationPrompt                 *bool
	tools                            Tools
	structured                       *engine.Constraint
}

// Shared is the builder itself, by which the tables of surfaces reach the readers of common members.
func (d *Builder) Shared() *Builder { return d }

// Tools reads the request's tools.
func (d *Builder) Tools() *Tools { return &d.tools }

// Limits are the bounds of a request.
func (d *Builder) Limits() *Limits { return d.limits }

// Failure is the first error as the API tells it, nil while there is none.
func (d *Builder) Failure() error {
	e := d.Err()
	if e == nil {
		return nil
	}
	out := fault.Field(e.Path, e.Code, "%s", e.Message)
	out.Details = e.Details
	return out
}

// Finish checks what depends on several members, and settles the tools, the constraint and from where the answer goes
// on.
func (d *Builder) Finish() error {
	d.finishMaxTokens()
	d.finishThinking()
	d.finishSampling()
	r := d.Request
	if d.TopLogprobs != nil {
		r.TopLogprobs = *d.TopLogprobs
		if !r.Logprobs && r.TopLogprobs > 0 {
			d.Fail("top_logprobs", fault.CodeInvalidValue, "needs logprobs to be true")
		}
	}
	if r.MinPixels != nil && r.MaxPixels != nil && *r.MinPixels > *r.MaxPixels {
		d.Fail("mm_processor_kwargs.min_pixels", fault.CodeInvalidValue, "must not be larger than max_pixels")
	}
	d.tools.finishChoice()
	d.finishConstraint()
	d.finishPrefill()
	return d.Failure()
}

// finishMaxTokens compares both spellings.
func (d *Builder) finishMaxTokens() {
	switch {
	case d.maxTokens != nil && d.maxCompletionTokens != nil && *d.maxTokens != *d.maxCompletionTokens:
		d.Fail("max_completion_tokens", fault.CodeInvalidValue, "contradicts max_tokens; send one of them")
	case d.maxCompletionTokens != nil:
		d.Request.MaxTokens = d.maxCompletionTokens
	case d.maxTokens != nil:
		d.Request.MaxTokens = d.maxTokens
	}
}

// finishThinking compares both spellings of the switch.
func (d *Builder) finishThinking() {
	switch {
	case d.enableThinking != nil && d.templateThinking != nil && *d.enableThinking != *d.templateThinking:
		d.Fail("chat_template_kwargs.enable_thinking", fault.CodeInvalidValue, "contradicts enable_thinking; send one of them")
	case d.enableThinking != nil:
		d.Request.Controls.EnableThinking = d.enableThinking
	default:
		d.Request.Controls.EnableThinking = d.templateThinking
	}
}

// finishSampling makes greedy what leaves nothing but the likeliest token.
func (d *Builder) finishSampling() {
	if s := &d.Request.Sampling; s.TopP != nil && *s.TopP == 0 {
		s.TopP, s.Temperature = nil, new(0.0)
	}
}

// finishPrefill settles whether the answer goes on from the last message.
func (d *Builder) finishPrefill() {
	if d.Continued != nil && d.generationPrompt != nil && *d.Continued == *d.generationPrompt {
		d.Fail("add_generation_prompt", fault.CodeInvalidValue, "must be the opposite of continue_final_message")
	}
	goOn := isSet(d.Continued, true) || isSet(d.generationPrompt, false)
	d.Request.NewTurn = isSet(d.Continued, false) || isSet(d.generationPrompt, true)
	p := d.Request.Prefill()
	switch {
	case goOn && p == nil:
		name := "continue_final_message"
		if d.Continued == nil {
			name = "add_generation_prompt"
		}
		d.Fail(name, fault.CodeInvalidValue, "needs an assistant message with text at the end to go on from")
	case goOn && d.constrainsAll():
		d.Fail(p.Path, fault.CodeUnsupported, "an answer that must have a form cannot be begun for the model; "+
			"send continue_final_message: false to have this message stand as a turn of its own")
	case p != nil && d.constrainsAll():
		// Frameworks ask for a form after an answer that has ended: nobody asked to go on from it.
		d.Request.NewTurn = true
	}
}

// isSet says whether a flag was given with this value.
func isSet(flag *bool, value bool) bool { return flag != nil && *flag == value }
