package generation

import (
	"context"
	"math"
	"time"

	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/router"
)

// Count tells what the prompt of a decided request would take. Pixels are not decoded.
func (c *Core) Count(ctx context.Context, d *Decided) (Count, error) {
	d, done, err := c.counted(ctx, d)
	if err != nil {
		return Count{}, err
	}
	defer done()
	c.meter.Routed(ctx, d.asked, d.took)
	return d.backend.Count(ctx, d)
}

// counted has the weights of a request loaded that is counted and not answered, and takes a place for it. done must be
// called.
func (c *Core) counted(ctx context.Context, d *Decided) (held *Decided, done func(), err error) {
	held, release, err := c.hold(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	leave, err := c.counting(ctx, d.Caller, d.Request)
	if err != nil {
		release()
		return nil, nil, err
	}
	return held, func() {
		leave()
		release()
	}, nil
}

// Tokens are the tokens of a text or a prompt.
type Tokens struct {
	IDs []int32
	// Bytes are what each stands for, where that was asked for.
	Bytes [][]byte
	// ContextSize is the model's, in tokens.
	ContextSize int
}

// PromptTokens gives the tokens of a decided request's prompt, without its pictures, and with pieces what they stand
// for.
func (c *Core) PromptTokens(ctx context.Context, d *Decided, pieces bool) (*Tokens, error) {
	d, done, err := c.counted(ctx, d)
	if err != nil {
		return nil, err
	}
	defer done()
	c.meter.Routed(ctx, d.asked, d.took)
	ids, err := d.backend.Tokens(ctx, d)
	return withBytes(ctx, d, ids, pieces, err)
}

// TextTokens gives the tokens of a text. Special tokens are recognised in it where special says so.
func (c *Core) TextTokens(ctx context.Context, caller *Caller, model, text string, special, pieces bool) (*Tokens, error) {
	d, done, err := c.textOf(ctx, caller, model)
	if err != nil {
		return nil, err
	}
	defer done()
	ids, err := d.backend.Tokenize(ctx, text, special)
	return withBytes(ctx, d, ids, pieces, err)
}

// textOf has the weights of a model loaded for a text, and takes a place for it. done must be called.
func (c *Core) textOf(ctx context.Context, caller *Caller, model string) (d *Decided, done func(), err error) {
	if d, err = c.decideText(ctx, &request.Request{Model: model}, caller); err != nil {
		return nil, nil, err
	}
	return c.counted(ctx, d)
}

func withBytes(ctx context.Context, d *Decided, ids []int32, pieces bool, err error) (*Tokens, error) {
	if err != nil {
		return nil, err
	}
	out := &Tokens{IDs: ids, ContextSize: d.info.ContextSize}
	if pieces {
		out.Bytes, err = d.backend.TokenBytes(ctx, ids)
	}
	return out, err
}

// TokenBytes tells what tokens stand for.
func (c *Core) TokenBytes(ctx context.Context, caller *Caller, model string, ids []int32) ([][]byte, error) {
	d, done, err := c.textOf(ctx, caller, model)
	if err != nil {
		return nil, err
	}
	defer done()
	return d.backend.TokenBytes(ctx, ids)
}

// decideText is who continues a text: without a chat template there is nothing to think in, so unless the client names
// thinking weights it is instruct, or thinking where that is sooner there. All variants of a pair have one vocabulary.
func (c *Core) decideText(ctx context.Context, req *request.Request, caller *Caller) (*Decided, error) {
	name, err := c.catalog.find(req.Model)
	if err != nil {
		return nil, err
	}
	var best *Decided
	soonest := time.Duration(math.MaxInt64)
	known := name.pair.prospects(ctx)
	for _, v := range name.pair.Variants() {
		if at, ok := known[v]; ok && (name.variant == "" || name.variant == v) && at.wait < soonest {
			soonest = at.wait
			best = &Decided{
				rules: c.rules.Load(), Request: req, Caller: caller, pair: name.pair, backend: name.pair.backends[v], info: at.info,
				pixels:   &pixels{},
				decision: router.Decision{Variant: v},
			}
		}
	}
	if best == nil {
		return nil, name.pair.nothingLoaded(ctx)
	}
	return best, nil
}
