package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/llama"
	"github.com/qwenvld/qwenvld/engine/tokenizer"
	"github.com/qwenvld/qwenvld/engine/worker/answer"
	"github.com/qwenvld/qwenvld/engine/worker/compute"
	"github.com/qwenvld/qwenvld/engine/worker/sampler"
	"github.com/qwenvld/qwenvld/engine/worker/speculation"
)

// prepare checks req against the model and turns it into tokens. Every refusal comes here, before anything is computed.
func (w *weights) prepare(ctx context.Context, req *engine.Request) (compute.Spec, error) {
	spec := compute.Spec{
		ID: req.ID, Scope: req.CacheScope, Tenant: req.Tenant, Weight: req.Weight, FirstBy: req.FirstBy,
		Logprobs: req.Logprobs, TopLogprobs: req.TopLogprobs,
		FirstTop: req.FirstTop, FirstTokens: req.FirstTokens, RunningUsage: req.RunningUsage, MayRepeat: req.MayRepeat,
	}
	if err := w.checkFields(req); err != nil {
		return spec, err
	}
	var err error
	if spec.Segments, err = w.segments(ctx, req); err != nil {
		return spec, err
	}
	if _, err := w.completionLimit(cells(spec.Segments), req.MaxTokens); err != nil {
		return spec, err
	}
	if err := w.checkImages(ctx, req); err != nil {
		return spec, err
	}
	if err := w.boundCompletion(&spec, req); err != nil {
		return spec, err
	}
	seed := rand.Uint64()
	if req.Sampling.Seed != nil {
		seed = *req.Sampling.Seed
	}
	spec.Sampler = sampler.New(req.Sampling, promptTokens(spec.Segments), seed)
	if req.Constraint != nil {
		if spec.Constraint, err = w.constraints.matcher(req.Constraint, spec.Thinking.Open); err != nil {
			return spec, err
		}
	}
	if spec.Guesses, err = w.guesses(ctx, req, spec.Segments); err != nil {
		return spec, err
	}
	spec.Answer = answer.New(answer.Options{Stop: req.Stop, Thinking: spec.Thinking.Open, EndTag: req.Thinking.EndTag})
	return spec, nil
}

// guesses is where an answer's next tokens are looked for. A request with a seed wants to be repeatable, and the last
// bits of logits may depend on how many rows were computed together, which depends on how fast guesses were seen to be.
// So there are none, unless it brings a prediction.
func (w *weights) guesses(ctx context.Context, req *engine.Request, prompt []compute.Segment) (*speculation.Lookup, error) {
	if w.config.Speculation < 0 || req.Sampling.Seed != nil && req.Prediction == "" {
		return nil, nil
	}
	var prediction []int32
	if req.Prediction != "" {
		var err error
		prediction, err = w.text.Encode(ctx, []tokenizer.Piece{{Text: req.Prediction}}, w.config.ContextSize)
		if errors.Is(err, tokenizer.ErrTooMany) {
			return nil, &engine.RequestError{
				Field: "prediction", Message: fmt.Sprintf("is longer than %d tokens, which no answer can be", w.config.ContextSize),
			}
		}
		if err != nil {
			return nil, fmt.Errorf("prediction: %w", err)
		}
	}
	texts := make([][]int32, len(prompt))
	for i := range prompt {
		texts[i] = prompt[i].Tokens // none of an image, which nothing is expected across
	}
	return speculation.New(prediction, texts...), nil
}

func (w *weights) checkFields(req *engine.Request) error {
	const maxTopLogprobs = 20
	for field, n := range map[string]int{"top_logprobs": req.TopLogprobs, "first_top": req.FirstTop} {
		if n < 0 || n > maxTopLogprobs {
			return &engine.RequestError{Field: field, Message: fmt.Sprintf("must be between 0 and %d", maxTopLogprobs)}
		}
	}
	if req.MaxTokens < 0 {
		return &engine.RequestError{Field: "max_tokens", Message: "must not be negative"}
	}
	for id := range req.Sampling.LogitBias {
		if id < 0 || int(id) >= w.model.VocabSize() {
			return &engine.RequestError{
				Field: "sampling.logit_bias", Message: fmt.Sprintf("token ids must be below %d", w.model.VocabSize()),
			}
		}
	}
	return nil
}

func (w *weights) image(req *engine.Request, i int) (compute.Segment, error) {
	if w.vision == nil {
		return compute.Segment{}, &engine.RequestError{Field: "images", Message: "this model has no vision projector"}
	}
	if i < 0 || i >= len(req.Images) {
		return compute.Segment{}, &engine.RequestError{Field: "prompt", Message: fmt.Sprintf("image %d of %d", i, len(req.Images))}
	}
	img := &req.Images[i]
	edge := w.vision.PatchSize() * w.vision.MergeSize()
	if img.Width%edge != 0 || img.Height%edge != 0 {
		return compute.Segment{}, &engine.RequestError{
			Field: "images", Message: fmt.Sprintf("image %d is %dx%d, sides must be multiples of %d", i, img.Width, img.Height, edge),
		}
	}
	return compute.Segment{Image: img, Rows: img.Height / edge, Cols: img.Width / edge}, nil
}

// checkImages refuses images whose encoding would not fit into memory.
func (w *weights) checkImages(ctx context.Context, req *engine.Request) error {
	type size struct{ w, h int }
	known := map[size]bool{}
	for i := range req.Images {
		img := &req.Images[i]
		if known[size{img.Width, img.Height}] {
			continue
		}
		known[size{img.Width, img.Height}] = true
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		var memory *llama.MemoryError
		_, err := w.vision.Plan(1, img.Width, img.Height)
		if errors.As(err, &memory) {
			return &engine.ImageMemoryError{Image: i, NeededBytes: memory.Needed, LimitBytes: memory.Limit}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func cells(segments []compute.Segment) int {
	n := 0
	for i := range segments {
		n += segments[i].Len()
	}
	return n
}

func promptTokens(segments []compute.Segment) []int32 {
	var out []int32
	for i := range segments {
		out = append(out, segments[i].Tokens...)
	}
	return out
}
