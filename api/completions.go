package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/qwenvld/qwenvld/api/metrics"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

const objectText = "text_completion"

// textCompletion is the JSON reply and, in a stream, a chunk.
type textCompletion struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []textChoice `json:"choices"`
	Usage   *usage       `json:"usage,omitempty"`
	// Routing tells what the answer was cut to, where that is less than was asked for.
	Routing *textRouting `json:"routing,omitempty"`
}

// textRouting tells why completions are shorter than was asked for.
type textRouting struct {
	MaxTokens int `json:"max_tokens,omitempty"`
}

type textChoice struct {
	Index        int           `json:"index"`
	Text         string        `json:"text"`
	Logprobs     *textLogprobs `json:"logprobs"`
	FinishReason *string       `json:"finish_reason"`
}

// textLogprobs are lists with an entry for each token.
type textLogprobs struct {
	Tokens        []string             `json:"tokens"`
	TokenLogprobs []float64            `json:"token_logprobs"`
	TopLogprobs   []map[string]float64 `json:"top_logprobs"`
	TextOffset    []int                `json:"text_offset"`
}

// textAnswer is one choice in the making.
type textAnswer struct {
	start    *engine.Start // nil until it is known
	usage    engine.Usage  // so far, where it is asked for
	text     strings.Builder
	logprobs textLogprobs
	offset   int // bytes of the tokens so far
	result   *engine.Result
}

// textGeneration turns the events of a completions request into a reply.
type textGeneration struct {
	server  *Server
	req     *textRequest
	record  *record
	base    textCompletion
	answers []*textAnswer
	usage   engine.Usage
	ended   int
}

// completions serves POST /v1/completions. Without a chat template there is nothing to think in: unless the client names thinking weights,
// instruct continues the text.
func (s *Server) completions(w http.ResponseWriter, r *http.Request) error {
	start := s.cfg.Now()
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	req, err := s.decoder.decodeText(body)
	if err != nil {
		return err
	}
	ctx, cancel, end := s.begin(r.Context())
	defer end()
	rec := recordOf(ctx)
	rec.stream, rec.prompt, rec.counting = req.Stream, req.promptParam(), *req.MaxTokens == 0
	info, eng, variant, err := s.textEngine(ctx, req.Model)
	if err != nil {
		return publicError(ctx, err)
	}
	if err := checkLogitBias(req.chatRequest, info.VocabSize); err != nil {
		return err
	}
	if err := s.enter(ctx, len(req.prompts)*max(1, req.Choices)); err != nil {
		return err
	}
	if req.echo {
		if err := req.spell(ctx, eng); err != nil {
			return publicError(ctx, err)
		}
	}
	w.Header().Set(headerVariant, string(variant))
	g := &textGeneration{server: s, req: req, record: rec, base: textCompletion{
		ID: "cmpl-" + s.cfg.NewID(), Object: objectText, Created: s.cfg.Now().Unix(), Model: s.modelID(variant),
	}}
	var requests []*engine.Request
	for i := range req.prompts {
		first := &engine.Request{
			ID: rec.id, Prompt: []engine.Piece{req.prompts[i].piece()}, MaxTokens: *req.MaxTokens, Form: req.Form,
			Sampling: sampling(info.Sampling, variant, false, &req.Sampling), Stop: req.Stop,
			Logprobs: req.Logprobs, TopLogprobs: req.TopLogprobs, RunningUsage: req.RunningUsage, MayRepeat: req.MayRepeat,
		}
		requests = append(requests, several(first, max(1, req.Choices))...)
	}
	for range requests {
		g.answers = append(g.answers, &textAnswer{logprobs: noLogprobs()})
	}
	rec.measured = s.cfg.Metrics.Begin(metrics.Start{
		Endpoint: endpointOf(r), Variant: variant, At: start, Answers: len(requests), PerPrompt: max(1, req.Choices),
	})
	work := &carried{cancel: func() {}}
	if *req.MaxTokens > 0 {
		work = (&plan{engine: eng, requests: requests}).carryOut(ctx, s.cfg.Metrics)
	} else if work.items, err = noAnswers(ctx, eng, requests); err != nil {
		rec.measured.End(unwanted(ctx))
		return publicError(ctx, err)
	}
	defer func() {
		work.stop()
		rec.measured.End(unwanted(ctx))
	}()
	items := work.items
	failure := func(err error) *Error { return publicError(ctx, err) }
	if !req.Stream {
		if err := gather(ctx, items, func(it *item) bool { g.take(it); return g.over() }); err != nil {
			return failure(err)
		}
		s.setWriteDeadline(w)
		writeJSON(w, http.StatusOK, g.whole())
		return nil
	}
	out, err := newEventWriter(s, w, r)
	if err != nil {
		return err
	}
	err = out.copy(ctx, items, cancel, func(it *item) (bool, error) { return g.send(out, it) })
	return out.end(rec, err, failure)
}

// noAnswers is what becomes of requests for no tokens at all: prompts are counted, and echoed where that is asked for.
func noAnswers(ctx context.Context, eng engine.Engine, requests []*engine.Request) (<-chan item, error) {
	items := make(chan item, 2*len(requests))
	for i, r := range requests {
		tokens, err := countPieces(ctx, eng, r.Prompt)
		if err != nil {
			return nil, err
		}
		items <- item{choice: i, accepted: true, event: engine.Event{Start: &engine.Start{}}}
		items <- item{choice: i, event: engine.Event{Result: &engine.Result{
			FinishReason: engine.FinishLength, Usage: engine.Usage{PromptTokens: tokens},
		}}}
	}
	close(items)
	return items, nil
}

func countPieces(ctx context.Context, eng engine.Engine, pieces []engine.Piece) (int, error) {
	if len(pieces) == 1 && pieces[0].Kind == engine.PieceTokens {
		return len(pieces[0].Tokens), nil
	}
	tokens, err := eng.Tokenize(ctx, pieces)
	return len(tokens), err
}

// textEngine is the engine that the model id names; the routed id means instruct where there is one.
func (s *Server) textEngine(ctx context.Context, model string) (engine.Info, engine.Engine, router.Variant, error) {
	forced, _, err := s.namedVariant(model)
	if err != nil {
		return engine.Info{}, nil, "", err
	}
	infos := s.loaded(ctx)
	for _, v := range s.variants() {
		if info, ok := infos[v]; ok && (forced == "" || forced == v) {
			return info, s.cfg.Engines[v], v, nil
		}
	}
	return engine.Info{}, nil, "", unavailable(codeModelNotLoaded, "The model is not loaded at the moment.", nil)
}

func (g *textGeneration) over() bool { return g.ended == len(g.answers) }

// prompt is the one that a choice continues.
func (g *textGeneration) prompt(choice int) *textPrompt {
	return &g.req.prompts[choice/max(1, g.req.Choices)]
}

// take notes an event and returns the text and log-probabilities that came with it.
func (g *textGeneration) take(it *item) (text string, logprobs *textLogprobs) {
	a := g.answers[it.choice]
	if it.event.Start != nil {
		a.start = it.event.Start
		return "", nil
	}
	g.record.produced++
	text = it.event.Text
	g.record.measured.Event(it.choice, &it.event, text != "")
	if g.req.Logprobs {
		logprobs = a.list(it.event.Tokens)
	}
	if r := it.event.Result; r != nil {
		a.result = r
		g.ended++
		// Choices of one prompt share its tokens.
		if it.choice%max(1, g.req.Choices) == 0 {
			g.usage.PromptTokens += r.Usage.PromptTokens
		}
		g.usage.CompletionTokens += r.Usage.CompletionTokens
		g.record.usage, g.record.finish = &g.usage, string(r.FinishReason)
	}
	a.text.WriteString(text)
	if logprobs != nil {
		a.logprobs.add(logprobs)
	}
	return text, logprobs
}

func noLogprobs() textLogprobs {
	return textLogprobs{Tokens: []string{}, TokenLogprobs: []float64{}, TopLogprobs: []map[string]float64{}, TextOffset: []int{}}
}

func (a *textAnswer) list(tokens []engine.Token) *textLogprobs {
	l := ptr(noLogprobs())
	for i := range tokens {
		t := &tokens[i]
		l.Tokens = append(l.Tokens, tokenText(t.Bytes))
		l.TokenLogprobs = append(l.TokenLogprobs, t.Logprob)
		top := make(map[string]float64, len(t.Top))
		for _, other := range t.Top {
			top[tokenText(other.Bytes)] = other.Logprob
		}
		l.TopLogprobs = append(l.TopLogprobs, top)
		l.TextOffset = append(l.TextOffset, a.offset)
		a.offset += len(t.Bytes)
	}
	return l
}

func (l *textLogprobs) add(more *textLogprobs) {
	l.Tokens = append(l.Tokens, more.Tokens...)
	l.TokenLogprobs = append(l.TokenLogprobs, more.TokenLogprobs...)
	l.TopLogprobs = append(l.TopLogprobs, more.TopLogprobs...)
	l.TextOffset = append(l.TextOffset, more.TextOffset...)
}

func (g *textGeneration) whole() *textCompletion {
	out := g.base
	out.Usage, out.Routing = newUsage(g.usage), g.routing()
	for i, a := range g.answers {
		c := textChoice{Index: i, Text: a.text.String(), FinishReason: ptr(string(a.result.FinishReason))}
		if g.req.echo {
			c.Text = g.prompt(i).text + c.Text
		}
		if g.req.Logprobs {
			c.Logprobs = &a.logprobs
		}
		out.Choices = append(out.Choices, c)
	}
	return &out
}

func (g *textGeneration) send(out *eventWriter, it *item) (done bool, err error) {
	if it.accepted {
		g.take(it)
		if !g.req.echo {
			out.begin()
			return false, nil
		}
		return false, out.json(g.chunk(textChoice{Index: it.choice, Text: g.prompt(it.choice).text}))
	}
	text, logprobs := g.take(it)
	c := textChoice{Index: it.choice, Text: text, Logprobs: logprobs}
	if r := it.event.Result; r != nil {
		c.FinishReason = ptr(string(r.FinishReason))
	}
	next := g.chunk(c)
	if g.over() {
		next.Routing = g.routing()
	}
	if u := it.event.Usage; u != nil {
		g.answers[it.choice].usage = *u
		next.Usage = g.runningUsage()
	}
	if err := out.json(next); err != nil {
		return false, err
	}
	if !g.over() {
		return false, nil
	}
	if g.req.IncludeUsage {
		last := g.chunk()
		last.Usage = newUsage(g.usage)
		if err := out.json(last); err != nil {
			return false, err
		}
	}
	return true, out.data("[DONE]")
}

// routing is nil where there is nothing to tell.
func (g *textGeneration) routing() *textRouting {
	most := 0
	for _, a := range g.answers {
		most = max(most, cutTo(g.req.MaxTokens, a.start))
	}
	if most == 0 {
		return nil
	}
	return &textRouting{MaxTokens: most}
}

// runningUsage is the usage of all answers so far. Choices of one prompt share its tokens.
func (g *textGeneration) runningUsage() *usage {
	var sum engine.Usage
	for i, a := range g.answers {
		if i%max(1, g.req.Choices) == 0 {
			sum.PromptTokens += a.usage.PromptTokens
		}
		sum.CompletionTokens += a.usage.CompletionTokens
	}
	return newUsage(sum)
}

func (g *textGeneration) chunk(choices ...textChoice) *textCompletion {
	c := g.base
	c.Choices = append([]textChoice{}, choices...)
	return &c
}
