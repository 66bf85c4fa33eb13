package generation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// headerRoute is where a client asks for a variant, for errors about it.
const headerRoute = "X-Qwenvld-Route"

// Decided is a request of which it is known who answers it. It does not change; an escalation makes another one.
type Decided struct {
	Request *request.Request
	Caller  *Caller

	decision router.Decision
	rules    *rules
	pair     *Pair
	backend  Backend
	info     engine.Info
	// conversation is what the decision is remembered under once the request is answered.
	conversation conversationKey
	// pixels are the request's images once they are decoded, shared with the other variant where its projector is the
	// same.
	pixels *pixels
	// input is what was decided by.
	input *router.Input
	// asked is when the decision was begun, took how long it took.
	asked time.Time
	took  time.Duration
	// discarded counts the tokens of an answer that this one replaces.
	discarded int
}

// Decide asks the policy who answers req. It records nothing.
func (c *Core) Decide(ctx context.Context, req *request.Request, caller *Caller) (*Decided, error) {
	route, err := router.ParseRoute(caller.Route)
	if err != nil {
		return nil, fault.Field(headerRoute, fault.CodeInvalidValue, "%s", err)
	}
	name, err := c.catalog.find(req.Model)
	if err != nil {
		return nil, err
	}
	known := name.pair.prospects(ctx)
	if _, ok := known[name.variant]; name.variant != "" && !ok {
		return nil, fault.NotLoaded(fmt.Sprintf("The model %q", req.Model), name.pair.Standing(ctx, name.variant).err())
	}
	in, turns := input(req, known)
	in.Controls.Model, in.Controls.Route, in.Controls.Quality = name.variant, route, name.quality
	before, after := conversationKeys(name.pair.ID, caller, turns)
	in.Mode = c.conversations.mode(before)
	if in.Mode != nil && in.Mode.Variant != "" {
		in.Facts.Warm, in.Facts.WarmTokens = in.Mode.Variant, aboutTokens(req)
	}
	asked, rules := c.now(), c.rules.Load()
	d, err := rules.router.Decide(&in)
	if errors.Is(err, router.ErrNothingLoaded) {
		return nil, name.pair.nothingLoaded(ctx)
	}
	if err != nil {
		return nil, err
	}
	return &Decided{
		input: &in, asked: asked, took: c.now().Sub(asked),
		Request: req, Caller: caller, decision: d, rules: rules, pair: name.pair, backend: name.pair.backends[d.Variant],
		info: known[d.Variant].info, conversation: after, pixels: &pixels{},
	}, nil
}

// input is what the router looks at, and the user's turns among it, the oldest first.
func input(req *request.Request, known map[router.Variant]prospect) (in router.Input, turns []router.Features) {
	in.Controls = req.Controls
	_, in.Facts.Instruct = known[router.Instruct]
	_, in.Facts.Thinking = known[router.Thinking]
	in.Facts.InstructWait, in.Facts.ThinkingWait = known[router.Instruct].wait.Seconds(), known[router.Thinking].wait.Seconds()
	in.Facts.ContextSize = known[router.Thinking].info.ContextSize
	if req.MaxTokens != nil {
		in.Facts.MaxTokens = *req.MaxTokens
	}
	in.Facts.Tools = req.ShowsTools()
	in.Facts.Schema = req.Constrained()
	if turns = userTurns(req); len(turns) > 0 {
		in.Features, in.History = turns[len(turns)-1], turns[:len(turns)-1]
	}
	return in, turns
}

// Route is Decide for a client that wants to know no more. It waits for a place as an answer would.
func (c *Core) Route(ctx context.Context, req *request.Request, caller *Caller) (*Decided, error) {
	leave, err := c.enter(ctx, caller)
	if err != nil {
		return nil, err
	}
	defer leave()
	d, err := c.Decide(ctx, req, caller)
	if err == nil {
		c.meter.Routed(ctx, d.asked, d.took)
	}
	return d, err
}

// Variant is who answers.
func (d *Decided) Variant() string { return string(d.decision.Variant) }

// Source is the control that decided, "" where there was nothing to decide.
func (d *Decided) Source() string { return string(d.decision.Source) }

// ModelID is the id of the weights that answer.
func (d *Decided) ModelID() string { return d.pair.ModelID(d.decision.Variant) }

// Plain says that a text is continued, for which nothing had to be decided.
func (d *Decided) Plain() bool { return d.input == nil }

// ModelOf is the id of a variant of the model that answers.
func (d *Decided) ModelOf(v router.Variant) string { return d.pair.ModelID(v) }

// Info tells of the weights that answer, as they were when it was decided.
func (d *Decided) Info() engine.Info { return d.info }

// ThinkingBudget is how many tokens may be thought, 0 for none.
func (d *Decided) ThinkingBudget() int { return d.decision.ThinkingBudget }

// Sampling is how tokens are drawn.
func (d *Decided) Sampling() engine.Sampling {
	pictures := len(d.Request.Images)+len(d.Request.Videos) > 0
	return sampling(d.info.Sampling, d.decision.Variant, pictures, &d.Request.Sampling)
}

// withReason is the decision with a reason put first.
func (d *Decided) withReason(reason string) *Decided {
	out := *d
	out.decision.Reasons = append([]string{reason}, d.decision.Reasons...)
	return &out
}

// Attrs are those of the access log.
func (d *Decided) Attrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("variant", d.Variant())}
	if d.Source() != "" {
		attrs = append(attrs, slog.String("route_source", d.Source()))
	}
	return append(attrs, slog.Int("images", len(d.Request.Images)), slog.Int("videos", len(d.Request.Videos)))
}

// Tokens are none: nothing has been produced.
func (d *Decided) Tokens() int { return 0 }
