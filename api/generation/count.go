package generation

import (
	"context"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/router"
)

// Count tells what the prompt of a decided request would take. Pixels are not decoded.
func (c *Core) Count(ctx context.Context, d *Decided) (Count, error) {
	done, err := c.counting(ctx, d.Caller, d.Request)
	if err != nil {
		return Count{}, err
	}
	defer done()
	c.meter.Routed(d.took)
	return d.backend.Count(ctx, d)
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
	done, err := c.counting(ctx, d.Caller, d.Request)
	if err != nil {
		return nil, err
	}
	defer done()
	c.meter.Routed(d.took)
	ids, err := d.backend.Tokens(ctx, d)
	return withBytes(ctx, d, ids, pieces, err)
}

// TextTokens gives the tokens of a text. Special tokens are recognised in it where special says so.
func (c *Core) TextTokens(ctx context.Context, caller *Caller, model, text string, special, pieces bool) (*Tokens, error) {
	_, leave, err := c.enter(ctx, caller, 1)
	if err != nil {
		return nil, err
	}
	defer leave()
	d, err := c.decideText(ctx, &request.Request{Model: model}, caller)
	if err != nil {
		return nil, err
	}
	ids, err := d.backend.Tokenize(ctx, text, special)
	return withBytes(ctx, d, ids, pieces, err)
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
	_, leave, err := c.enter(ctx, caller, 1)
	if err != nil {
		return nil, err
	}
	defer leave()
	d, err := c.decideText(ctx, &request.Request{Model: model}, caller)
	if err != nil {
		return nil, err
	}
	return d.backend.TokenBytes(ctx, ids)
}

// decideText is who continues a text: without a chat template there is nothing to think in, so unless the client names
// thinking weights it is instruct where that is loaded. All variants of a pair have one vocabulary.
func (c *Core) decideText(ctx context.Context, req *request.Request, caller *Caller) (*Decided, error) {
	name, err := c.catalog.find(req.Model)
	if err != nil {
		return nil, err
	}
	infos := name.pair.loaded(ctx)
	for _, v := range name.pair.Variants() {
		if info, ok := infos[v]; ok && (name.variant == "" || name.variant == v) {
			return &Decided{
				Request: req, Caller: caller, pair: name.pair, backend: name.pair.backends[v], info: info, pixels: &pixels{},
				decision: router.Decision{Variant: v},
			}, nil
		}
	}
	return nil, fault.Unavailable(fault.CodeModelNotLoaded, "The model is not loaded at the moment.", nil)
}
