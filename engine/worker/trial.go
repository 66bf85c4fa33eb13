package worker

import (
	"context"
	"fmt"
	"math"

	"github.com/qwenvld/qwenvld/engine/llama"
)

// try computes one token and one picture: weights that hold no sensible numbers would load, and then fail every
// request. It also fetches what the first request would otherwise wait for.
func (w *weights) try(ctx context.Context) error {
	logits, err := w.tryToken()
	if err != nil {
		return fmt.Errorf("model %q: first token: %w", w.config.Model, err)
	}
	if !finite(logits) {
		return fmt.Errorf("model %q: computes values that are not numbers; the file is damaged", w.config.Model)
	}
	if w.vision == nil {
		return nil
	}
	edge := w.vision.PatchSize() * w.vision.MergeSize()
	grey := make([]byte, 3*edge*edge)
	for i := range grey {
		grey[i] = 0x80
	}
	var rows []float32
	w.towerThread().do(func() { rows, err = w.vision.Encode(ctx, llama.Frames{grey, grey}, edge, edge) })
	if err != nil {
		return fmt.Errorf("projector %q: first picture: %w", w.config.Projector, err)
	}
	if !finite(rows) {
		return fmt.Errorf("projector %q: computes values that are not numbers; the file is damaged", w.config.Projector)
	}
	return nil
}

func (w *weights) tryToken() (logits []float32, err error) {
	w.decodes.do(func() {
		defer w.context.RemoveSequence(0, -1, -1)
		w.tokens.Reset()
		w.tokens.AddToken(0, 0, 0, true)
		if err = w.context.Decode(w.tokens); err == nil {
			logits, err = w.context.Logits(0)
		}
	})
	return logits, err
}

func finite(values []float32) bool {
	for _, v := range values {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return false
		}
	}
	return true
}
