package generation

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/qwenvld/qwenvld/api/backlog"
	"github.com/qwenvld/qwenvld/engine"
)

// Run is a generation from Start to Close. One goroutine uses it, Cancel apart.
type Run struct {
	core    *Core
	decided *Decided
	source  Events
	measure Measure
	ctx     context.Context //nolint:containedctx // lives as long as the run
	cancel  context.CancelCauseFunc
	// release ends the measure and gives back what the run holds, after the engine has let go.
	release func()

	// answers are the states of the answers, perPrompt how many of them share a prompt, whose tokens count once.
	answers   []runAnswer
	perPrompt int
	ended     int
	total     engine.Usage // of the answers that have ended
	finish    engine.FinishReason
	produced  int // events of answers, about their tokens
	// item is the run among those that the weights work on.
	item *backlog.Item
	// patience is what is left for thoughts.
	patience *patience
	// ahead is what Next gives next, where that is known; over says that nothing comes after it.
	ahead outcome
	over  bool
}

// outcome is what a call of Next leads to.
type outcome struct {
	known bool
	event Event
	err   error
}

// runAnswer is what a run keeps of one answer.
type runAnswer struct {
	start   *engine.Start
	running engine.Usage // so far, where it is asked for
	content []byte       // of an answer that is bound to a constraint
	calls   bool
}

// Next blocks for the next event. After End it gives io.EOF. An error is told once, with the field at fault where it is
// one's fault; after it there is nothing to come.
func (r *Run) Next() (Event, error) {
	for !r.ahead.known {
		if r.over {
			return Event{}, io.EOF
		}
		if r.ended == len(r.answers) {
			r.over = true
			return Event{Kind: End, Usage: r.total, Running: r.running()}, nil
		}
		r.read()
	}
	r.ahead.known = false
	return r.ahead.event, r.ahead.err
}

// read takes the source's next event in, which may block, and puts it or an error into ahead. Of progress it only takes
// note.
func (r *Run) read() {
	next := &r.ahead
	var err error
	if next.event, err = r.source.Next(); err != nil {
		r.over = true
		*next = outcome{known: true, err: r.reason(err)}
		return
	}
	r.note(&next.event)
	if next.event.Kind != Progress {
		next.event.Running = r.running()
		next.known, next.err = true, nil
	}
}

// reason is why the run ends with err. Where it was cancelled or aborted, that came first.
func (r *Run) reason(err error) error {
	if errors.Is(err, io.EOF) {
		err = errNoResult
	}
	return because(r.ctx, err)
}

// Ready says whether Next would not block. Progress that has come is taken in by that: nothing is told of it.
func (r *Run) Ready() bool {
	for !r.ahead.known && !r.over && r.ended < len(r.answers) {
		if !r.source.Ready() {
			return false
		}
		r.read()
	}
	return true
}

// note keeps what metrics, log and billing want to know.
func (r *Run) note(ev *Event) {
	a := &r.answers[ev.Choice]
	r.patience.note(ev)
	switch ev.Kind {
	case Started:
		a.start = ev.Start
		ev.Routing = r.decided.routing(a.start, nil)
	case Progress:
		if r.produced++; r.produced == 1 {
			r.item.First()
		}
		r.measure.Event(ev.Choice, &ev.Step.Event, ev.Step.Answers)
		if ev.Step.Usage != nil {
			a.running = *ev.Step.Usage
		}
	case BlockOpen:
		a.calls = a.calls || ev.Block.Kind == Call
	case BlockText:
		if ev.Block.Kind == Content && r.decided.Request.Constrained() {
			a.content = append(a.content, ev.Text...)
		}
	case AnswerEnd:
		r.ended++
		r.finish = ev.Ending.Finish
		r.addUsage(ev.Choice, &ev.Ending.Usage)
		if ev.Choice == 0 && r.decided.Caller != nil {
			r.core.paces.note(r.decided.decision.Variant, r.measure.FirstToken(), r.core.now().Sub(r.decided.Caller.At), &ev.Ending.Usage)
		}
		ev.Routing = r.decided.routing(a.start, ev.Step.Result)
		r.verify(a, ev.Ending)
	case BlockClose, End:
	}
}

// addUsage counts an answer that has ended.
func (r *Run) addUsage(choice int, u *engine.Usage) {
	if choice%r.perPrompt == 0 {
		addPrompt(&r.total, u)
	}
	r.total.CompletionTokens += u.CompletionTokens
	r.total.ReasoningTokens += u.ReasoningTokens
	r.total.AcceptedPrediction += u.AcceptedPrediction
	r.total.RejectedPrediction += u.RejectedPrediction
}

func addPrompt(sum, u *engine.Usage) {
	sum.PromptTokens += u.PromptTokens
	sum.CachedTokens += u.CachedTokens
	sum.ImageTokens += u.ImageTokens
	sum.VideoTokens += u.VideoTokens
}

// running is the usage of all answers so far, nil unless the request asked for it. A prompt counts as soon as one of
// its answers tells of it.
func (r *Run) running() *engine.Usage {
	if !r.decided.Request.RunningUsage {
		return nil
	}
	var sum engine.Usage
	for first := 0; first < len(r.answers); first += r.perPrompt {
		counted := false
		for i := first; i < first+r.perPrompt; i++ {
			u := &r.answers[i].running
			if u.PromptTokens > 0 && !counted {
				counted = true
				addPrompt(&sum, u)
			}
			sum.CompletionTokens += u.CompletionTokens
			sum.ReasoningTokens += u.ReasoningTokens
		}
	}
	return &sum
}

// Cancel ends the run: Next fails with cause. It may be called from any goroutine.
func (r *Run) Cancel(cause error) { r.cancel(cause) }

// Context is done when the run is cancelled or aborted; its cause says why.
func (r *Run) Context() context.Context { return r.ctx }

// Close ends the run and waits until the engine has let go: no reply ends before that.
func (r *Run) Close() {
	r.source.Close()
	r.item.End(r.did())
	r.release()
}

// Decided is the decision by which the run answers, which escalation may have changed.
func (r *Run) Decided() *Decided { return r.decided }

// Sampling is how the first answer's tokens are drawn.
func (r *Run) Sampling() engine.Sampling { return r.decided.Sampling() }

// Summary is what is known of a run so far. It is what metrics, log and billing read.
type Summary struct {
	*Decided
	// FirstToken is how long the first token took since the request came, 0 before it.
	FirstToken time.Duration
	// Usage is that of the answers that have ended, nil while none has.
	Usage *engine.Usage
	// Finish is why the last answer ended.
	Finish engine.FinishReason
	// Produced counts the events of answers, which is about their tokens.
	Produced int
}

// Summary tells what is known of the run so far.
func (r *Run) Summary() Summary {
	s := Summary{Decided: r.decided, FirstToken: r.measure.FirstToken(), Finish: r.finish, Produced: r.produced}
	if r.ended > 0 {
		s.Usage = &r.total
	}
	return s
}

// Attrs are those of the access log.
func (s Summary) Attrs() []slog.Attr {
	attrs := s.Decided.Attrs()
	if s.FirstToken > 0 {
		attrs = append(attrs, slog.Duration("ttft", s.FirstToken))
	}
	if s.Usage != nil {
		attrs = append(attrs, slog.Int("prompt_tokens", s.Usage.PromptTokens), slog.Int("completion_tokens", s.Usage.CompletionTokens),
			slog.Int("reasoning_tokens", s.Usage.ReasoningTokens), slog.String("finish_reason", string(s.Finish)))
	}
	return attrs
}

// Tokens are what the run is billed: of one that was broken off, about what it had produced.
func (s Summary) Tokens() int {
	if s.Usage == nil {
		return s.Produced
	}
	return s.Usage.PromptTokens + s.Usage.CompletionTokens
}

// Attrs are the summary's.
func (r *Run) Attrs() []slog.Attr { return r.Summary().Attrs() }

// Tokens are the summary's.
func (r *Run) Tokens() int { return r.Summary().Tokens() }
