package responses

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/openai/wire"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
)

// The beginnings of ids.
const (
	responsePrefix  = "resp_"
	messagePrefix   = "msg_"
	reasoningPrefix = "rs_"
	callItemPrefix  = "fc_"
	callPrefix      = "call_"
	otherItemPrefix = "item_"
)

// open begins an output item and its only part.
func (b *builder) open(block *generation.Block) []Event {
	b.item = openItem{kind: block.Kind}
	it := Item{Status: StatusInProgress}
	id := outputItemID(b.response)
	switch block.Kind {
	case generation.Call:
		it.Type, it.ID = itemCall, callItemPrefix+id
		it.CallID, it.Name, it.Arguments = callPrefix+block.ID, block.Name, new("")
	case generation.Reasoning:
		it.Type, it.ID, it.Summary = itemReasoning, reasoningPrefix+id, &[]Part{}
		if !b.isSummarized() {
			it.Content = &[]Part{}
		}
	case generation.Content:
		it.Type, it.ID, it.Role, it.Content = itemMessage, messagePrefix+id, string(request.RoleAssistant), &[]Part{}
	}
	b.response.Output = append(b.response.Output, it)
	out := []Event{{Type: "response.output_item.added", OutputIndex: b.outputIndex(), Item: &it}}
	if block.Kind == generation.Call {
		return out
	}
	part := b.part("")
	added, names := b.aboutPart()
	added.Type, added.Part = names.part+".added", &part
	return append(out, added)
}

// add puts text into the open item.
func (b *builder) add(ev *generation.Event) []Event {
	b.addLogprobs(ev.Tokens)
	if ev.Text == "" {
		return nil
	}
	b.item.text.WriteString(ev.Text)
	if ev.Block.Kind == generation.Call {
		out := b.aboutItem()
		out.Type, out.Delta = "response.function_call_arguments.delta", &ev.Text
		return []Event{out}
	}
	out, names := b.aboutPart()
	out.Type, out.Delta = names.text+".delta", &ev.Text
	if ev.Block.Kind == generation.Content {
		out.Logprobs = new(wire.NewLogprobs(ev.Tokens))
	}
	return []Event{out}
}

func (b *builder) addLogprobs(tokens []engine.Token) {
	b.item.logprobs = append(b.item.logprobs, wire.NewLogprobs(tokens)...)
}

// close ends the open item, if there is one.
func (b *builder) close(status Status) []Event {
	if b.item.kind == "" {
		return nil
	}
	kind, text := b.item.kind, b.item.text.String()
	it := &b.response.Output[len(b.response.Output)-1]
	it.Status = status
	var out []Event
	if kind == generation.Call {
		it.Arguments = &text
		done := b.aboutItem()
		done.Type, done.Name, done.Arguments = "response.function_call_arguments.done", it.Name, &text
		out = append(out, done)
	} else {
		part := b.part(text)
		if kind == generation.Reasoning && b.isSummarized() {
			it.Summary = &[]Part{part}
		} else {
			it.Content = &[]Part{part}
		}
		done, names := b.aboutPart()
		whole := done
		done.Type, done.Text, done.Logprobs = names.text+".done", &text, part.Logprobs
		whole.Type, whole.Part = names.part+".done", &part
		out = append(out, done, whole)
	}
	b.item.kind = ""
	last := *it
	return append(out, Event{Type: "response.output_item.done", OutputIndex: b.outputIndex(), Item: &last})
}

// part is the open item's content.
func (b *builder) part(text string) Part {
	switch {
	case b.item.kind == generation.Reasoning && b.isSummarized():
		return Part{Type: "summary_text", Text: text}
	case b.item.kind == generation.Reasoning:
		return Part{Type: "reasoning_text", Text: text}
	}
	logprobs := b.item.logprobs
	if logprobs == nil {
		logprobs = []wire.TokenLogprob{}
	}
	return Part{Type: "output_text", Text: text, Annotations: noAnnotations(), Logprobs: &logprobs}
}

// isSummarized says whether reasoning is told as its own summary, which some clients show alone. It is the same text
// then, once.
func (b *builder) isSummarized() bool { return b.response.Reasoning.Summary != nil }

// aboutItem begins an event about the open item.
func (b *builder) aboutItem() Event {
	return Event{OutputIndex: b.outputIndex(), ItemID: b.response.Output[len(b.response.Output)-1].ID}
}

// partNames begin the types of events about the text of a part and about the part itself.
type partNames struct{ text, part string }

// aboutPart begins an event about the open item's part, and says how such events are called.
func (b *builder) aboutPart() (Event, partNames) {
	out := b.aboutItem()
	if b.item.kind == generation.Reasoning && b.isSummarized() {
		out.SummaryIndex = new(0)
		return out, partNames{"response.reasoning_summary_text", "response.reasoning_summary_part"}
	}
	out.ContentIndex = new(0)
	if b.item.kind == generation.Reasoning {
		return out, partNames{"response.reasoning_text", "response.content_part"}
	}
	return out, partNames{"response.output_text", "response.content_part"}
}

func (b *builder) outputIndex() *int { return new(len(b.response.Output) - 1) }

// outputItemID names the next output item of a response. The response's own id is part of it, so that a reference leads
// there.
func outputItemID(r *Response) string {
	return strings.TrimPrefix(r.ID, responsePrefix) + "_" + strconv.Itoa(len(r.Output))
}

// responseOfItem is the id of the response whose output item this is, empty if it cannot be one's.
func responseOfItem(id string) string {
	_, rest, _ := strings.Cut(id, "_")
	at := strings.LastIndexByte(rest, '_')
	if at < 0 {
		return ""
	}
	return responsePrefix + rest[:at]
}

// noAnnotations is an empty list that is written as one.
func noAnnotations() *[]json.RawMessage { return &[]json.RawMessage{} }
