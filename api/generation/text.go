package generation

import (
	"bytes"
	"context"
	"io"
	"strings"

	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
)

// StartText continues texts as they are, without a chat template, each of them as often as answers are wanted. Of a
// request for no tokens at all the prompts are counted. echo are the prompts' texts, where they are asked for.
func (c *Core) StartText(
	ctx context.Context, req *request.Request, prompts []TextPrompt, echo bool, caller *Caller,
) (run *Run, texts []string, err error) {
	d, err := c.decideText(ctx, req, caller)
	if err != nil {
		return nil, nil, err
	}
	run, err = c.start(ctx, d, prompts, len(prompts)*req.Answers(), func(ctx context.Context, d *Decided) (Prepared, error) {
		if req.MaxTokens != nil && *req.MaxTokens == 0 {
			return &countedText{decided: d, prompts: prompts}, nil
		}
		return d.backend.PrepareText(ctx, d, prompts)
	})
	if err != nil || !echo {
		return run, nil, err
	}
	begun, echoed := run, false
	defer func() {
		if !echoed { // also after a panic
			begun.Close()
		}
	}()
	if texts, err = d.texts(ctx, prompts); err != nil {
		return nil, nil, err
	}
	echoed = true
	return run, texts, nil
}

// texts are the prompts' texts; those that came as tokens are asked for.
func (d *Decided) texts(ctx context.Context, prompts []TextPrompt) ([]string, error) {
	out := make([]string, len(prompts))
	for i := range prompts {
		if out[i] = prompts[i].Text; prompts[i].Tokens == nil {
			continue
		}
		pieces, err := d.backend.TokenBytes(ctx, prompts[i].Tokens)
		if err != nil {
			return nil, err
		}
		out[i] = strings.ToValidUTF8(string(bytes.Join(pieces, nil)), "\uFFFD")
	}
	return out, nil
}

// countedText answers with no tokens at all.
type countedText struct {
	decided *Decided
	prompts []TextPrompt
}

// Close has nothing to give back.
func (*countedText) Close() {}

// Start counts the prompts as they are asked for.
func (t *countedText) Start(ctx context.Context, _ Demand) Events {
	return &countedEvents{countedText: t, ctx: ctx}
}

// countedEvents are those of answers with no tokens.
type countedEvents struct {
	*countedText
	ctx    context.Context //nolint:containedctx // that of the request, as long as it is worked on
	choice int
	tokens int // of the prompt that choice answers
	queue  []Event
}

// Next begins and ends one answer after the other.
func (e *countedEvents) Next() (Event, error) {
	if len(e.queue) == 0 {
		each := e.decided.Request.Answers()
		if e.choice == len(e.prompts)*each {
			return Event{}, io.EOF
		}
		if e.choice%each == 0 { // the answers to a prompt share its count
			var err error
			if e.tokens, err = e.count(&e.prompts[e.choice/each]); err != nil {
				return Event{}, err
			}
		}
		result := &engine.Result{FinishReason: engine.FinishLength, Usage: engine.Usage{PromptTokens: e.tokens}}
		a := &answer{choice: e.choice, request: e.decided.Request, plain: true}
		e.queue = append(a.cut(&engine.Event{Start: &engine.Start{}}), a.cut(&engine.Event{Result: result})...)
		e.choice++
	}
	ev := e.queue[0]
	e.queue = e.queue[1:]
	return ev, nil
}

func (e *countedEvents) count(p *TextPrompt) (int, error) {
	if p.Tokens != nil {
		return len(p.Tokens), nil
	}
	tokens, err := e.decided.backend.Tokenize(e.ctx, p.Text, true)
	return len(tokens), err
}

// Ready says that counting is not waited for.
func (e *countedEvents) Ready() bool { return len(e.queue) > 0 }

// Close has nothing to end.
func (e *countedEvents) Close() {}
