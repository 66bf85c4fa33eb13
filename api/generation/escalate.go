package generation

import (
	"context"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/escalation"
)

// SecondLook has instruct begin where the router is uncertain, and thinking answer where its first tokens are doubtful.
// Nothing is sent before that.
type SecondLook struct {
	// Share bounds how many of the routed requests are looked at, 0 to 1; 0 is none.
	Share  float64
	Limits escalation.Thresholds
}

// Rerun has thinking answer again what instruct answered badly, where the router chose and the reply is sent in one
// piece.
type Rerun struct {
	// Share bounds how many of the routed requests are answered again, 0 to 1; 0 is none.
	Share  float64
	Causes []escalation.Cause
}

// escalator knows what an answer of instruct may give rise to. What is off is nil.
type escalator struct {
	limits        escalation.Thresholds
	looks, reruns *escalation.Quota
	watch         *escalation.Reviewer
}

func newEscalator(look SecondLook, rerun Rerun) escalator {
	e := escalator{limits: look.Limits}
	if look.Share > 0 {
		e.looks = escalation.NewQuota(look.Share)
	}
	if rerun.Share > 0 && len(rerun.Causes) > 0 {
		e.reruns, e.watch = escalation.NewQuota(rerun.Share), escalation.NewReviewer(rerun.Causes)
	}
	return e
}

// countRouted takes note of a request that was routed: the shares are shares of these.
func (e *escalator) countRouted() {
	if e.looks != nil {
		e.looks.Accrue()
	}
	if e.reruns != nil {
		e.reruns.Accrue()
	}
}

// mayLookTwice says whether d may get a second look. Where thinking was chosen only options can speak against it.
// Videos would have to be decoded twice, an answer under a constraint says nothing by how it begins, and background
// responses are acknowledged at once.
func (e *escalator) mayLookTwice(d *Decided) bool {
	r := &d.decision
	return e.looks != nil && r.Uncertain && (r.Variant == router.Instruct || r.Options > 0) && len(d.Request.Videos) == 0 &&
		!d.Request.Constrained() && d.Request.Prefill() == nil && !d.Caller.Background
}

// watches says whether d's answer is judged before it is sent.
func (e *escalator) watches(d *Decided) bool {
	r := &d.decision
	return e.watch != nil && r.Source == router.SourceRouter && r.Variant == router.Instruct && r.EscalationBudget > 0 &&
		!d.Request.Stream && d.Request.Choices <= 1 && d.Request.Prefill() == nil && !d.Caller.Background
}

// escalate starts a, or the other variant where the answer's beginning, or all of it, speaks for that.
func (c *Core) escalate(ctx context.Context, a *attempt) *attempt {
	e := &a.decided.rules.escalator
	if a.decided.decision.Source == router.SourceRouter {
		e.countRouted()
	}
	chosen := a
	if e.mayLookTwice(a.decided) && e.looks.Take() {
		chosen = c.peekThenChoose(ctx, a)
		c.countEscalation(a, chosen, CauseSecondLook)
	} else {
		a.start(ctx, a.decided.demand())
	}
	if !e.watches(chosen.decided) {
		return chosen
	}
	reviewed := c.reviewThenRerun(ctx, chosen)
	c.countEscalation(chosen, reviewed, CauseRerun)
	return reviewed
}

// demand is what judging d's answer takes.
func (d *Decided) demand() Demand {
	e := &d.rules.escalator
	return Demand{Logprobs: e.watches(d) && e.watch.Checks(escalation.CauseLogprob)}
}

func (c *Core) countEscalation(from, to *attempt, cause string) {
	if from.decided.decision.Variant != to.decided.decision.Variant {
		c.meter.Escalated(to.decided.decision.Variant, cause)
	}
}

// withOtherVariant prepares a's request for the other variant, with the same pixels where they serve.
func (c *Core) withOtherVariant(ctx context.Context, a *attempt) (*attempt, error) {
	d := *a.decided
	d.decision = a.decided.decision.WithOtherVariant()
	d.backend = d.pair.backends[d.decision.Variant]
	if d.backend == nil {
		return nil, engine.ErrUnavailable
	}
	release, err := d.holdLoaded(ctx)
	if err != nil {
		return nil, err
	}
	b := &attempt{decided: &d, places: a.places, release: release, now: a.now}
	defer func() {
		if b.prepared == nil { // also after a panic
			release()
		}
	}()
	if d.info, err = d.backend.Info(ctx); err != nil {
		return nil, err
	}
	if d.info.Vision == nil && len(d.Request.Images) > 0 {
		return nil, engine.ErrUnavailable
	}
	if b.prepared, err = d.backend.Prepare(ctx, &d); err != nil {
		b.prepared = nil
		return nil, err
	}
	return b, nil
}

// peekThenChoose has instruct begin, and thinking answer where that is doubtful. Where one of them cannot, all stays as
// it was.
func (c *Core) peekThenChoose(ctx context.Context, a *attempt) (chosen *attempt) {
	other, err := c.withOtherVariant(ctx, a)
	if err != nil {
		return a.start(ctx, a.decided.demand())
	}
	defer func() { closeBut(chosen, a, other) }()
	instruct, thinking := a, other
	if a.decided.decision.Variant == router.Thinking {
		instruct, thinking = other, a
	}
	limits := &a.decided.rules.escalator.limits
	demand := instruct.decided.demand()
	demand.FirstTop, demand.FirstTokens = escalation.CandidateCount, limits.Tokens
	instruct.start(ctx, demand)
	first, ok := instruct.peek(limits.Tokens)
	why := limits.Uncertainty(first)
	switch {
	case ok && instruct != a && !escalation.SettlesOnOption(first):
		thinking.because("second look: no option is certain")
	case ok && why == "":
		return instruct.because("second look: the beginning is clear")
	case ok:
		thinking.because("second look: " + why)
	case instruct == a:
		return instruct // whose error is the reply
	}
	instruct.close()
	c.meter.Abandoned(router.Instruct, len(first))
	return thinking.start(ctx, thinking.decided.demand())
}

// reviewThenRerun waits for the whole answer and has thinking answer again where it is poor. The first answer stands
// where the second fails, or is cut as the first was.
func (c *Core) reviewThenRerun(ctx context.Context, a *attempt) (chosen *attempt) {
	var thinking *attempt
	defer func() { closeBut(chosen, a, thinking) }()
	first := a.readAll()
	judged, result := a.judged(first)
	if result == nil {
		return a
	}
	cause := a.decided.rules.escalator.watch.Review(judged)
	if cause == "" || !a.decided.rules.escalator.reruns.Take() {
		return a
	}
	other, err := c.withOtherVariant(ctx, a)
	if err != nil {
		return a
	}
	thinking = other
	thinking.because("answered again: "+string(cause)).start(ctx, Demand{})
	second := thinking.readAll()
	again, better := thinking.judged(second)
	if better == nil || cause == escalation.CauseLength && again.Truncated {
		c.meter.Abandoned(router.Thinking, steps(second))
		return a
	}
	thinking.decided.discarded = result.Usage.CompletionTokens
	c.meter.Abandoned(router.Instruct, thinking.decided.discarded)
	return thinking
}
