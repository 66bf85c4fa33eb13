package generation

import (
	"context"

	"github.com/qwenvld/qwenvld/api/fault"
)

// Start answers a decided request. It brings the media in, waits for a place, has the answers begun, and, where they
// are to be judged before anything is sent, waits for that. The run must be closed. Errors are those of refusals:
// nothing was sent by then.
func (c *Core) Start(ctx context.Context, d *Decided) (*Run, error) {
	c.meter.Routed(ctx, d.asked, d.took)
	c.meter.Decided(&d.decision)
	c.meter.Carried(len(d.Request.Images), len(d.Request.Videos))
	return c.start(ctx, d, nil, d.Request.Answers(), func(ctx context.Context, d *Decided) (Prepared, error) {
		done, err := c.fetching(ctx, d.Caller, d.Request)
		if err != nil {
			return nil, err
		}
		defer done()
		return d.backend.Prepare(ctx, d)
	})
}

// start has the weights loaded and runs what prepare prepares, which is of the request's messages or of the prompts.
// answers are those of one prompt.
func (c *Core) start(
	ctx context.Context, d *Decided, prompts []TextPrompt, answers int, prepare func(context.Context, *Decided) (Prepared, error),
) (_ *Run, err error) {
	if c.draining.Load() {
		return nil, fault.ShuttingDown(nil)
	}
	ctx, cancel, end := c.begin(ctx)
	cleanup := []func(){end}
	undo := func() {
		for i := len(cleanup) - 1; i >= 0; i-- {
			cleanup[i]()
		}
	}
	var a *attempt
	started := false
	defer func() {
		if !started { // also after a panic
			a.close()
			undo()
		}
	}()
	item, err := c.enqueue(ctx, d, prompts, answers)
	if err != nil {
		return nil, err
	}
	cleanup = append(cleanup, func() { item.End(nil) })
	d, release, err := c.hold(ctx, d)
	if err != nil {
		return nil, because(ctx, err)
	}
	cleanup = append(cleanup, release)
	prepared, err := prepare(ctx, d)
	if err != nil {
		return nil, because(ctx, err)
	}
	patience := newPatience()
	a = &attempt{decided: d, prepared: prepared, release: func() {}, now: patience.now}
	waiting, stop := inTime(ctx, item)
	places, leave, err := c.admit(waiting, d.Caller, answers)
	stop()
	if err != nil {
		return nil, because(ctx, err)
	}
	cleanup = append(cleanup, leave)
	a.places = places
	item.Begin()
	var measure Measure
	ctx, measure = c.meter.Begin(ctx, d, answers)
	cleanup = append(cleanup, func() { measure.End(unwanted(ctx)) })
	chosen := c.escalate(ctx, a)
	cleanup = append(cleanup, chosen.release)
	measure.Settled(chosen.decided.decision.Variant, chosen.whole)
	if d.conversation != (conversationKey{}) {
		c.conversations.keep(d.conversation, chosen.decided.decision.Mode)
	}
	if chosen.decided.decision.Variant != d.decision.Variant { // its time was not this one's alone
		item.End(nil)
	}
	started = true
	return &Run{
		core: c, decided: chosen.decided, source: chosen.events, measure: measure, ctx: ctx, cancel: cancel, release: undo,
		answers: make([]runAnswer, answers), perPrompt: d.Request.Answers(), patience: patience, item: item,
	}, nil
}

// because is the reason for which ctx was cancelled, where it was, since any error that follows from that says less.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
