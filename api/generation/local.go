package generation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/media"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
)

// Local is the Backend of an engine of this daemon. It is safe for concurrent use.
type Local struct {
	engine engine.Engine
	media  *media.Loader
	newID  func() string
	// keyed keeps what is computed of prompts to requests with the same API key.
	keyed bool
	// count tells how many tokens pieces of text are.
	count func(ctx context.Context, pieces []engine.Piece) (int, error)

	mu sync.Mutex
	// renderer is that of the chat template named by rendererKey.
	renderer    prompt.Renderer
	rendererKey string
}

var _ Backend = (*Local)(nil)

// LocalOptions are what a Local needs beside its engine.
type LocalOptions struct {
	Media *media.Loader
	// NewID makes the random part of ids.
	NewID func() string
	// KeyedPrefixes has only requests with the same API key share what is computed of their prompts.
	KeyedPrefixes bool
	// Count tells how many tokens pieces of text are, to plan videos by; by default the engine's Tokenize does.
	Count func(ctx context.Context, pieces []engine.Piece) (int, error)
}

// NewLocal returns the Backend of an engine.
func NewLocal(e engine.Engine, o LocalOptions) *Local {
	l := &Local{engine: e, media: o.Media, newID: o.NewID, keyed: o.KeyedPrefixes, count: o.Count}
	if l.count == nil {
		l.count = func(ctx context.Context, pieces []engine.Piece) (int, error) {
			tokens, err := e.Tokenize(ctx, pieces)
			return len(tokens), err
		}
	}
	return l
}

// Info is the engine's.
func (l *Local) Info(ctx context.Context) (engine.Info, error) { return l.engine.Info(ctx) }

// Material is what a request is made of once its media are there. The videos must be closed.
type Material struct {
	// Prompt is the conversation as the chat template shows it, with stamps and pictures in the place of videos.
	Prompt prompt.Rendered
	// Images are those of the request. Those of videos follow them in the prompt's numbers; Videos promises them.
	Images []engine.Image
	// Videos are open and fit into the context; nil where there are none.
	Videos *media.Videos
}

// Gather renders the prompt first, which is cheap and finds most faults, then brings the media in.
func (l *Local) Gather(ctx context.Context, d *Decided) (_ *Material, err error) {
	if err := media.CheckSight(d.Request, d.info.Vision); err != nil {
		return nil, err
	}
	if err := checkLogitBias(d.Request, d.info.VocabSize); err != nil {
		return nil, err
	}
	m := &Material{}
	if m.Prompt, err = l.render(d); err != nil {
		return nil, err
	}
	if m.Images, err = d.pixels.of(ctx, l.media, d); err != nil || len(d.Request.Videos) == 0 {
		return m, err
	}
	whole := false
	defer func() {
		if !whole { // also after a panic
			m.Videos.Close()
		}
	}()
	if m.Videos, err = l.media.OpenVideos(ctx, d.Request, d.info.Vision); err != nil {
		return nil, err
	}
	if m.Prompt, err = l.fit(ctx, d, m.Prompt, m.Videos, m.Images); err != nil {
		return nil, err
	}
	d.pixels.noteVideos(m.Videos.Seen())
	whole = true
	return m, nil
}

// Prepare brings in what a request is made of and puts it into the engine's form.
func (l *Local) Prepare(ctx context.Context, d *Decided) (Prepared, error) {
	m, err := l.Gather(ctx, d)
	if err != nil {
		return nil, err
	}
	first := l.request(d)
	first.Thinking = thinking(&m.Prompt, d.decision.ThinkingBudget)
	first.Images = slices.Concat(m.Images, m.Videos.Images())
	first.Prompt = m.Prompt.Pieces
	return &localRun{backend: l, decided: d, videos: m.Videos, requests: several(first, d.Request.Answers())}, nil
}

// PrepareText continues each of the texts as often as answers are wanted.
func (l *Local) PrepareText(_ context.Context, d *Decided, prompts []TextPrompt) (Prepared, error) {
	if err := checkLogitBias(d.Request, d.info.VocabSize); err != nil {
		return nil, err
	}
	p := &localRun{backend: l, decided: d, plain: true}
	for i := range prompts {
		first := l.request(d)
		first.Prompt = []engine.Piece{prompts[i].piece()}
		p.requests = append(p.requests, several(first, d.Request.Answers())...)
	}
	return p, nil
}

func (p *TextPrompt) piece() engine.Piece {
	if p.Tokens != nil {
		return engine.Piece{Kind: engine.PieceTokens, Tokens: p.Tokens}
	}
	return engine.Piece{Kind: engine.PieceControl, Text: p.Text}
}

// request is what the engine is asked for, without prompt and media.
func (l *Local) request(d *Decided) *engine.Request {
	req := d.Request
	out := &engine.Request{
		ID: d.Caller.ID, Sampling: d.Sampling(), Stop: req.Stop, Logprobs: req.Logprobs, TopLogprobs: req.TopLogprobs,
		CacheScope: l.scope(d), Constraint: req.Constraint, RunningUsage: req.RunningUsage, MayRepeat: req.MayRepeat,
		Prediction: req.Prediction, Tenant: d.Caller.Client, Weight: req.Tier.Weight(),
	}
	if req.MaxTokens != nil {
		out.MaxTokens = *req.MaxTokens
	}
	return out
}

// scope names those whose prompts may share rows with the request's.
func (l *Local) scope(d *Decided) string {
	if l.keyed {
		return d.Caller.Key + "\x00" + d.Request.CacheSalt
	}
	return d.Request.CacheSalt
}

// thinking tells the engine of the prompt's think block. Whether the block is open when the answer begins is the
// engine's to say.
func thinking(r *prompt.Rendered, budget int) engine.Thinking {
	if !r.ThinkOpen && !r.ThinkClosed {
		return engine.Thinking{}
	}
	return engine.Thinking{
		Open: r.ThinkOpen, Closed: r.ThinkClosed, Empty: budget == 0, Budget: budget,
		CloseText: prompt.ThinkCutShort, EmptyText: prompt.ThinkEmpty, EndTag: prompt.ThinkEnd,
	}
}

// several gives n requests that differ in their ids and seeds. Prompt and images are shared.
func several(first *engine.Request, n int) []*engine.Request {
	out := []*engine.Request{first}
	for i := 1; i < n; i++ {
		other := *first
		other.ID = fmt.Sprintf("%s-%d", first.ID, i)
		if first.Sampling.Seed != nil {
			seed := *first.Sampling.Seed + uint64(i)
			other.Sampling.Seed = &seed
		}
		out = append(out, &other)
	}
	return out
}

func checkLogitBias(req *request.Request, vocab int) error {
	for id := range req.Sampling.LogitBias {
		if vocab > 0 && int(id) >= vocab {
			return fault.Field("logit_bias", fault.CodeInvalidValue, "token ids must be below %d", vocab)
		}
	}
	return nil
}

// template keeps the renderer of the chat template that was met last: weights rarely change theirs.
func (l *Local) template(info *engine.Info) (prompt.Renderer, error) {
	key := info.ChatTemplate + "\x00" + strings.Join(info.SpecialTokens, "\x00")
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.renderer != nil && l.rendererKey == key {
		return l.renderer, nil
	}
	r, err := prompt.Select(info.ChatTemplate, info.SpecialTokens)
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	l.renderer, l.rendererKey = r, key
	return r, nil
}

// Tokenize gives the tokens of a text.
func (l *Local) Tokenize(ctx context.Context, text string, special bool) ([]int32, error) {
	kind := engine.PieceText
	if special {
		kind = engine.PieceControl
	}
	return l.engine.Tokenize(ctx, []engine.Piece{{Kind: kind, Text: text}})
}

// TokenBytes tells what tokens stand for.
func (l *Local) TokenBytes(ctx context.Context, tokens []int32) ([][]byte, error) {
	return l.engine.TokenBytes(ctx, tokens)
}
