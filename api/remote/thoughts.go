package remote

import (
	"context"
	"strings"

	"github.com/qwenvld/qwenvld/engine/prompt"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
)

// Words for what ended a think block, as a worker of this daemon says them.
const (
	closedByModel    = "model"
	closedByBudget   = "budget"
	closedByClient   = "client"
	closedByEndToken = "end_token"
)

// endedByRepetition is what a qwenvld says in place of those where it ended an answer that only repeated itself.
const endedByRepetition = "repetition"

// budgetSpent says that thoughts which are bounded here have come to their bound.
func (a *chatAnswer) budgetSpent() bool {
	return a.chat.Thinks && a.upstream.Dialect().Can.Budget != dialect.BudgetOwn && a.finish == "" &&
		a.meter.completion() >= a.bound
}

// listen has the server told when nobody wants to wait for more thoughts, where it can end them by itself. Where it
// does not do so, this daemon does.
func (a *chatAnswer) listen() {
	if !a.inBlock || a.now == nil || !a.upstream.TakesHurry() {
		return
	}
	ctx, stop := context.WithCancel(a.ctx)
	wanted, here, over := a.now, make(chan struct{}), make(chan struct{})
	a.now = here
	stream := a.upstream
	go func() {
		defer close(over)
		select {
		case <-wanted:
			if stream.AnswerNow(ctx) != nil {
				close(here)
			}
		case <-ctx.Done():
		}
	}()
	a.deaf = func() {
		stop()
		<-over
	}
}

// hurried reports whether nobody wants to wait for more thoughts of an answer that is not at its end.
func (a *chatAnswer) hurried() bool {
	select {
	case <-a.now:
		return a.finish == ""
	default:
		return false
	}
}

// closeBlock ends the thoughts with words that end with the tag.
func (a *chatAnswer) closeBlock(by, words string) string {
	if before, _, ok := strings.Cut(words, "\n"+prompt.ThinkEnd); ok {
		a.thoughts.WriteString(before)
	}
	text := a.text.Add([]byte(words))
	a.leaveBlock(by)
	return text
}

// leaveOpenBlock ends the thoughts where the server told by what follows that they are over, and writes the calls that
// were held back.
func (a *chatAnswer) leaveOpenBlock(b *strings.Builder) {
	b.WriteString("\n" + prompt.ThinkEnd)
	a.leaveBlock(closedByModel)
	a.writeHeld(b)
}

func (a *chatAnswer) leaveBlock(by string) {
	a.inBlock, a.closedBy, a.trim = false, by, true
}

// resume asks for the answer behind the thoughts so far.
func (a *chatAnswer) resume() error {
	a.upstream.Close()
	a.meter.next()
	a.stage, a.unparsed, a.finish, a.held = resumed, false, "", nil
	if a.chat.MaxTokens > 0 {
		a.chat.MaxTokens = max(1, a.chat.MaxTokens-a.meter.done)
	}
	a.trim = true
	return a.ask()
}
