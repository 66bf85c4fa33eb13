package remote

import (
	"cmp"
	"context"
	"log/slog"

	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/media"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/prompt"
	"github.com/qwenvld/qwenvld/engine/upstream"
	"github.com/qwenvld/qwenvld/router"
)

// defaultContext is the context, in tokens, of servers that tell nothing of theirs.
const defaultContext = 32768

// Options are what a Backend needs.
type Options struct {
	// Variant is which weights the servers have.
	Variant router.Variant
	Cluster *upstream.Cluster
	Media   *media.Loader
	// ContextSize replaces what the servers tell of their context, in tokens, where it is not 0.
	ContextSize int
	// KeyedPrefixes has servers share what is computed of prompts only among requests with the same API key, where they
	// can keep them apart.
	KeyedPrefixes bool
	// NewID makes the random part of ids.
	NewID  func() string
	Logger *slog.Logger
}

// Backend has requests answered by a cluster of servers. It is safe for concurrent use.
type Backend struct {
	// Local counts, and continues texts: both by way of an engine that asks the servers.
	*generation.Local

	o Options
}

var (
	_ generation.Backend  = (*Backend)(nil)
	_ generation.Resident = (*Backend)(nil)
)

// New returns a Backend.
func New(o Options) *Backend {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e := &texts{cluster: o.Cluster, info: func() engine.Info { return describe(&o) }}
	return &Backend{
		Local: generation.NewLocal(e, generation.LocalOptions{
			Media: o.Media, NewID: o.NewID, Count: e.count, KeyedPrefixes: o.KeyedPrefixes,
		}),
		o: o,
	}
}

// describe tells of weights that have not been seen: those of Qwen3-VL.
func describe(o *Options) engine.Info {
	template := prompt.InstructTemplate()
	if o.Variant == router.Thinking {
		template = prompt.ThinkingTemplate()
	}
	card := o.Cluster.Card()
	vision := &engine.VisionInfo{PatchSize: 16, MergeSize: 2, MinPixels: card.MinPixels, MaxPixels: card.MaxPixels}
	if card.Blind {
		vision = nil
	}
	return engine.Info{
		Name: "upstream", Architecture: cmp.Or(card.Architecture, "qwen3vl"),
		ContextSize: cmp.Or(o.ContextSize, card.ContextSize, defaultContext), ChatTemplate: template,
		SpecialTokens: []string{
			"<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>",
		},
		Vision: vision,
		System: "servers of others",
	}
}

// Prepare checks what the servers cannot do, brings the media in and writes the conversation down.
func (b *Backend) Prepare(ctx context.Context, d *generation.Decided) (generation.Prepared, error) {
	can := b.o.Cluster.Can()
	if err := refuse(d, &can); err != nil {
		return nil, err
	}
	m, err := b.Gather(ctx, d)
	if err != nil {
		return nil, err
	}
	return &prepared{backend: b, decided: d, material: m, pictures: newPictures(b, d, m, can.Videos)}, nil
}

// PrepareText continues texts where the servers do.
func (b *Backend) PrepareText(
	ctx context.Context, d *generation.Decided, prompts []generation.TextPrompt,
) (generation.Prepared, error) {
	can := b.o.Cluster.Can()
	if err := refuseText(d, prompts, &can); err != nil {
		return nil, err
	}
	return b.Local.PrepareText(ctx, d, prompts)
}

// prepared is a request that is ready to be sent.
type prepared struct {
	backend  *Backend
	decided  *generation.Decided
	material *generation.Material
	pictures *pictures
}

var _ generation.Prepared = (*prepared)(nil)

// Close gives back the videos of a request that is not started.
func (p *prepared) Close() { p.material.Videos.Close() }

// Start asks for each answer by itself, while the videos are decoded.
func (p *prepared) Start(ctx context.Context, demand generation.Demand) generation.Events {
	return generation.NewEvents(ctx, p.decided, generation.Streams{
		Answers: p.decided.Request.Answers(), AtOnce: demand.Places, NewID: p.backend.o.NewID,
		Beside: p.pictures.decode, Done: p.material.Videos.Close,
		Open: func(ctx context.Context, choice int) (engine.Stream, error) { return p.open(ctx, choice, &demand) },
	})
}
