package remote

import (
	"context"
	"errors"
	"maps"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
	"github.com/qwenvld/qwenvld/engine/upstream"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
	"github.com/qwenvld/qwenvld/engine/worker/answer"
)

// open asks for the answer of a choice and waits for its first token.
func (p *prepared) open(ctx context.Context, choice int, demand *generation.Demand) (engine.Stream, error) {
	if err := p.pictures.write(ctx); err != nil {
		return nil, err
	}
	return p.checked(func(again int) (engine.Stream, error) { return p.begin(ctx, choice, again, demand) })
}

// begin asks for an answer; again counts the times that it was asked for before.
func (p *prepared) begin(ctx context.Context, choice, again int, demand *generation.Demand) (engine.Stream, error) {
	a := &chatAnswer{ctx: ctx, prepared: p, chat: p.chat(choice, demand), now: demand.Now}
	if again > 0 && a.chat.Sampling.Seed != nil {
		*a.chat.Sampling.Seed += uint64(again) << 32
	}
	a.meter.images, a.meter.videos = p.pictureTokens()
	a.meter.guess = guess(p.material.Prompt.Pieces) + a.meter.images + a.meter.videos
	begun := p.decided.Request.Prefill()
	a.bound = bound(a.chat, a.maxTokens())
	none := a.chat.Budget == 0 || a.bound == 0 && p.backend.o.Cluster.Can().Budget != dialect.BudgetOwn
	if a.chat.Thinks && (none || begun != nil && begun.Text != "") {
		a.stage, a.trim = resumed, true
		if begun != nil {
			a.thoughts.WriteString(begun.Reasoning)
		}
	}
	err := a.ask()
	var refusal *dialect.RefusalError
	if errors.As(err, &refusal) && refusal.Cause == dialect.CauseLength && a.chat.MaxTokens > 0 {
		// More may have been asked for than the context leaves, which is no fault: without a bound the context is it.
		a.chat.MaxTokens = 0
		err = a.ask()
	}
	if err != nil {
		return nil, explain(err, p.decided.Request.PromptParam)
	}
	a.settle()
	a.listen()
	return a, nil
}

// ask sends the request as it stands.
func (a *chatAnswer) ask() (err error) {
	d := a.prepared.decided
	header := maps.Clone(d.Caller.Passed)
	if header["X-Request-Id"] != nil {
		header["X-Request-Id"] = []string{a.chat.ID}
	}
	a.meter.most = a.chat.MaxTokens
	a.echo = echo{}
	a.upstream, err = a.prepared.backend.o.Cluster.Open(a.ctx, &upstream.Call{
		Key: affinity(d), Path: pathChats, Header: header,
		Body: func(k *dialect.Dialect, model string) ([]byte, error) {
			c := a.written(k)
			if a.echo = (echo{}); c.Begun && k.Can.Echoes {
				a.echo = echoOf(&c.Messages[len(c.Messages)-1])
			}
			c.Model = model
			return k.Chat(c)
		},
	})
	return err
}

// askAgain is said to servers that continue nothing, behind thoughts that were ended here.
const askAgain = "These were your thoughts. Give the answer now, on their basis and without thinking any further."

// written is the request as a kind of server is sent it.
func (a *chatAnswer) written(k *dialect.Dialect) *dialect.Chat {
	c := *a.chat
	if k.Can.Budget == dialect.BudgetOwn && !k.Can.Verifies {
		c.Budget = min(c.Budget, a.bound) // it leaves no room for the answer by itself
	}
	if a.stage == direct || !c.Thinks {
		return &c
	}
	thoughts := a.thoughts.String()
	switch {
	case k.Can.Budget == dialect.BudgetOwn && !a.spent():
		// It closes the block by itself.
	case k.Can.Continues:
		last := dialect.Message{Role: "assistant", Thoughts: &thoughts}
		if c.Begun {
			last.Parts = c.Messages[len(c.Messages)-1].Parts
			c.Messages = c.Messages[:len(c.Messages)-1]
		}
		c.Messages, c.Begun = append(c.Messages[:len(c.Messages):len(c.Messages)], last), true
		if k.Can.Budget == dialect.BudgetOwn {
			c.Budget = 0 // it would go on with the thoughts
		}
	case thoughts != "":
		c.Messages = append(c.Messages[:len(c.Messages):len(c.Messages)],
			dialect.Message{Role: "assistant", Parts: []dialect.Part{{Text: thoughts}}},
			dialect.Message{Role: "user", Parts: []dialect.Part{{Text: askAgain}}})
		c.Budget = 0
	}
	return &c
}

// spent says that a request before this one made a part of the answer.
func (a *chatAnswer) spent() bool { return a.meter.done > 0 }

// settle finds out from the first token whether the answer begins among thoughts.
func (a *chatAnswer) settle() {
	first, can := a.upstream.First(), &a.upstream.Dialect().Can
	a.meter.knows = can.Verifies
	a.meter.look(a.upstream)
	a.bound = bound(a.chat, a.maxTokens()) // the prompt may be known now
	if a.stage == direct {
		switch {
		case first.Thoughts != "":
			a.inBlock = true
		case a.chat.Thinks && first.Text != "" && !can.Parses:
			a.inBlock, a.unparsed = true, true
		}
	}
	a.text = answer.New(answer.Options{
		Stop: a.prepared.decided.Request.Stop, Thinking: a.inBlock, EndTag: prompt.ThinkEnd,
	})
}
