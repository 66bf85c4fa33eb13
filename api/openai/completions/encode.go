package completions

import (
	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/openai/wire"
	"github.com/qwenvld/qwenvld/api/surface"
	"github.com/qwenvld/qwenvld/api/web"
	"github.com/qwenvld/qwenvld/engine"
)

// encoder turns the events of a run into chunks.
type encoder struct {
	base    Completion // what every chunk begins with
	request *textRequest
	// echoes are the texts of the prompts where they are to be repeated, nil otherwise.
	echoes []string
	// texts count the characters of the tokens so far, by answer.
	texts map[int]*characters
	// maxTokens is how long the longest answer may get where more was asked for.
	maxTokens int
	ended     int
}

var _ surface.Encoder = (*encoder)(nil)

// echo is the text of the prompt that an answer continues, "" where it is not to be repeated.
func (e *encoder) echo(choice int) string {
	if e.echoes == nil {
		return ""
	}
	return e.echoes[choice/e.request.Answers()]
}

// Event gives the chunks of one event.
func (e *encoder) Event(ev *generation.Event) ([]web.Message, error) {
	switch ev.Kind {
	case generation.Started:
		e.maxTokens = max(e.maxTokens, ev.Routing.MaxTokens)
		if e.echoes == nil {
			return nil, nil
		}
		return wire.Messages(e.chunk(ev, Choice{Index: ev.Choice, Text: e.echo(ev.Choice)}))
	case generation.BlockText:
		return wire.Messages(e.chunk(ev, Choice{Index: ev.Choice, Text: ev.Text, Logprobs: e.logprobs(ev)}))
	case generation.AnswerEnd:
		e.ended++
		c := e.chunk(ev, Choice{Index: ev.Choice, FinishReason: new(string(ev.Ending.Finish)), Logprobs: e.logprobs(ev)})
		if e.ended == len(e.request.prompts)*e.request.Answers() {
			c.Routing = e.routing()
		}
		return wire.Messages(c)
	case generation.End:
		return e.end(ev)
	default:
		return nil, nil
	}
}

func (e *encoder) logprobs(ev *generation.Event) *Logprobs {
	if !e.request.Logprobs {
		return nil
	}
	if e.texts == nil {
		e.texts = map[int]*characters{}
	}
	text := e.texts[ev.Choice]
	if text == nil {
		text = &characters{}
		e.texts[ev.Choice] = text
	}
	return newLogprobs(ev.Tokens, text)
}

// routing is nil where there is nothing to tell.
func (e *encoder) routing() *Routing {
	if e.maxTokens == 0 {
		return nil
	}
	return &Routing{MaxTokens: e.maxTokens}
}

func (e *encoder) chunk(ev *generation.Event, choices ...Choice) *Completion {
	c := e.base
	c.Choices = append([]Choice{}, choices...)
	if ev.Running != nil && ev.Kind != generation.Started {
		c.Usage = usage(*ev.Running)
	}
	return &c
}

// end sends the usage if it was asked for, and [DONE].
func (e *encoder) end(ev *generation.Event) ([]web.Message, error) {
	var out []web.Message
	if e.request.IncludeUsage {
		last := e.chunk(ev)
		last.Usage = usage(ev.Usage)
		var err error
		if out, err = wire.Messages(last); err != nil {
			return nil, err
		}
	}
	return append(out, wire.Done()), nil
}

// usage counts no thoughts: without a chat template there are none.
func usage(u engine.Usage) *wire.Usage {
	u.ReasoningTokens = 0
	return wire.NewUsage(&u)
}

// Failure is OpenAI's error as the last event.
func (e *encoder) Failure(failure *fault.Error, requestID string) []web.Message {
	return wire.Failure(failure, requestID)
}

// whole is the reply in one piece.
func (e *encoder) whole(w *generation.Whole) any {
	out := e.base
	out.Usage = usage(w.Usage)
	for i := range w.Answers {
		a := &w.Answers[i]
		c := Choice{
			Index: i, Text: e.echo(i) + a.Text(generation.Content), FinishReason: new(string(a.Ending.Finish)),
		}
		if e.request.Logprobs {
			c.Logprobs = newLogprobs(a.Tokens, &characters{})
		}
		e.maxTokens = max(e.maxTokens, a.Routing.MaxTokens)
		out.Choices = append(out.Choices, c)
	}
	out.Routing = e.routing()
	return &out
}
