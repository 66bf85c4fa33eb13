package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/qwenvld/qwenvld/api/metrics"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
)

// chat serves POST /v1/chat/completions.
func (s *Server) chat(w http.ResponseWriter, r *http.Request) error {
	start := s.cfg.Now()
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	req, err := s.decoder.decode(body)
	if err != nil {
		return err
	}
	g, end, err := s.generate(w, r, req, start)
	if err != nil {
		return err
	}
	defer end()
	if req.Stream {
		return g.stream(g.ctx, w, r)
	}
	return g.complete(g.ctx, w)
}

// generate plans a request and starts its generation. Unless it fails, end must be called, which waits until the engine has let go.
func (s *Server) generate(
	w http.ResponseWriter, r *http.Request, req *chatRequest, start time.Time,
) (g *generation, end func(), err error) {
	ctx, cancel, done := s.begin(r.Context())
	started := false
	defer func() {
		if !started { // also after a panic
			done()
		}
	}()
	rec := recordOf(ctx)
	rec.stream, rec.images, rec.videos, rec.skipped = req.Stream, len(req.Images), len(req.Videos), req.Skipped
	rec.prompt = req.promptParam()
	p, err := s.plan(ctx, r, req)
	if err != nil {
		return nil, nil, publicError(ctx, err)
	}
	if err := s.enter(ctx, len(p.requests)); err != nil {
		p.videos.close()
		return nil, nil, err
	}
	rec.measured = s.cfg.Metrics.Begin(metrics.Start{
		Endpoint: endpointOf(r), Variant: p.decision.Variant, At: start, Answers: len(p.requests), PerPrompt: len(p.requests),
	})
	defer func() {
		if !started {
			rec.measured.End(unwanted(ctx))
		}
	}()
	work := s.start(ctx, p)
	rec.measured.Settled(work.decision.Variant, work.whole)
	setRouteHeaders(w, work.routed)
	g = &generation{server: s, carried: work, ctx: ctx, record: rec, start: start, cancel: cancel}
	for i := range work.requests {
		g.answers = append(g.answers, &answering{
			index: i, parser: prompt.NewParser(prompt.ParserOptions{}), tokens: newLogprobFilter(false), // until it begins
		})
	}
	started = true
	return g, func() {
		// The work holds the engine's sequences: no reply ends before it has let go.
		work.stop()
		rec.measured.End(unwanted(ctx))
		done()
	}, nil
}

func (s *Server) plan(ctx context.Context, r *http.Request, req *chatRequest) (*plan, error) {
	decided, err := s.decide(ctx, req, r.Header)
	if err != nil {
		return nil, err
	}
	rec := recordOf(ctx)
	rec.decision = &decided.decision
	s.conversations.keep(decided.conversation, decided.decision.Mode)
	s.cfg.Metrics.Decided(&decided.decision)
	s.cfg.Metrics.Carried(rec.images, rec.videos)
	done, err := s.fetching(ctx, req)
	if err != nil {
		return nil, err
	}
	defer done()
	return s.prepare(ctx, decided, rec.id)
}

func setRouteHeaders(w http.ResponseWriter, r *routed) {
	if kinds := r.req.Skipped; len(kinds) > 0 {
		w.Header().Set(headerWarning, "tools of kinds that this server does not have were left out: "+strings.Join(kinds, ", "))
	}
	w.Header().Set(headerVariant, string(r.decision.Variant))
	w.Header().Set(headerRouteSource, string(r.decision.Source))
}

// route serves POST /v1/route: the decision without a generation. Images are not fetched.
func (s *Server) route(w http.ResponseWriter, r *http.Request) error {
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	req, err := s.decoder.decode(body)
	if err != nil {
		return err
	}
	if err := s.enter(r.Context(), 1); err != nil {
		return err
	}
	decided, err := s.decide(r.Context(), req, r.Header)
	if err != nil {
		return err
	}
	recordOf(r.Context()).decision = &decided.decision
	setRouteHeaders(w, decided)
	s.setWriteDeadline(w)
	writeJSON(w, http.StatusOK, routeReply{Routing: s.newRouting(&plan{routed: decided}, nil)})
	return nil
}

// generation turns the events of one request into a reply. One goroutine uses it.
type generation struct {
	server *Server
	*carried
	ctx    context.Context //nolint:containedctx // lives as long as the generation
	record *record
	start  time.Time
	cancel context.CancelCauseFunc
	// answers are the choices, in order.
	answers []*answering
	// usage is that of the answers that have ended.
	usage engine.Usage
	ended int
	// told is set once a stream's first chunk is out, which tells the routing.
	told bool
}

// answering is one choice in the making.
type answering struct {
	index  int
	parser *prompt.Parser
	tokens *logprobFilter
	// calls counts the tool calls that began.
	calls int
	// usage so far, where it is asked for.
	usage engine.Usage
	// checked is the content of an answer that must have a form.
	checked []byte
	// merging is set while thoughts go into the content.
	merging bool
	// What follows is for replies in one piece.
	gathered
	result *engine.Result
}

// failure explains err, naming the image at fault by its path in the request.
func (g *generation) failure(ctx context.Context, err error) *Error {
	var memory *engine.ImageMemoryError
	if errors.As(err, &memory) && memory.Image >= 0 {
		err = imageError(g.picturePath(memory.Image), err)
	}
	return publicError(ctx, err)
}

// picturePath is where picture i of the engine's request came from: images first, then the pairs of videos.
func (p *plan) picturePath(i int) string {
	if i < len(p.req.Images) {
		return p.req.Images[i].Path
	}
	i -= len(p.req.Images)
	for _, in := range p.videos {
		if i < len(in.pairs) {
			return in.ref.Path
		}
		i -= len(in.pairs)
	}
	return ""
}

// errNoResult is an engine that broke its contract.
var errNoResult = errors.New("the engine's stream ended without a result")

// begin notes how the engine begins an answer. It alone knows whether the answer begins inside a think block.
func (g *generation) begin(a *answering, s *engine.Start) {
	a.parser = prompt.NewParser(prompt.ParserOptions{ThinkOpen: s.ThinkOpen, Tools: g.req.Callable})
	a.tokens = newLogprobFilter(s.ThinkOpen)
	g.begun = s
}

// deltas parses the text of ev; after the last event also what the parser held back.
func (g *generation) deltas(a *answering, ev *engine.Event) []prompt.Delta {
	if ev.Start != nil {
		g.begin(a, ev.Start)
		return nil
	}
	g.record.produced++
	a.tokens.add(ev.Tokens)
	out := a.parser.Add(ev.Text)
	if ev.Result != nil {
		out = append(out, a.parser.Close()...)
		g.end(ev.Result)
	}
	content := false
	for i := range out {
		content = content || out[i].Content != "" || out[i].ToolCall != nil
		if out[i].Content != "" {
			a.tokens.answering()
		}
		if g.req.formed() {
			a.checked = append(a.checked, out[i].Content...)
		}
	}
	g.record.measured.Event(a.index, ev, content)
	if ev.Result != nil {
		g.verify(a, ev.Result)
	}
	if ev.Usage != nil {
		a.usage = *ev.Usage
	}
	if g.req.HideReasoning {
		out = slices.DeleteFunc(out, func(d prompt.Delta) bool { return d.Reasoning != "" })
	}
	if g.req.MergeReasoning {
		a.merge(out)
	}
	return out
}

// merge puts thoughts into the content, in the tags that the model thinks between.
func (a *answering) merge(deltas []prompt.Delta) {
	for i := range deltas {
		d := &deltas[i]
		switch {
		case d.Reasoning != "" && !a.merging:
			d.Content, d.Reasoning, a.merging = prompt.ThinkStart+d.Reasoning, "", true
		case d.Reasoning != "":
			d.Content, d.Reasoning = d.Reasoning, ""
		case d.Content != "" && a.merging:
			d.Content, a.merging = prompt.ThinkEmpty+d.Content, false
		}
	}
}

// end counts an answer that has ended. The prompt counts once, however many answers it has.
func (g *generation) end(r *engine.Result) {
	g.ended++
	u := r.Usage
	u.CompletionTokens += g.usage.CompletionTokens
	u.ReasoningTokens += g.usage.ReasoningTokens
	g.usage = u
	g.record.usage = &g.usage
}

// over says whether all answers have ended.
func (g *generation) over() bool { return g.ended == len(g.answers) }

// finish names why the answer ended.
func (g *generation) finish(a *answering, r *engine.Result) string {
	reason := string(r.FinishReason)
	if a.calls > 0 && r.FinishReason == engine.FinishStop {
		reason = finishToolCalls
	}
	g.record.finish = reason
	return reason
}

// complete gathers the whole answer and sends it as JSON.
func (g *generation) complete(ctx context.Context, w http.ResponseWriter) error {
	err := gather(ctx, g.items, func(it *item) bool {
		a := g.answers[it.choice]
		for _, d := range g.deltas(a, &it.event) {
			g.gather(a, &d)
		}
		a.logprobs = append(a.logprobs, a.tokens.take()...)
		if it.event.Result != nil {
			a.result = it.event.Result
		}
		return g.over()
	})
	if err != nil {
		return g.failure(ctx, err)
	}
	g.server.setWriteDeadline(w)
	writeJSON(w, http.StatusOK, g.completion())
	return nil
}

// gather hands events to take until it reports the last one.
func gather(ctx context.Context, items <-chan item, take func(*item) (last bool)) error {
	return each(ctx, items, func(it *item) (bool, error) { return take(it), nil })
}

// each hands items to take until it reports the last one or fails.
func each(ctx context.Context, items <-chan item, take func(*item) (last bool, err error)) error {
	for {
		var it item
		var open bool
		select {
		case it, open = <-items:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		switch {
		case !open && ctx.Err() != nil:
			return context.Cause(ctx)
		case !open:
			return errNoResult
		case it.err != nil:
			return it.err
		}
		if last, err := take(&it); last || err != nil {
			return err
		}
	}
}

// gathered is what has come of an answer.
type gathered struct {
	reasoning, content strings.Builder
	toolCalls          []wireToolCall
	logprobs           []tokenLogprob
}

func (g *generation) gather(a *answering, d *prompt.Delta) {
	a.reasoning.WriteString(d.Reasoning)
	a.content.WriteString(d.Content)
	if d.ToolCall == nil {
		return
	}
	call := g.toolCall(a, d.ToolCall)
	if i := *call.Index; i < len(a.toolCalls) {
		a.toolCalls[i].Function.Arguments += call.Function.Arguments
		return
	}
	call.Index = nil
	a.toolCalls = append(a.toolCalls, call)
}

// toolCall converts d. The first delta of a call carries its id, type and name.
func (g *generation) toolCall(a *answering, d *prompt.ToolCallDelta) wireToolCall {
	out := wireToolCall{Index: ptr(d.Index), Function: wireFunction{Arguments: d.Arguments}}
	if d.Index >= a.calls {
		a.calls = d.Index + 1
		out.ID, out.Type, out.Function.Name = "call_"+g.server.cfg.NewID(), "function", d.Name
	}
	return out
}

func (g *generation) completion() *completion {
	choices := make([]choice, len(g.answers))
	for i, a := range g.answers {
		m := replyMessage{Role: string(roleAssistant), ToolCalls: a.toolCalls}
		if a.content.Len() > 0 || len(a.toolCalls) == 0 {
			m.Content = ptr(a.content.String())
		}
		if a.reasoning.Len() > 0 {
			m.ReasoningContent, m.Reasoning = g.reasoning(a.reasoning.String())
		}
		choices[i] = choice{Index: i, Message: m, FinishReason: g.finish(a, a.result)}
		if g.req.Logprobs {
			choices[i].Logprobs = newLogprobs(a.logprobs)
		}
	}
	return &completion{
		ID: g.id, Object: objectCompletion, Created: g.created, Model: g.model, Choices: choices,
		Usage: newUsage(g.usage), Routing: g.server.newRouting(g.plan, g.answers[0].result),
	}
}

// reasoning puts text under the configured names.
func (g *generation) reasoning(text string) (content, short *string) {
	switch g.server.cfg.Reasoning {
	case ReasoningShort:
		return nil, &text
	case ReasoningBoth:
		return &text, &text
	default:
		return &text, nil
	}
}

func newLogprobs(tokens []tokenLogprob) *wireLogprobs {
	if tokens == nil {
		tokens = []tokenLogprob{}
	}
	return &wireLogprobs{Content: tokens}
}
