package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
)

// errCancelled is the cancellation cause of a background response whose client does not want it any more.
var errCancelled = errors.New("the response was cancelled")

// responseBuilder turns a generation into a response object and the events that tell of it.
type responseBuilder struct {
	*generation
	response *responseObject
	// emit takes each event in order, with its number.
	emit     func(*responseEvent) error
	sequence int
	// kind of the open item, "" where none is open, and its text so far.
	kind string
	text strings.Builder
	// logprobs of the open part.
	logprobs []tokenLogprob
}

func (b *responseBuilder) send(ev responseEvent) error {
	ev.Sequence = b.sequence
	b.sequence++
	return b.emit(&ev)
}

// tell sends an event about the response as a whole.
func (b *responseBuilder) tell(kind string) error {
	snapshot := *b.response
	return b.send(responseEvent{Type: "response." + kind, Response: &snapshot})
}

// take reads one item of the generation and reports whether it was the last.
func (b *responseBuilder) take(it *item) (last bool, err error) {
	a := b.answers[0]
	if it.accepted {
		b.begin(a, it.event.Start)
		b.response.Routing = b.server.newRouting(b.plan, nil)
		if !b.response.Background {
			if err := b.tell("created"); err != nil {
				return false, err
			}
		}
		b.response.Status = statusInProgress
		return false, b.tell("in_progress")
	}
	for _, d := range b.deltas(a, &it.event) {
		if err := b.delta(a, &d); err != nil {
			return false, err
		}
	}
	r := it.event.Result
	if r == nil {
		return false, nil
	}
	a.result = r
	b.finish(a, r)
	b.response.Usage, b.response.Routing = newResponseUsage(&b.usage), b.server.newRouting(b.plan, r)
	b.response.Status = statusCompleted
	if r.FinishReason == engine.FinishLength {
		b.response.Status, b.response.IncompleteDetails = statusIncomplete, &incompleteDetails{"max_output_tokens"}
	}
	if err := b.closeItem(b.response.Status); err != nil {
		return false, err
	}
	b.response.CompletedAt = ptr(b.server.cfg.Now().Unix())
	return true, nil
}

// end tells the state in which the response ended.
func (b *responseBuilder) end() error { return b.tell(b.response.Status) }

// fail ends the response with what went wrong. What was written so far stays, as incomplete.
func (b *responseBuilder) fail(e *Error, cause error) error {
	err := b.closeItem(statusIncomplete)
	if errors.Is(cause, errCancelled) {
		b.response.Status = statusCancelled
		// OpenAI has no event for it; the stream ends with the response as it is.
		return errors.Join(err, b.tell(statusIncomplete))
	}
	code := "server_error"
	if e.Status < http.StatusInternalServerError {
		code = "invalid_prompt"
	}
	b.response.Status, b.response.Error = statusFailed, &responseError{Code: code, Message: e.Message}
	if err = errors.Join(err, b.end()); err == nil || errors.Is(err, errClientGone) {
		return err
	}
	// What was written so far cannot be told, which may be what went wrong; that it ended still can.
	b.kind, b.response.Output = "", []outputItem{}
	return b.end()
}

func itemKind(d *prompt.Delta) string {
	switch {
	case d.ToolCall != nil:
		return "function_call"
	case d.Reasoning != "":
		return "reasoning"
	}
	return "message"
}

func (b *responseBuilder) delta(a *answering, d *prompt.Delta) error {
	kind := itemKind(d)
	if kind != b.kind || d.ToolCall != nil && d.ToolCall.Name != "" {
		if err := b.closeItem(statusCompleted); err != nil {
			return err
		}
		if err := b.openItem(a, kind, d); err != nil {
			return err
		}
	}
	text := deltaText(d)
	if text == "" {
		return nil
	}
	b.text.WriteString(text)
	ev := responseEvent{OutputIndex: b.index(), ItemID: b.item().ID, Delta: &text}
	switch kind {
	case "function_call":
		ev.Type = "response.function_call_arguments.delta"
	case "reasoning":
		ev.Type = b.place(&ev).text + ".delta"
	default:
		ev.Type = b.place(&ev).text + ".delta"
		ev.Logprobs = &[]tokenLogprob{}
		if b.req.Logprobs {
			if more := a.tokens.take(); more != nil {
				b.logprobs = append(b.logprobs, more...)
				ev.Logprobs = &more
			}
		}
	}
	return b.send(ev)
}

func (b *responseBuilder) item() *outputItem { return &b.response.Output[len(b.response.Output)-1] }

func (b *responseBuilder) index() *int { return ptr(len(b.response.Output) - 1) }

// openItem begins an output item and its only part.
func (b *responseBuilder) openItem(a *answering, kind string, d *prompt.Delta) error {
	b.kind, b.logprobs = kind, nil
	b.text.Reset()
	it := outputItem{Type: kind, Status: statusInProgress}
	id := outputItemID(b.response)
	switch kind {
	case "function_call":
		call := b.toolCall(a, d.ToolCall)
		it.ID, it.CallID, it.Name, it.Arguments = "fc_"+id, call.ID, call.Function.Name, ptr("")
	case "reasoning":
		it.ID, it.Summary = "rs_"+id, &[]outputPart{}
		if !b.summed() {
			it.Content = &[]outputPart{}
		}
	default:
		it.ID, it.Role, it.Content = "msg_"+id, string(roleAssistant), &[]outputPart{}
	}
	b.response.Output = append(b.response.Output, it)
	err := b.send(responseEvent{Type: "response.output_item.added", OutputIndex: b.index(), Item: &it})
	if err != nil || kind == "function_call" {
		return err
	}
	part := b.part("")
	added := responseEvent{OutputIndex: b.index(), ItemID: it.ID, Part: &part}
	added.Type = b.place(&added).part + ".added"
	return b.send(added)
}

// summed says whether reasoning is told as its own summary, which some clients show alone. It is the same text then, once.
func (b *responseBuilder) summed() bool { return b.response.Reasoning.Summary != nil }

// partEvents are the first words of the events about a part's text and about the part.
type partEvents struct{ text, part string }

// place gives ev the index of the open item's part and names the events about it.
func (b *responseBuilder) place(ev *responseEvent) partEvents {
	switch {
	case b.kind != "reasoning":
		ev.ContentIndex = ptr(0)
		return partEvents{"response.output_text", "response.content_part"}
	case b.summed():
		ev.SummaryIndex = ptr(0)
		return partEvents{"response.reasoning_summary_text", "response.reasoning_summary_part"}
	}
	ev.ContentIndex = ptr(0)
	return partEvents{"response.reasoning_text", "response.content_part"}
}

// part is the open item's content.
func (b *responseBuilder) part(text string) outputPart {
	switch {
	case b.kind == "reasoning" && b.summed():
		return outputPart{Type: "summary_text", Text: text}
	case b.kind == "reasoning":
		return outputPart{Type: "reasoning_text", Text: text}
	}
	logprobs := b.logprobs
	if logprobs == nil {
		logprobs = []tokenLogprob{}
	}
	return outputPart{Type: "output_text", Text: text, Annotations: noJSON(), Logprobs: &logprobs}
}

// closeItem ends the open item, if there is one.
func (b *responseBuilder) closeItem(status string) error {
	if b.kind == "" {
		return nil
	}
	kind, text, it := b.kind, b.text.String(), b.item()
	it.Status = status
	var events []responseEvent
	at := responseEvent{OutputIndex: b.index(), ItemID: it.ID}
	if kind == "function_call" {
		it.Arguments = &text
		done := at
		done.Type, done.Name, done.Arguments = "response.function_call_arguments.done", it.Name, &text
		events = append(events, done)
	} else {
		if rest := b.answers[0].tokens.take(); kind == "message" && b.req.Logprobs {
			b.logprobs = append(b.logprobs, rest...)
		}
		part := b.part(text)
		if kind == "reasoning" && b.summed() {
			it.Summary = &[]outputPart{part}
		} else {
			it.Content = &[]outputPart{part}
		}
		names := b.place(&at)
		done, whole := at, at
		done.Type, done.Text = names.text+".done", &text
		if kind == "message" {
			done.Logprobs = part.Logprobs
		}
		whole.Type, whole.Part = names.part+".done", &part
		events = append(events, done, whole)
	}
	b.kind = ""
	last := *it
	events = append(events, responseEvent{Type: "response.output_item.done", OutputIndex: at.OutputIndex, Item: &last})
	for i := range events {
		if err := b.send(events[i]); err != nil {
			return err
		}
	}
	return nil
}
