package enginetest

import (
	"context"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/qwenvld/qwenvld/engine"
)

// check refuses what an engine without a script refuses.
func (f *Fake) check(req *engine.Request) error { //nolint:cyclop // one case for each rule of the contract
	const maxTop = 20
	refuse := func(field, format string, args ...any) error {
		return &engine.RequestError{Field: field, Message: fmt.Sprintf(format, args...)}
	}
	switch t := &req.Thinking; {
	case req.MaxTokens < 0:
		return refuse("max_tokens", "must not be negative")
	case req.TopLogprobs < 0 || req.TopLogprobs > maxTop:
		return refuse("top_logprobs", "must be between 0 and %d", maxTop)
	case req.FirstTop < 0 || req.FirstTop > maxTop:
		return refuse("first_top", "must be between 0 and %d", maxTop)
	case t.Open && (t.CloseText == "" || t.EmptyText == "" || t.EndTag == ""):
		return refuse("thinking", "an open think block needs its texts")
	case req.Constraint != nil && req.Constraint.Text == "":
		return refuse("constraint", "without a script an answer is a text or free")
	}
	for id := range req.Sampling.LogitBias {
		if id < 0 || int(id) >= f.Model.VocabSize {
			return refuse("sampling.logit_bias", "token ids must be below %d", f.Model.VocabSize)
		}
	}
	if err := f.checkPrompt(req); err != nil {
		return err
	}
	switch n := f.count(req).PromptTokens; {
	case n == 0:
		return refuse("prompt", "is empty")
	case n >= f.Model.ContextSize:
		return &engine.ContextLengthError{PromptTokens: n, ContextSize: f.Model.ContextSize}
	}
	return nil
}

func (f *Fake) checkPrompt(req *engine.Request) error {
	for i := range req.Prompt {
		p := &req.Prompt[i]
		switch p.Kind {
		case engine.PieceControl, engine.PieceText:
		case engine.PieceTokens:
			if _, err := f.TokenBytes(context.Background(), p.Tokens); err != nil {
				return &engine.RequestError{Field: "prompt", Message: err.Error()}
			}
		case engine.PieceImage:
			if f.Model.Vision == nil || p.Image < 0 || p.Image >= len(req.Images) {
				return &engine.RequestError{Field: "prompt", Message: fmt.Sprintf("image %d of %d", p.Image, len(req.Images))}
			}
		default:
			return &engine.RequestError{Field: "prompt", Message: fmt.Sprintf("unknown kind of piece %q", p.Kind)}
		}
	}
	return nil
}

// count is what a prompt takes.
func (f *Fake) count(req *engine.Request) (u engine.Usage) {
	for i := range req.Prompt {
		p := &req.Prompt[i]
		u.PromptTokens += len(p.Text) + len(p.Tokens)
		if p.Kind == engine.PieceImage {
			edge := f.Model.Vision.PatchSize * f.Model.Vision.MergeSize
			img := &req.Images[p.Image]
			u.ImageTokens += img.Width / edge * (img.Height / edge)
		}
	}
	u.PromptTokens += u.ImageTokens
	return u
}

// echo is an answer that says the prompt's text again and again, after a think block that does so where one is open.
// Under a form it is the form's text.
type echo struct {
	req    *engine.Request
	events []engine.Event
	usage  engine.Usage
	tokens int // that have been described
}

func (f *Fake) echo(req *engine.Request, start *engine.Start) func() (engine.Event, error) {
	e := &echo{req: req, usage: start.Usage}
	var said strings.Builder
	for i := range req.Prompt {
		said.WriteString(req.Prompt[i].Text)
	}
	text := said.String()
	if text == "" {
		text = "."
	}
	result := engine.Result{FinishReason: engine.FinishLength}
	if start.ThinkOpen {
		thoughts := start.ThinkingBudget
		result.ThinkingClosedBy = "budget"
		select {
		case <-req.Thinking.Now:
			thoughts, result.ThinkingClosedBy = 1, "client"
		default:
		}
		e.say(again(text, thoughts)+req.Thinking.CloseText, true)
	}
	room := start.MaxTokens - e.usage.CompletionTokens
	answer := again(text, room)
	if req.Constraint != nil {
		answer = req.Constraint.Text
		if len(answer) <= room {
			result.FinishReason = engine.FinishStop
		}
		answer = answer[:min(len(answer), room)]
	}
	if shown, stop := cutAtStop(answer, req.Stop); stop != "" {
		e.say(shown, false)
		e.usage.CompletionTokens += len(stop)
		result.FinishReason, result.StopString = engine.FinishStop, stop
	} else {
		e.say(answer, false)
	}
	result.Usage = e.usage
	last := engine.Event{Result: &result}
	if req.RunningUsage {
		last.Usage = &result.Usage
	}
	e.events = append(e.events, last)
	return e.next
}

// again repeats text up to so many bytes.
func again(text string, size int) string {
	return strings.Repeat(text, size/len(text)+1)[:max(0, size)]
}

// cutAtStop returns the text before the stop string that comes first, which is "" where there is none.
func cutAtStop(text string, stops []string) (before, stop string) {
	before = text
	for _, s := range stops {
		if i := strings.Index(text, s); i >= 0 && i < len(before) {
			before, stop = text[:i], s
		}
	}
	return before, stop
}

// say adds an event for each character of text. Of one that is cut short only the tokens count.
func (e *echo) say(text string, thinking bool) {
	for text != "" {
		r, size := utf8.DecodeRuneInString(text)
		ev := engine.Event{Text: text[:size]}
		if r == utf8.RuneError {
			ev.Text, size = "", len(text)
		}
		for _, b := range []byte(text[:size]) {
			e.describe(&ev, b)
		}
		e.usage.CompletionTokens += size
		if thinking {
			e.usage.ReasoningTokens += size
		}
		if e.req.RunningUsage {
			usage := e.usage
			ev.Usage = &usage
		}
		e.events = append(e.events, ev)
		text = text[size:]
	}
}

// describe adds the log-probabilities of a token that were asked for.
func (e *echo) describe(ev *engine.Event, b byte) {
	top := e.req.TopLogprobs
	e.tokens++
	if e.tokens <= e.req.FirstTokens {
		top = max(top, e.req.FirstTop)
	} else if !e.req.Logprobs {
		return
	}
	const likely, unlikely = -0.01, -5.0
	token := engine.Token{ID: int32(b), Bytes: []byte{b}, Logprob: likely}
	for i := range top {
		other, logprob := b+byte(i), likely
		if i > 0 {
			logprob = unlikely - float64(i)
		}
		token.Top = append(token.Top, engine.TopToken{ID: int32(other), Bytes: []byte{other}, Logprob: logprob})
	}
	ev.Tokens = append(ev.Tokens, token)
}

func (e *echo) next() (engine.Event, error) {
	if len(e.events) == 0 {
		return engine.Event{}, io.EOF
	}
	ev := e.events[0]
	e.events = e.events[1:]
	return ev, nil
}
