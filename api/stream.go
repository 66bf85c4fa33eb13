package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tmaxmax/go-sse"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
)

// eventWriter is the one writer of a stream. Every write has a deadline, so that a client that stopped
// reading does not hold a sequence.
type eventWriter struct {
	server  *Server
	w       http.ResponseWriter
	session *sse.Session
	begun   bool
}

func newEventWriter(s *Server, w http.ResponseWriter, r *http.Request) (*eventWriter, error) {
	session, err := sse.Upgrade(w, r)
	if err != nil {
		return nil, fmt.Errorf("start the event stream: %w", err)
	}
	return &eventWriter{server: s, w: w, session: session}, nil
}

// begin sends the headers. go-sse would flush before WriteHeader, which confuses compressing proxies
// and middleware, so both happen here.
func (e *eventWriter) begin() {
	if e.begun {
		return
	}
	e.begun = true
	h := e.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
	e.server.setWriteDeadline(e.w)
	e.w.WriteHeader(http.StatusOK)
}

func (e *eventWriter) message(m *sse.Message) error {
	e.begin()
	e.server.setWriteDeadline(e.w)
	return e.sent(e.session.Send(m))
}

func (e *eventWriter) flush() error { return e.sent(e.session.Flush()) }

// sent marks an error of the connection: only that means that the client is gone. Whatever else fails on the way to an event is the
// server's fault, of which the client is told.
func (e *eventWriter) sent(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errClientGone, err)
}

func (e *eventWriter) data(text string) error {
	var m sse.Message
	m.AppendData(text)
	return e.message(&m)
}

// event sends data under its type.
func (e *eventWriter) event(kind string, data []byte) error {
	m := sse.Message{Type: sse.Type(kind)}
	m.AppendData(string(data))
	return e.message(&m)
}

func (e *eventWriter) json(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode an event: %w", err)
	}
	return e.data(string(b))
}

func (e *eventWriter) keepAlive() error {
	var m sse.Message
	m.AppendComment("keep-alive")
	if err := e.message(&m); err != nil {
		return err
	}
	return e.flush()
}

// stream sends the answer as it comes.
func (g *generation) stream(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	out, err := newEventWriter(g.server, w, r)
	if err != nil {
		return err
	}
	err = out.copy(ctx, g.items, g.cancel, func(it *item) (bool, error) { return g.sendItem(out, it) })
	return out.end(g.record, err, func(err error) *Error { return g.failure(ctx, err) })
}

// end finishes a stream that met err. Errors before the first byte are returned; later ones become an event of the stream.
func (e *eventWriter) end(rec *record, err error, explain func(error) *Error) error {
	if err == nil {
		return nil
	}
	failure := explain(err)
	if !e.begun {
		return failure
	}
	rec.fail(failure)
	if failure.Status == statusClientGone {
		return nil
	}
	// A failure here means that the client left too: there is nobody to tell.
	if e.json(failure.wire()) == nil {
		_ = e.flush()
	}
	return nil
}

// copy is a stream's loop: send writes an item and reports whether it was the last. Events that are ready together are flushed
// together. A client that is gone cancels the request with a cause that says so.
func (e *eventWriter) copy(ctx context.Context, items <-chan item, cancel context.CancelCauseFunc, send func(*item) (bool, error)) error {
	failed := func(err error) error {
		if errors.Is(err, errClientGone) {
			cancel(err)
		}
		return err
	}
	silence := time.NewTicker(e.server.cfg.KeepAlive)
	defer silence.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-silence.C:
			if err := e.keepAlive(); err != nil {
				return failed(err)
			}
		case it, open := <-items:
			switch {
			case !open && ctx.Err() != nil:
				return context.Cause(ctx)
			case !open:
				return errNoResult
			case it.err != nil:
				return it.err
			}
			done, err := send(&it)
			if err == nil && (done || len(items) == 0) {
				err = e.flush()
			}
			if err != nil {
				return failed(err)
			}
			if done {
				return nil
			}
			silence.Reset(e.server.cfg.KeepAlive)
		}
	}
}

// sendItem writes the chunks of one item and reports whether it was the last.
func (g *generation) sendItem(out *eventWriter, it *item) (done bool, err error) {
	a := g.answers[it.choice]
	if it.accepted {
		g.begin(a, it.event.Start)
		first := g.chunk(a, wireDelta{Role: string(roleAssistant)})
		if len(g.req.Tools) == 0 || g.req.ToolsOff {
			first.Choices[0].Delta.Content = ptr("") // as OpenAI begins a text; calls begin without
		}
		if !g.told {
			g.told, first.Routing = true, g.server.newRouting(g.plan, nil)
		}
		return false, out.json(first)
	}
	for _, d := range g.deltas(a, &it.event) {
		if err := out.json(g.deltaChunk(a, &d)); err != nil {
			return false, err
		}
	}
	if r := it.event.Result; r != nil {
		if err := g.sendFinish(out, a, r); err != nil {
			return false, err
		}
	}
	if !g.over() {
		return false, nil
	}
	return true, g.sendEnd(out)
}

// sendFinish writes why an answer ended.
func (g *generation) sendFinish(out *eventWriter, a *answering, r *engine.Result) error {
	last := g.chunk(a, wireDelta{})
	last.Choices[0].FinishReason = ptr(g.finish(a, r))
	if a.index == 0 && (r.ThinkingClosedBy != "" || r.Repetition) {
		last.Routing = g.server.newRouting(g.plan, r)
	}
	if rest := a.tokens.take(); g.req.Logprobs && len(rest) > 0 {
		last.Choices[0].Logprobs = newLogprobs(rest)
	}
	return out.json(last)
}

// sendEnd writes the usage if it was asked for, and [DONE].
func (g *generation) sendEnd(out *eventWriter) error {
	if g.req.IncludeUsage {
		total, err := json.Marshal(newUsage(g.usage))
		if err != nil {
			return fmt.Errorf("encode usage: %w", err)
		}
		c := g.chunk(g.answers[0], wireDelta{})
		c.Choices, c.Usage = []chunkChoice{}, total
		if err := out.json(c); err != nil {
			return err
		}
	}
	return out.data("[DONE]")
}

// chunk is a chunk with one choice and no finish reason.
func (g *generation) chunk(a *answering, d wireDelta) *chunk {
	c := &chunk{
		ID: g.id, Object: objectChunk, Created: g.created, Model: g.model,
		Choices: []chunkChoice{{Index: a.index, Delta: d}},
	}
	switch {
	case g.req.RunningUsage:
		c.Usage = g.runningUsage()
	case g.req.IncludeUsage:
		c.Usage = json.RawMessage("null")
	}
	return c
}

// runningUsage is the usage of all answers so far. The prompt counts once.
func (g *generation) runningUsage() json.RawMessage {
	var sum engine.Usage
	for _, a := range g.answers {
		completion, reasoning := sum.CompletionTokens+a.usage.CompletionTokens, sum.ReasoningTokens+a.usage.ReasoningTokens
		if a.usage.PromptTokens > 0 {
			sum = a.usage
		}
		sum.CompletionTokens, sum.ReasoningTokens = completion, reasoning
	}
	out, err := json.Marshal(newUsage(sum))
	if err != nil {
		return json.RawMessage("null") // numbers always encode
	}
	return out
}

func (g *generation) deltaChunk(a *answering, d *prompt.Delta) *chunk {
	var delta wireDelta
	if d.Content != "" {
		delta.Content = &d.Content
	}
	if d.Reasoning != "" {
		delta.ReasoningContent, delta.Reasoning = g.reasoning(d.Reasoning)
	}
	if d.ToolCall != nil {
		delta.ToolCalls = []wireToolCall{g.toolCall(a, d.ToolCall)}
	}
	c := g.chunk(a, delta)
	// Log-probabilities travel with the content they belong to; what the parser still holds back waits.
	if g.req.Logprobs && d.Content != "" {
		c.Choices[0].Logprobs = newLogprobs(a.tokens.take())
	}
	return c
}
