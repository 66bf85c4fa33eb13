package api

import (
	"bytes"
	"context"
	"math"
	"net/http"
	"strings"

	"github.com/qwenvld/qwenvld/api/metrics"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

const (
	objectText = "text_completion"
	// defaultCompletionTokens is OpenAI's default of max_tokens for plain completions.
	defaultCompletionTokens = 16
	maxTextLogprobs         = 5
)

// textRequest is a decoded body of POST /v1/completions: prompts that are continued as they are, without a chat template.
type textRequest struct {
	*chatRequest // model, sampling, stop, n, stream; Logprobs and TopLogprobs from logprobs
	prompts      []textPrompt
	echo         bool
}

// textPrompt is text, in which special tokens are recognised, or tokens.
type textPrompt struct {
	text   string
	tokens []int32
}

func (p *textPrompt) piece() engine.Piece {
	if p.tokens != nil {
		return engine.Piece{Kind: engine.PieceTokens, Tokens: p.tokens}
	}
	return engine.Piece{Kind: engine.PieceControl, Text: p.text}
}

// decodeText checks a completions body. What it shares with chat completions is decoded as there.
func (r *requestDecoder) decodeText(body []byte) (*textRequest, error) {
	root, err := r.parse(body)
	if err != nil {
		return nil, err
	}
	out := &textRequest{}
	d := &decoder{limits: r.limits, req: &chatRequest{}}
	out.chatRequest = d.req
	shared := []string{
		"model", "max_tokens", "temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty",
		"logit_bias", "seed", "stop", "n", "stream", "stream_options", "user", "structured_outputs",
	}
	bestOf := 0
	own := map[string]param{
		"prompt": func(d *decoder, v *value, path string) { out.prompts = d.prompts(v, path) },
		"echo":   func(d *decoder, v *value, path string) { out.echo = d.flag(v, path) },
		"logprobs": func(d *decoder, v *value, path string) {
			d.req.Logprobs, d.req.TopLogprobs = true, int(d.integer(v, path, 0, maxTextLogprobs))
		},
		"best_of": func(d *decoder, v *value, path string) { bestOf = int(d.integer(v, path, 1, math.MaxInt32)) },
		"suffix": func(d *decoder, _ *value, path string) {
			d.fail(path, codeUnsupported, "text cannot be filled in before a suffix")
		},
	}
	for _, name := range shared {
		own[name] = r.params[name]
	}
	for i := range root.members {
		m := &root.members[i]
		read, ok := own[m.key]
		if !ok {
			d.fail(abbreviate(m.key), codeUnknown, "unknown parameter %q", abbreviate(m.key))
			break
		}
		if m.value.kind != kindNull {
			read(d, &m.value, m.key)
		}
	}
	for _, name := range []string{"model", "prompt"} {
		if present(root, name) == nil {
			d.fail(name, codeMissing, "%s is required", name)
		}
	}
	d.finish()
	if d.req.MaxTokens == nil {
		d.req.MaxTokens = ptr(defaultCompletionTokens)
	}
	switch {
	case bestOf > 0 && bestOf != max(1, d.req.Choices):
		d.fail("best_of", codeUnsupported, "only as many completions as n are made")
	case out.echo && d.req.Logprobs:
		d.fail("logprobs", codeUnsupported, "log-probabilities of an echoed prompt are not computed")
	case len(out.prompts)*max(1, d.req.Choices) > r.limits.Choices*r.limits.Choices:
		d.fail("prompt", codeInvalidValue, "at most %d completions can be asked for at once", r.limits.Choices*r.limits.Choices)
	}
	if d.err != nil {
		return nil, d.err
	}
	return out, nil
}

// spell finds the text of prompts that came as tokens.
func (r *textRequest) spell(ctx context.Context, eng engine.Engine) error {
	for i := range r.prompts {
		p := &r.prompts[i]
		if p.tokens == nil {
			continue
		}
		pieces, err := eng.TokenBytes(ctx, p.tokens)
		if err != nil {
			return err
		}
		p.text = strings.ToValidUTF8(string(bytes.Join(pieces, nil)), "\uFFFD")
	}
	return nil
}

// prompts reads a text, a list of texts, a list of tokens or a list of such lists.
func (d *decoder) prompts(v *value, path string) []textPrompt {
	switch {
	case v.kind == kindString:
		return []textPrompt{{text: d.text(v, path)}}
	case !d.want(v, path, kindArray):
		return nil
	case len(v.items) == 0:
		d.fail(path, codeInvalidValue, "must not be empty")
		return nil
	case v.items[0].kind == kindNumber:
		return []textPrompt{{tokens: d.tokenList(v, path)}}
	}
	var out []textPrompt
	for i := range v.items {
		item, at := &v.items[i], index(path, i)
		if item.kind == kindArray {
			out = append(out, textPrompt{tokens: d.tokenList(item, at)})
		} else {
			out = append(out, textPrompt{text: d.text(item, at)})
		}
	}
	return out
}

func (d *decoder) tokenList(v *value, path string) []int32 {
	out := make([]int32, 0, len(v.items))
	for i := range v.items {
		out = append(out, int32(d.integer(&v.items[i], index(path, i), 0, math.MaxInt32)))
	}
	return out
}

// textCompletion is the JSON reply and, in a stream, a chunk.
type textCompletion struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []textChoice `json:"choices"`
	Usage   *usage       `json:"usage,omitempty"`
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
	usage    engine.Usage // so far, where it is asked for
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
	rec.stream = req.Stream
	info, eng, variant, err := s.textEngine(ctx, req.Model)
	if err != nil {
		return publicError(ctx, err)
	}
	if err := checkLogitBias(req.chatRequest, info.VocabSize); err != nil {
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
			Logprobs: req.Logprobs, TopLogprobs: req.TopLogprobs, RunningUsage: req.RunningUsage,
		}
		requests = append(requests, several(first, max(1, req.Choices))...)
	}
	for range requests {
		g.answers = append(g.answers, &textAnswer{logprobs: noLogprobs()})
	}
	rec.measured = s.cfg.Metrics.Begin(metrics.Start{
		Endpoint: endpointOf(r), Variant: variant, At: start, Answers: len(requests), PerPrompt: max(1, req.Choices),
	})
	work := (&plan{engine: eng, requests: requests}).carryOut(ctx, s.cfg.Metrics)
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
	g.record.produced++
	a := g.answers[it.choice]
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
	out.Usage = newUsage(g.usage)
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
