package generation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qwenvld/qwenvld/api/backlog"
	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
)

// enqueue has a request stand in the line of the weights that are to answer it, before anything of it is fetched. What
// cannot fit into the context, or would wait for longer than the rules allow, is refused. The item is nil where nobody
// stands in a line: for servers of others, which have their own.
func (c *Core) enqueue(ctx context.Context, d *Decided, prompts []TextPrompt, answers int) (*backlog.Item, error) {
	if err := c.fits(d, prompts); err != nil {
		return nil, err
	}
	line := d.pair.lines[d.decision.Variant]
	if line == nil {
		return nil, nil
	}
	bounds := backlog.Bounds{Most: d.rules.maxBacklog, Slots: d.info.MaxSequences}
	if d.Request.Tier == request.TierFlex { // who is not in a hurry is refused first
		bounds.Most /= 2
	}
	if by, ok := ctx.Deadline(); ok {
		bounds.First = max(time.Until(by), 1)
	}
	item, err := line.Enter(d.Caller.Client, c.expected(d, prompts, answers), bounds)
	var (
		full *backlog.FullError
		late *backlog.LateError
	)
	switch {
	case errors.As(err, &full):
		busy := fault.Overloaded(err)
		busy.RetryAfter = full.RetryIn
		return nil, busy
	case errors.As(err, &late):
		return nil, tooLate(late)
	}
	return item, err
}

func tooLate(e *backlog.LateError) error {
	about := func(d time.Duration) time.Duration {
		switch {
		case d < time.Second:
			return d.Round(time.Millisecond)
		case d < 10*time.Second:
			return d.Round(100 * time.Millisecond)
		}
		return d.Round(time.Second)
	}
	return fault.TooLate(fmt.Sprintf(
		"The answer would begin too late: in about %v, as those before it take %v and its own prompt %v, and the request may take %v.",
		about(e.Before+e.Own), about(e.Before), about(e.Own), about(e.Within),
	), e.RetryIn, e)
}

// inTime ends the wait for a place at the last moment at which a request can still be begun for its answer to begin in
// time: so it does not take a place for nothing.
func inTime(ctx context.Context, item *backlog.Item) (context.Context, context.CancelFunc) {
	by, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadlineCause(ctx, item.Latest(by), engine.ErrLate)
}

// fits refuses what must have more tokens than the context holds, however its media turn out.
func (c *Core) fits(d *Decided, prompts []TextPrompt) error {
	if d.info.ContextSize == 0 || d.info.TokenBytes == 0 {
		return nil
	}
	least := textBytes(d.Request, prompts) / d.info.TokenBytes
	if d.info.Vision != nil {
		least += len(d.Request.Images)*c.media.LeastTokens(d.Request, d.info.Vision) + len(d.Request.Videos)
	}
	if least < d.info.ContextSize {
		return nil
	}
	return &engine.ContextLengthError{PromptTokens: least, More: true, ContextSize: d.info.ContextSize}
}

// expected is what a request is likely to consist of, as far as that can be told of one that is not fetched.
func (c *Core) expected(d *Decided, prompts []TextPrompt, answers int) backlog.Work {
	req := d.Request
	w := backlog.Work{
		Text: float64(textBytes(req, prompts)) / bytesPerToken, Images: float64(len(req.Images)), Videos: float64(len(req.Videos)),
	}
	for i := range prompts {
		w.Text += float64(len(prompts[i].Tokens))
	}
	if d.info.Vision != nil && len(req.Images) > 0 {
		tokens, images := c.media.Foresee(req, d.info.Vision)
		w.ImageTokens, w.Sized = float64(tokens), float64(images)
	}
	if req.MaxTokens != nil {
		w.Answer = float64(*req.MaxTokens * answers)
	}
	return w
}

func textBytes(req *request.Request, prompts []TextPrompt) (n int) {
	for i := range req.Messages {
		n += messageBytes(&req.Messages[i])
	}
	for i := range prompts {
		n += len(prompts[i].Text)
	}
	return n
}

// did is what the run turned out to consist of, nil where it was broken off.
func (r *Run) did() *backlog.Work {
	if r.ended < len(r.answers) || r.total.PromptTokens == 0 {
		return nil
	}
	u, req := &r.total, r.decided.Request
	return &backlog.Work{
		Text: float64(u.PromptTokens - u.ImageTokens - u.VideoTokens), Images: float64(len(req.Images)), Videos: float64(len(req.Videos)),
		ImageTokens: float64(u.ImageTokens), Sized: float64(len(req.Images)),
		Answer: float64(u.CompletionTokens), Cached: float64(u.CachedTokens) / float64(u.PromptTokens),
	}
}
