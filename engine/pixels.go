package engine

import (
	"context"
	"sync"
)

// Pixels are an image's bytes that may still be on their way, as the frames of a video are while it is decoded. Any
// number of goroutines may wait for them.
type Pixels struct {
	once  sync.Once
	ready chan struct{}
	rgb   []byte
	err   error
}

// NewPixels returns Pixels that are still to come.
func NewPixels() *Pixels { return &Pixels{ready: make(chan struct{})} }

// Set gives the bytes, or why there will be none. Only the first call counts; rgb must not be changed afterwards.
func (p *Pixels) Set(rgb []byte, err error) {
	p.once.Do(func() {
		p.rgb, p.err = rgb, err
		close(p.ready)
	})
}

// Wait blocks until the bytes are there or ctx is done.
func (p *Pixels) Wait(ctx context.Context) ([]byte, error) {
	select {
	case <-p.ready:
		return p.rgb, p.err
	default:
	}
	select {
	case <-p.ready:
		return p.rgb, p.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
