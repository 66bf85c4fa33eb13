package worker

import (
	"context"
	"sync"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/llama"
	"github.com/qwenvld/qwenvld/engine/worker/compute"
)

var (
	_ compute.Encoder  = (*tower)(nil)
	_ compute.Encoding = (*encoding)(nil)
)

// tower is the vision tower as the scheduler's loop sees it.
type tower struct {
	vision *llama.Vision
	// beside runs encodes where they do not take the processors from decoding, nil where the two share them.
	beside *thread

	mu     sync.Mutex
	memory map[[2]int]int64 // by width and height
}

// newTower returns the tower of w.
func newTower(w *weights) *tower {
	t := &tower{vision: w.vision, memory: map[[2]int]int64{}}
	if on := w.towerThread(); on != w.decodes {
		t.beside = on
	}
	return t
}

// towerThread is the one that encodes compute on. Where both the tower and all layers take the processors, it is that
// of the loop: two would fight for them, and both be slower than one after the other.
func (w *weights) towerThread() *thread {
	if w.config.onCards() || w.config.TowerDevice != "" {
		return w.encodes
	}
	return w.decodes
}

// Beside implements compute.Encoder.
func (t *tower) Beside() bool { return t.beside != nil }

// mostSizes bounds how many sizes are remembered.
const mostSizes = 1024

// Memory implements compute.Encoder.
func (t *tower) Memory(width, height int) (int64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	size := [2]int{width, height}
	if n, ok := t.memory[size]; ok {
		return n, nil
	}
	n, err := t.vision.Plan(1, width, height)
	if err != nil {
		return 0, err
	}
	if len(t.memory) == mostSizes {
		clear(t.memory)
	}
	t.memory[size] = n
	return n, nil
}

// Begin implements compute.Encoder. A still image is shown to the tower as two equal frames.
func (t *tower) Begin(images []*engine.Image) (compute.Encoding, error) {
	frames := make([]llama.Frames, len(images))
	for i, img := range images {
		rgb, err := img.Bytes(context.Background()) // which have come
		if err != nil {
			return nil, err
		}
		frames[i] = llama.Frames{rgb, rgb}
		if img.Pair {
			frames[i] = llama.Frames{rgb[:len(rgb)/2], rgb[len(rgb)/2:]}
		}
	}
	e, err := t.vision.Begin(frames, images[0].Width, images[0].Height)
	if err != nil {
		return nil, err
	}
	return &encoding{Encoding: e, beside: t.beside}, nil
}

// encoding is images on their way through the tower.
type encoding struct {
	*llama.Encoding
	beside *thread
}

// Advance implements compute.Encoding.
func (e *encoding) Advance(ctx context.Context, within time.Duration) (done bool, err error) {
	if e.beside == nil {
		return e.Encoding.Advance(ctx, within)
	}
	e.beside.do(func() { done, err = e.Encoding.Advance(ctx, llama.ToEnd) })
	return done, err
}
