package compute

import (
	"sync/atomic"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/sampler"
)

// generation is the answer of a sequence: what was drawn, the think block, and what of it was sent.
type generation struct {
	spec   *Spec
	block  thinkBlock
	usage  engine.Usage
	output []int32 // generated tokens
	// tail is the end of the answer, as far as a closing tag may begin in it that must not be completed.
	tail []byte
	bans []int32 // room for banned
	// certain is room for the chances of tokens that are forced.
	certain []float64
	// repetition is set where the answer was ended because it only repeated itself.
	repetition bool
	events     emission
	// hurried is set from outside once nobody wants to wait for more thoughts.
	hurried *atomic.Bool
}

func newGeneration(spec *Spec, out *mailbox, hurried *atomic.Bool) *generation {
	g := &generation{
		spec: spec, block: newThinkBlock(spec.Thinking.Open), usage: spec.promptUsage(), events: emission{out: out}, hurried: hurried,
	}
	if g.block.inside() && spec.Thinking.Limit <= 0 {
		g.closeBlock(closedByBudget)
	}
	return g
}

func (g *generation) closeBlock(by string) { g.block.close(by, g.spec.Thinking.Close) }

// constrained reports whether the next token is bound by the constraint.
func (g *generation) constrained() bool { return g.spec.Constraint != nil && !g.block.inside() }

// mustEnd reports whether the constraint leaves the answer no way on.
func (g *generation) mustEnd() bool { return g.spec.Constraint.MustEnd() }

// choose returns the next token and whether the model drew it. ended means that the model drew an end token, which is
// not part of the answer.
func (g *generation) choose(logits []float32, v Vocabulary) (token int32, drawn, ended bool, err error) {
	if g.block.forcing() {
		token = g.block.next()
		g.spec.Sampler.Accept(token)
		return token, false, false, nil
	}
	token, err = g.spec.Sampler.Sample(logits, g.limits(v))
	if err != nil || !v.Ends(token) {
		return token, true, false, err
	}
	if !g.block.inside() {
		return token, true, true, nil
	}
	// An answer that ends inside the think block would be empty.
	g.closeBlock(closedByEnd)
	if !g.block.forcing() {
		return token, true, true, nil
	}
	return g.block.next(), false, false, nil
}

func (g *generation) limits(v Vocabulary) (limits sampler.Limits) {
	if g.constrained() {
		limits.Allowed = g.spec.Constraint.Allowed()
		if g.spec.Constraint.MayEnd() {
			limits.Also = v.EndTokens()
		}
	}
	limits.Banned = g.banned(v)
	return limits
}

// banned are tokens that must not come next, whatever the constraint: an end right after a forced end of thinking, and
// another closing tag in an answer that the model did not itself begin by one. Under a constraint only the tag's own
// token is, which no constraint needs; text that spells it may be part of the answer.
func (g *generation) banned(v Vocabulary) (out []int32) {
	out = g.bans[:0]
	if g.block.banEndOnce() {
		out = append(out, v.EndTokens()...)
	}
	tag := g.spec.Thinking.EndTag
	switch {
	case tag == nil || g.block.inside() || g.block.closedBy == closedByModel:
	case g.spec.Constraint != nil && g.spec.Constraint.Allowed() != nil:
		out = append(out, tag.whole...)
	default:
		out = tag.appendBanned(out, g.tail)
	}
	g.bans = out
	return out
}

// add takes a token into the answer, sends what it completes, and reports whether the answer has ended with it. settled
// says that the constraint has taken the token in, and can be asked whether anything may follow.
func (g *generation) add(token int32, logits []float32, v Vocabulary, settled bool) (ended bool) {
	g.output = append(g.output, token)
	if g.spec.Guesses != nil {
		g.spec.Guesses.Add(token)
	}
	g.usage.CompletionTokens++
	if g.block.inside() {
		g.usage.ReasoningTokens++
	}
	g.emit(token, logits, v)
	switch {
	case g.spec.Answer.Stopped() != "", settled && g.mustEnd():
		return g.stop()
	case g.usage.CompletionTokens >= g.spec.MaxTokens:
		return g.finish(engine.FinishLength)
	case g.repeats():
		g.repetition = true
		return g.finish(engine.FinishLength)
	}
	g.boundBlock()
	return false
}

// repeats reports whether an answer has gone on repeating itself for so long that it will not end by itself.
func (g *generation) repeats() bool {
	if g.block.inside() || g.spec.MayRepeat || g.block.forcing() {
		return false
	}
	const every = 32
	answer := g.output[g.usage.ReasoningTokens:]
	return len(answer)%every == 0 && answerLoops(answer)
}

// boundBlock closes a think block that has used up its budget, that nobody wants to wait for, or that only repeats
// itself.
func (g *generation) boundBlock() {
	if !g.block.inside() || g.block.forcing() {
		return
	}
	switch n := g.usage.ReasoningTokens; {
	case n >= g.spec.Thinking.Limit:
		g.closeBlock(closedByBudget)
	case g.hurried.Load():
		g.closeBlock(closedByClient)
	case n%loopEvery == 0 && loops(g.output):
		g.closeBlock(closedByLoop)
	}
}

// emit sends the text that token completes.
func (g *generation) emit(token int32, logits []float32, v Vocabulary) {
	b := v.Bytes(token)
	if tag := g.spec.Thinking.EndTag; tag != nil && !g.block.inside() {
		g.tail = tag.keep(g.tail, b)
	}
	g.events.generated += len(b)
	if first := len(g.output) <= g.spec.FirstTokens; first || g.spec.Logprobs {
		top := g.spec.TopLogprobs
		if first {
			top = max(top, g.spec.FirstTop)
		}
		own, others := g.spec.Sampler.Logprobs(logits, token, top)
		g.events.withhold(token, b, own, others, v)
	}
	text := g.spec.Answer.Add(b)
	if g.block.inside() && !g.spec.Answer.Thinking() {
		g.block.tagSeen()
	}
	g.send(text, nil)
}

func (g *generation) send(text string, result *engine.Result) {
	ev := engine.Event{Text: text, Result: result}
	if g.spec.RunningUsage {
		used := g.usage
		ev.Usage = &used
	}
	g.events.send(ev, g.spec.Answer.Released())
}

// stop ends the answer because it is complete.
func (g *generation) stop() (ended bool) { return g.finish(engine.FinishStop) }

// finish sends what was held back and the result. It returns true: the answer has ended.
func (g *generation) finish(reason engine.FinishReason) (ended bool) {
	text := g.spec.Answer.Close()
	g.send(text, &engine.Result{
		FinishReason: reason, StopString: g.spec.Answer.Stopped(), Usage: g.usage, ThinkingClosedBy: g.block.closedBy,
		Repetition: g.repetition,
	})
	return true
}
