package generation

import (
	"slices"

	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
)

// answer cuts the events of one of an engine's answers into blocks. It is the only place where that is done.
type answer struct {
	choice  int
	request *request.Request
	newID   func() string
	// plain is an answer without a chat template: all of its text is content, and all of its tokens are shown.
	plain  bool
	parser *prompt.Parser
	tokens contentTokens
	// block is the open one, nil between blocks; calls counts those that began.
	block *Block
	calls int
	// merging is set while thoughts go into the content.
	merging bool
	// events are what the last event was cut into. They are good until the next one is cut.
	events []Event
}

// newAnswers are n answers to a request of which nothing has come yet.
func newAnswers(d *Decided, n int, newID func() string, plain bool) []*answer {
	out := make([]*answer, n)
	for i := range out {
		out[i] = &answer{choice: i, request: d.Request, newID: newID, plain: plain}
	}
	return out
}

// cut gives what an engine's event means to a surface, after a Progress event of its own. The slice is used again for
// the next event.
func (a *answer) cut(ev *engine.Event) []Event {
	if ev.Start != nil {
		a.parser = prompt.NewParser(prompt.ParserOptions{ThinkOpen: ev.Start.ThinkOpen, Tools: a.request.Callable})
		a.tokens = newContentTokens(ev.Start.ThinkOpen, a.plain)
		return []Event{{Kind: Started, Choice: a.choice, Start: ev.Start}}
	}
	out := a.events[:0]
	out = append(out, Event{Kind: Progress, Choice: a.choice, Step: &Step{Event: *ev}})
	a.tokens.add(ev.Tokens)
	deltas := a.deltas(ev)
	alone := !slices.ContainsFunc(deltas, func(d prompt.Delta) bool { return d.Reasoning != "" })
	for i := range deltas {
		d := &deltas[i]
		if d.Content != "" {
			a.tokens.contentSeen(ev.Tokens, alone)
		}
		out[0].Step.Answers = out[0].Step.Answers || d.Content != "" || d.ToolCall != nil
	}
	for _, d := range a.shown(deltas) {
		out = a.add(out, &d)
	}
	if a.merging && ev.Result != nil && ev.Result.ThinkingClosedBy != "" {
		out = a.add(out, a.closeMerged())
	}
	if ev.Result != nil {
		out = a.end(out, ev.Result)
	}
	a.events = out
	return out
}

// deltas parses the text of ev; with the last event also what the parser held back.
func (a *answer) deltas(ev *engine.Event) []prompt.Delta {
	if a.plain {
		if ev.Text == "" && a.tokens.empty() {
			return nil
		}
		return []prompt.Delta{{Content: ev.Text}}
	}
	out := a.parser.Add(ev.Text)
	if ev.Result != nil {
		out = append(out, a.parser.Close()...)
	}
	return out
}

// shown leaves out thoughts that are not to be seen, and puts those that belong into the content there, in the tags
// that the model thinks between.
func (a *answer) shown(deltas []prompt.Delta) []prompt.Delta {
	if a.request.HideReasoning {
		deltas = slices.DeleteFunc(deltas, func(d prompt.Delta) bool { return d.Reasoning != "" })
	}
	if !a.request.MergeReasoning {
		return deltas
	}
	out := make([]prompt.Delta, 0, len(deltas))
	for _, d := range deltas {
		switch {
		case d.Reasoning != "" && !a.merging:
			d.Content, d.Reasoning, a.merging = prompt.ThinkStart+d.Reasoning, "", true
		case d.Reasoning != "":
			d.Content, d.Reasoning = d.Reasoning, ""
		case d.Content != "" && a.merging:
			d.Content = a.closeMerged().Content + d.Content
		case d.ToolCall != nil && a.merging:
			out = append(out, *a.closeMerged())
		}
		out = append(out, d)
	}
	return out
}

// closeMerged ends thoughts in the content.
func (a *answer) closeMerged() *prompt.Delta {
	a.merging = false
	return &prompt.Delta{Content: prompt.ThinkEmpty}
}

// add opens a block where d begins one, and adds its text.
func (a *answer) add(out []Event, d *prompt.Delta) []Event {
	kind, text := Content, d.Content
	switch {
	case d.ToolCall != nil:
		kind, text = Call, d.ToolCall.Arguments
	case d.Reasoning != "":
		kind, text = Reasoning, d.Reasoning
	}
	if a.block == nil || a.block.Kind != kind || d.ToolCall != nil && d.ToolCall.Name != "" {
		out = a.close(out, false)
		a.block = &Block{Kind: kind}
		if d.ToolCall != nil {
			a.block.Call, a.block.ID, a.block.Name = d.ToolCall.Index, a.newID(), d.ToolCall.Name
			a.calls = d.ToolCall.Index + 1
		}
		out = append(out, Event{Kind: BlockOpen, Choice: a.choice, Block: *a.block})
	}
	var tokens []engine.Token
	if kind == Content {
		tokens = a.takeTokens()
	}
	if text == "" && len(tokens) == 0 {
		return out
	}
	return append(out, Event{Kind: BlockText, Choice: a.choice, Block: *a.block, Text: text, Tokens: tokens})
}

func (a *answer) close(out []Event, cut bool) []Event {
	if a.block == nil {
		return out
	}
	ev := Event{Kind: BlockClose, Choice: a.choice, Block: *a.block, Cut: cut}
	if a.block.Kind == Content {
		ev.Tokens = a.takeTokens()
	}
	a.block = nil
	return append(out, ev)
}

func (a *answer) end(out []Event, r *engine.Result) []Event {
	out = a.close(out, r.FinishReason == engine.FinishLength)
	e := &Ending{
		Finish: r.FinishReason, StopString: r.StopString, Usage: r.Usage, Told: r.ThinkingClosedBy != "" || r.Repetition,
	}
	if a.calls > 0 && r.FinishReason == engine.FinishStop {
		e.Finish = FinishToolCalls
	}
	last := &Step{Event: engine.Event{Result: r}}
	return append(out, Event{Kind: AnswerEnd, Choice: a.choice, Ending: e, Tokens: a.takeTokens(), Step: last})
}

// takeTokens are the content's tokens since the last time, where the client asked for them.
func (a *answer) takeTokens() []engine.Token {
	taken := a.tokens.take()
	if !a.request.Logprobs {
		return nil
	}
	for i := range taken {
		// More alternatives than were asked for serve the second look.
		taken[i].Top = taken[i].Top[:min(len(taken[i].Top), a.request.TopLogprobs)]
	}
	return taken
}
