package remote

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
	"github.com/qwenvld/qwenvld/engine/upstream"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
	"github.com/qwenvld/qwenvld/engine/worker/answer"
)

// stage is how far an answer of weights that think has come.
type stage int

const (
	// direct is an answer that is asked for as it is.
	direct stage = iota
	// resumed is one that goes on behind thoughts which were ended here: whatever comes is the answer.
	resumed
)

// chatAnswer is an answer to a conversation, as the text that a model of this daemon would have written: thoughts and
// calls between their tags.
type chatAnswer struct {
	ctx      context.Context //nolint:containedctx // lives as long as the answer
	prepared *prepared
	chat     *dialect.Chat
	stage    stage
	// now is closed when nobody wants to wait for more thoughts, and it is left to this daemon to end them.
	now <-chan struct{}
	// deaf ends what passes that wish on to the server.
	deaf func()
	// bound is how many tokens may be thought.
	bound    int
	upstream *upstream.Stream
	text     *answer.Text
	meter    meter
	finish   string

	started, over bool
	// inBlock says that the answer is among its thoughts; unparsed that the server leaves them in the text.
	inBlock, unparsed bool
	thoughts          strings.Builder
	// closedBy is what ended them, told what the server says of that.
	closedBy, told string
	// begun says that something of the answer itself has come; trim that line breaks before it are left out.
	begun, trim bool
	call        openCall
	// held are calls of which it is not known yet whether they are among the thoughts.
	held []dialect.CallDelta
	echo echo
}

var _ engine.Stream = (*chatAnswer)(nil)

// Next gives Start first, then texts, then the result.
func (a *chatAnswer) Next() (engine.Event, error) {
	if a.over {
		return engine.Event{}, io.EOF
	}
	if !a.started {
		a.started = true
		start := &engine.Start{Usage: a.meter.usage(), MaxTokens: a.maxTokens(), ThinkOpen: a.inBlock}
		start.Usage.CompletionTokens, start.Usage.ReasoningTokens = 0, 0
		if a.inBlock {
			start.ThinkingBudget = a.bound
		}
		return engine.Event{Start: start}, nil
	}
	for {
		ev, err := a.step()
		if err != nil {
			a.over = true
			return engine.Event{}, explain(err, a.prepared.decided.Request.PromptParam)
		}
		if ev.Result != nil {
			a.over = true
		}
		if ev.Text != "" || ev.Tokens != nil || ev.Result != nil {
			return ev, nil
		}
	}
}

// maxTokens is how long the answer may get.
func (a *chatAnswer) maxTokens() int {
	d, asked := a.prepared.decided, 0
	if d.Request.MaxTokens != nil {
		asked = *d.Request.MaxTokens
	}
	told := 0
	if a.upstream != nil {
		told = a.upstream.Most()
	}
	return room(asked, told, d.Info().ContextSize-a.meter.promptTokens())
}

// step takes one event in.
func (a *chatAnswer) step() (engine.Event, error) {
	d, err := a.upstream.Next()
	switch {
	case err == io.EOF: //nolint:errorlint // it is never wrapped
		return a.end()
	case err != nil:
		return engine.Event{}, err
	}
	a.meter.add(&d, a.inBlock && (a.unparsed || d.Thoughts != ""))
	if d.Finish != "" {
		a.finish = d.Finish
	}
	if d.ClosedBy != "" {
		a.told = d.ClosedBy
	}
	raw := a.raw(&d)
	ev := engine.Event{Text: a.text.Add([]byte(raw)), Tokens: d.Tokens}
	if a.inBlock && a.unparsed && !a.text.Thinking() {
		a.leaveBlock(closedByModel)
	}
	switch {
	case a.text.Stopped() != "":
		a.finish = "stop"
		return a.result(ev), nil
	case a.inBlock && a.budgetSpent():
		ev.Text += a.closeBlock(closedByBudget, strings.TrimRight(prompt.ThinkCutShort, "\n"))
		err = a.resume()
	case a.inBlock && a.hurried():
		ev.Text += a.closeBlock(closedByClient, strings.TrimRight(prompt.ThinkCutShort, "\n"))
		err = a.resume()
	}
	ev.Usage = a.running()
	return ev, err
}

// raw is what an event adds, in the words of a model of this daemon.
func (a *chatAnswer) raw(d *dialect.Delta) string {
	var b strings.Builder
	thoughts, text := a.echo.strip(d)
	switch {
	case thoughts == "":
	case a.inBlock && !a.unparsed:
		a.writeHeld(&b)
		a.call.end(&b)
		a.thoughts.WriteString(thoughts)
		b.WriteString(thoughts)
	case a.stage == resumed && a.upstream.Dialect().Can.Budget == dialect.BudgetContinued:
		// The server's parser was not told that the block is closed.
		text = thoughts + text
	}
	if text != "" {
		if a.inBlock && !a.unparsed {
			a.leaveOpenBlock(&b)
		}
		if a.inBlock {
			before, _, _ := strings.Cut(text, prompt.ThinkEnd)
			a.thoughts.WriteString(before)
		}
		if a.trim {
			text = strings.TrimLeft(text, "\r\n")
			a.trim = text == ""
		}
		a.call.end(&b)
		b.WriteString(text)
		a.begun = a.begun || !a.inBlock && strings.TrimSpace(text) != ""
	}
	a.writeCalls(&b, d.Calls)
	if d.Finish != "" {
		if len(a.held) > 0 {
			a.leaveOpenBlock(&b)
		}
		a.call.end(&b)
	}
	return b.String()
}

var errAborted = errors.New("it broke the answer off")

// end is what follows the server's last event: the result, unless the thoughts left nothing of the answer.
func (a *chatAnswer) end() (engine.Event, error) {
	switch a.finish {
	case "abort", "error":
		return engine.Event{}, &upstream.FailedError{Server: a.upstream.Server(), Err: errAborted, Begun: true}
	}
	more := a.chat.MaxTokens == 0 || a.meter.usage().CompletionTokens < a.chat.MaxTokens
	empty := a.chat.Thinks && !a.upstream.Dialect().Can.Verifies && !a.begun && a.stage == direct && more
	var ev engine.Event
	switch {
	case !empty:
		return a.result(ev), nil
	case a.inBlock && a.finish == "length":
		ev.Text = a.closeBlock(closedByBudget, strings.TrimRight(prompt.ThinkCutShort, "\n"))
	case a.inBlock:
		ev.Text = a.closeBlock(closedByEndToken, "\n"+prompt.ThinkEnd)
	}
	err := a.resume()
	return ev, err
}

// result ends the answer with what ev has.
func (a *chatAnswer) result(ev engine.Event) engine.Event {
	ev.Text += a.text.Close()
	ev.Usage = a.running()
	repeats := a.told == endedByRepetition
	if a.upstream.Dialect().Can.Verifies && a.text.Stopped() == "" && !repeats { // it knows best, where it came to the end
		a.closedBy = a.told
	}
	ev.Result = &engine.Result{
		FinishReason: finishOf(a.finish), StopString: a.text.Stopped(), Usage: a.meter.usage(), ThinkingClosedBy: a.closedBy,
		Repetition: repeats,
	}
	return ev
}

func (a *chatAnswer) running() *engine.Usage {
	if !a.prepared.decided.Request.RunningUsage {
		return nil
	}
	u := a.meter.usage()
	return &u
}

// Close ends the answer at its server.
func (a *chatAnswer) Close() error {
	if a.deaf != nil {
		a.deaf()
	}
	a.upstream.Close()
	return nil
}
