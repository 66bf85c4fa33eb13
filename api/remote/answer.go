package remote

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"strings"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
	"github.com/qwenvld/qwenvld/engine/upstream"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
	"github.com/qwenvld/qwenvld/engine/worker/answer"
)

// Words for what ended a think block, as a worker of this daemon says them.
const (
	closedByModel    = "model"
	closedByBudget   = "budget"
	closedByClient   = "client"
	closedByEndToken = "end_token"
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
	// now is closed when nobody wants to wait for more thoughts.
	now <-chan struct{}
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
	echo        echo
}

// echo is what of a beginning is still to come with the answer to it.
type echo struct{ thoughts, text string }

// strip gives the thoughts and the text of an event without the beginning that they repeat.
func (e *echo) strip(d *dialect.Delta) (thoughts, text string) {
	return withoutEcho(&e.thoughts, d.Thoughts), withoutEcho(&e.text, d.Text)
}

func withoutEcho(rest *string, got string) string {
	n := 0
	for n < len(got) && n < len(*rest) && got[n] == (*rest)[n] {
		n++
	}
	if *rest = (*rest)[n:]; n < len(got) {
		*rest = "" // it has come, or does not come
	}
	return got[n:]
}

var _ engine.Stream = (*chatAnswer)(nil)

// openCall is the call that is being written, if one is.
type openCall struct {
	open  bool
	index int
	name  string
	args  bool // some of its arguments have come
}

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
	a.bound = bound(a.chat)
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

func echoOf(m *dialect.Message) (e echo) {
	if m.Thoughts != nil {
		e.thoughts = *m.Thoughts
	}
	for _, p := range m.Parts {
		e.text += p.Text
	}
	return e
}

// askAgain is said to servers that continue nothing, behind thoughts that were ended here.
const askAgain = "These were your thoughts. Give the answer now, on their basis and without thinking any further."

// written is the request as a kind of server is sent it.
func (a *chatAnswer) written(k *dialect.Dialect) *dialect.Chat {
	c := *a.chat
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
	a.meter.look(a.upstream)
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
	d := a.prepared.decided
	left := max(1, d.Info().ContextSize-a.meter.prompt)
	if d.Request.MaxTokens != nil {
		return min(*d.Request.MaxTokens, left)
	}
	return left
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

// budgetSpent says that thoughts which are bounded here have come to their bound.
func (a *chatAnswer) budgetSpent() bool {
	return a.chat.Thinks && a.upstream.Dialect().Can.Budget != dialect.BudgetOwn && a.finish == "" &&
		a.meter.completion() >= a.bound
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

func (a *chatAnswer) leaveBlock(by string) {
	a.inBlock, a.closedBy, a.trim = false, by, true
}

// resume asks for the answer behind the thoughts so far.
func (a *chatAnswer) resume() error {
	a.upstream.Close()
	a.meter.next()
	a.stage, a.unparsed, a.finish = resumed, false, ""
	if a.chat.MaxTokens > 0 {
		a.chat.MaxTokens = max(1, a.chat.MaxTokens-a.meter.done)
	}
	a.trim = true
	return a.ask()
}

// raw is what an event adds, in the words of a model of this daemon.
func (a *chatAnswer) raw(d *dialect.Delta) string {
	var b strings.Builder
	thoughts, text := a.echo.strip(d)
	switch {
	case thoughts == "":
	case a.inBlock && !a.unparsed:
		a.thoughts.WriteString(thoughts)
		b.WriteString(thoughts)
	case a.stage == resumed && a.upstream.Dialect().Can.Budget == dialect.BudgetContinued:
		// The server's parser was not told that the block is closed.
		text = thoughts + text
	}
	if text != "" {
		if a.inBlock && !a.unparsed {
			b.WriteString("\n" + prompt.ThinkEnd)
			a.leaveBlock(closedByModel)
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
		a.call.end(&b)
	}
	return b.String()
}

func (a *chatAnswer) writeCalls(b *strings.Builder, calls []dialect.CallDelta) {
	for i := range calls {
		if a.inBlock {
			b.WriteString("\n" + prompt.ThinkEnd)
			a.leaveBlock(closedByModel)
		}
		a.call.add(b, &calls[i])
		a.begun = true
	}
}

// add writes a part of a call as a model of this daemon writes calls.
func (c *openCall) add(b *strings.Builder, d *dialect.CallDelta) {
	if d.Name != "" && (!c.open || d.Index != c.index || d.Name != c.name) {
		c.end(b)
		name, _ := json.Marshal(d.Name) // a text is always written
		b.WriteString("\n" + prompt.ToolCallOpen + "\n{\"name\": " + string(name) + ", \"arguments\": ")
		*c = openCall{open: true, index: d.Index, name: d.Name}
	}
	if c.open && d.Arguments != "" {
		c.args = true
		b.WriteString(d.Arguments)
	}
}

// end writes the end of a call that is open.
func (c *openCall) end(b *strings.Builder) {
	if !c.open {
		return
	}
	if !c.args {
		b.WriteString("{}")
	}
	b.WriteString("}\n" + prompt.ToolCallClose)
	*c = openCall{}
}

var errAborted = errors.New("it broke the answer off")

// end is what follows the server's last event: the result, unless the thoughts left nothing of the answer.
func (a *chatAnswer) end() (engine.Event, error) {
	switch a.finish {
	case "abort", "error":
		return engine.Event{}, &upstream.FailedError{Server: a.upstream.Server(), Err: errAborted, Begun: true}
	}
	room := a.chat.MaxTokens == 0 || a.meter.usage().CompletionTokens < a.chat.MaxTokens
	empty := a.chat.Thinks && !a.upstream.Dialect().Can.Verifies && !a.begun && a.stage == direct && room
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
	if a.upstream.Dialect().Can.Verifies {
		a.closedBy = a.told
	}
	ev.Result = &engine.Result{
		FinishReason: finishOf(a.finish), StopString: a.text.Stopped(), Usage: a.meter.usage(), ThinkingClosedBy: a.closedBy,
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
	a.upstream.Close()
	return nil
}
