package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
)

// anthropicMessage is the reply of POST /v1/messages, and what a stream begins with.
type anthropicMessage struct {
	ID           string           `json:"id"`
	Type         string           `json:"type"`
	Role         string           `json:"role"`
	Model        string           `json:"model"`
	Content      []anthropicBlock `json:"content"`
	StopReason   *string          `json:"stop_reason"`
	StopSequence *string          `json:"stop_sequence"`
	Usage        anthropicUsage   `json:"usage"`
	Routing      *routing         `json:"routing,omitempty"`
}

// anthropicBlock is a block of content; its type says which members it has.
type anthropicBlock struct {
	Type      string          `json:"type"`
	Text      *string         `json:"text,omitempty"`
	Thinking  *string         `json:"thinking,omitempty"`
	Signature *string         `json:"signature,omitempty"`
	ID        string          `json:"id,omitempty"`
	Name      string          `json:"name,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"`
}

type anthropicUsage struct {
	InputTokens     int `json:"input_tokens"`
	OutputTokens    int `json:"output_tokens"`
	CacheRead       int `json:"cache_read_input_tokens"`
	CacheCreation   int `json:"cache_creation_input_tokens"`
	ReasoningTokens int `json:"reasoning_tokens"`
}

func newAnthropicUsage(u *engine.Usage) anthropicUsage {
	// Anthropic counts what came from the cache apart.
	return anthropicUsage{
		InputTokens: u.PromptTokens - u.CachedTokens, OutputTokens: u.CompletionTokens, CacheRead: u.CachedTokens,
		ReasoningTokens: u.ReasoningTokens,
	}
}

// anthropicStop names why an answer ended in Anthropic's words.
func anthropicStop(r *engine.Result, calls int) (reason string, sequence *string) {
	switch {
	case r.FinishReason == engine.FinishLength:
		return "max_tokens", nil
	case r.StopString != "":
		return "stop_sequence", &r.StopString
	case calls > 0:
		return "tool_use", nil
	}
	return "end_turn", nil
}

// anthropicError is the body of an error: Anthropic's members, and OpenAI's beside them.
type anthropicError struct {
	Type      string        `json:"type"`
	Error     wireErrorBody `json:"error"`
	RequestID string        `json:"request_id"`
}

// speaksAnthropic says whether what is at path, or below it, is Anthropic's, whose clients read errors in its form.
func speaksAnthropic(path string) bool {
	return path == pathMessages || strings.HasPrefix(path, pathMessages+"/")
}

func newAnthropicError(e *Error, id string) anthropicError {
	body := e.wire().Error
	body.Details = e.Details
	switch e.Status {
	case http.StatusUnauthorized:
		body.Type = "authentication_error"
	case http.StatusNotFound:
		body.Type = "not_found_error"
	case http.StatusRequestEntityTooLarge:
		body.Type = "request_too_large"
	case http.StatusTooManyRequests:
		body.Type = "rate_limit_error"
	case http.StatusServiceUnavailable:
		body.Type = "overloaded_error"
	case http.StatusInternalServerError:
		body.Type = "api_error"
	default:
		body.Type = typeInvalidRequest
	}
	return anthropicError{Type: "error", Error: body, RequestID: id}
}

// messages serves POST /v1/messages.
func (s *Server) messages(w http.ResponseWriter, r *http.Request) error {
	start := s.cfg.Now()
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	req, err := s.decoder.decodeAnthropic(body, false)
	if err != nil {
		return err
	}
	g, end, err := s.generate(w, r, req, start)
	if err != nil {
		return err
	}
	defer end()
	m := &anthropicMessage{
		ID: "msg_" + s.cfg.NewID(), Type: "message", Role: string(roleAssistant), Model: g.model, Routing: s.newRouting(g.plan, nil),
	}
	if req.Stream {
		return g.streamAnthropic(g.ctx, m, w, r)
	}
	a := g.answers[0]
	var blocks anthropicBlocks
	err = gather(g.ctx, g.items, func(it *item) bool {
		for _, d := range g.deltas(a, &it.event) {
			blocks.add(g, a, &d)
		}
		a.result = it.event.Result
		return g.over()
	})
	if err != nil {
		return g.failure(g.ctx, err)
	}
	reason, sequence := anthropicStop(a.result, a.calls)
	g.record.finish = reason
	m.Content, m.StopReason, m.StopSequence, m.Usage = blocks.whole(), &reason, sequence, newAnthropicUsage(&g.usage)
	m.Routing = s.newRouting(g.plan, a.result)
	s.setWriteDeadline(w)
	writeJSON(w, http.StatusOK, m)
	return nil
}

// anthropicBlocks gathers the blocks of an answer.
type anthropicBlocks struct{ blocks []gatheredBlock }

type gatheredBlock struct {
	kind, id, name string
	text           []byte
}

// kindOf is the type of the block that a delta belongs to.
func kindOf(d *prompt.Delta) string {
	switch {
	case d.ToolCall != nil:
		return "tool_use"
	case d.Reasoning != "":
		return "thinking"
	}
	return "text"
}

// begins says whether d opens a block after one of kind last.
func begins(last string, d *prompt.Delta) bool {
	return kindOf(d) != last || d.ToolCall != nil && d.ToolCall.Name != ""
}

func deltaText(d *prompt.Delta) string {
	if d.ToolCall != nil {
		return d.ToolCall.Arguments
	}
	return d.Reasoning + d.Content
}

func (b *anthropicBlocks) add(g *generation, a *answering, d *prompt.Delta) {
	last := ""
	if n := len(b.blocks); n > 0 {
		last = b.blocks[n-1].kind
	}
	if begins(last, d) {
		block := gatheredBlock{kind: kindOf(d)}
		if d.ToolCall != nil {
			call := g.toolCall(a, d.ToolCall)
			block.id, block.name = "toolu_"+call.ID[len("call_"):], call.Function.Name
		}
		b.blocks = append(b.blocks, block)
	}
	at := &b.blocks[len(b.blocks)-1]
	at.text = append(at.text, deltaText(d)...)
}

func (b *anthropicBlocks) whole() []anthropicBlock {
	out := []anthropicBlock{}
	for i := range b.blocks {
		g := &b.blocks[i]
		block := anthropicBlock{Type: g.kind}
		switch g.kind {
		case "tool_use":
			block.ID, block.Name, block.Input = g.id, g.name, json.RawMessage("{}")
			if json.Valid(g.text) {
				block.Input = g.text
			}
		case "thinking":
			block.Thinking, block.Signature = ptr(string(g.text)), ptr("")
		default:
			block.Text = ptr(string(g.text))
		}
		out = append(out, block)
	}
	return out
}

// countTokens serves POST /v1/messages/count_tokens.
func (s *Server) countTokens(w http.ResponseWriter, r *http.Request) error {
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	req, err := s.decoder.decodeAnthropic(body, true)
	if err != nil {
		return err
	}
	recordOf(r.Context()).counting = true
	done, err := s.counting(r.Context(), req)
	if err != nil {
		return err
	}
	defer done()
	decided, err := s.decide(r.Context(), req, r.Header)
	if err != nil {
		return err
	}
	count, err := s.inputTokens(r.Context(), decided)
	if err != nil {
		return err
	}
	s.setWriteDeadline(w)
	writeJSON(w, http.StatusOK, struct {
		InputTokens int `json:"input_tokens"`
	}{count.InputTokens})
	return nil
}

// anthropicStream writes a stream's events.
type anthropicStream struct {
	*generation
	out     *eventWriter
	message *anthropicMessage
	index   int    // of the open block
	open    string // its kind, "" before the first
}

func (g *generation) streamAnthropic(ctx context.Context, m *anthropicMessage, w http.ResponseWriter, r *http.Request) error {
	out, err := newEventWriter(g.server, w, r)
	if err != nil {
		return err
	}
	st := &anthropicStream{generation: g, out: out, message: m, index: -1}
	err = out.copy(ctx, g.items, g.cancel, st.send)
	if err == nil {
		return nil
	}
	failure := g.failure(ctx, err)
	if !out.begun {
		return failure
	}
	g.record.fail(failure)
	if failure.Status != statusClientGone && st.event("error", newAnthropicError(failure, g.record.id)) == nil {
		_ = out.flush() // a client that left needs no telling
	}
	return nil
}

// event sends v under its type, which is also a member of v.
func (st *anthropicStream) event(kind string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return st.out.event(kind, data)
}

type anthropicEvent struct {
	Type         string            `json:"type"`
	Message      *anthropicMessage `json:"message,omitempty"`
	Index        *int              `json:"index,omitempty"`
	ContentBlock *anthropicBlock   `json:"content_block,omitempty"`
	Delta        any               `json:"delta,omitempty"`
	Usage        *anthropicUsage   `json:"usage,omitempty"`
	Routing      *routing          `json:"routing,omitempty"`
}

func (st *anthropicStream) send(it *item) (done bool, err error) {
	a := st.answers[0]
	if it.accepted {
		st.begin(a, it.event.Start)
		first := *st.message
		first.Content, first.Usage = []anthropicBlock{}, newAnthropicUsage(&it.event.Start.Usage)
		first.Routing = st.server.newRouting(st.plan, nil)
		return false, st.event("message_start", anthropicEvent{Type: "message_start", Message: &first})
	}
	for _, d := range st.deltas(a, &it.event) {
		if err := st.delta(a, &d); err != nil {
			return false, err
		}
	}
	r := it.event.Result
	if r == nil {
		return false, nil
	}
	if err := st.closeBlock(); err != nil {
		return false, err
	}
	reason, sequence := anthropicStop(r, a.calls)
	st.record.finish = reason
	usage := newAnthropicUsage(&st.usage)
	end := anthropicEvent{Type: "message_delta", Usage: &usage, Delta: struct {
		StopReason   string  `json:"stop_reason"`
		StopSequence *string `json:"stop_sequence"`
	}{reason, sequence}}
	if r.ThinkingClosedBy != "" || r.Repetition {
		end.Routing = st.server.newRouting(st.plan, r)
	}
	if err := st.event(end.Type, end); err != nil {
		return false, err
	}
	return true, st.event("message_stop", anthropicEvent{Type: "message_stop"})
}

func (st *anthropicStream) closeBlock() error {
	if st.open == "" {
		return nil
	}
	st.open = ""
	return st.event("content_block_stop", anthropicEvent{Type: "content_block_stop", Index: ptr(st.index)})
}

// delta opens a block where d begins one, and sends d.
func (st *anthropicStream) delta(a *answering, d *prompt.Delta) error {
	if begins(st.open, d) {
		if err := st.closeBlock(); err != nil {
			return err
		}
		st.index++
		st.open = kindOf(d)
		block := anthropicBlock{Type: st.open}
		switch st.open {
		case "tool_use":
			call := st.toolCall(a, d.ToolCall)
			block.ID, block.Name, block.Input = "toolu_"+call.ID[len("call_"):], call.Function.Name, json.RawMessage("{}")
		case "thinking":
			block.Thinking, block.Signature = ptr(""), ptr("")
		default:
			block.Text = ptr("")
		}
		start := anthropicEvent{Type: "content_block_start", Index: ptr(st.index), ContentBlock: &block}
		if err := st.event(start.Type, start); err != nil {
			return err
		}
	}
	text := deltaText(d)
	if text == "" {
		return nil
	}
	kinds := map[string][2]string{
		"tool_use": {"input_json_delta", "partial_json"}, "thinking": {"thinking_delta", "thinking"}, "text": {"text_delta", "text"},
	}
	names := kinds[st.open]
	return st.event("content_block_delta", anthropicEvent{
		Type: "content_block_delta", Index: ptr(st.index), Delta: map[string]string{"type": names[0], names[1]: text},
	})
}
