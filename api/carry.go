package api

import (
	"context"
	"sync"
)

// carried is a plan that is being carried out.
type carried struct {
	*plan
	// items are closed when the engine has let go of all the plan's requests and its videos are closed. They must be read to the end, or
	// stopped.
	items  <-chan item
	cancel context.CancelFunc
}

// carryOut has p's engine work and its videos decoded until all is done or ctx is.
func (p *plan) carryOut(ctx context.Context) *carried {
	ctx, cancel := context.WithCancel(ctx)
	items := make(chan item, eventBuffer)
	go func() {
		defer close(items)
		var decoding sync.WaitGroup
		decoding.Go(func() {
			p.videos.decode(ctx)
			p.videos.close()
		})
		pumpAll(ctx, p.engine, p.requests, items)
		decoding.Wait()
	}()
	return &carried{plan: p, items: items, cancel: cancel}
}

// stop ends the work and waits until all is let go of.
func (c *carried) stop() {
	c.cancel()
	for range c.items { // not wanted any more
	}
}

// all waits for everything.
func (c *carried) all() []item {
	var out []item
	for it := range c.items {
		out = append(out, it)
	}
	return out
}

// putBack has items read again before those that are still to come.
func (c *carried) putBack(ctx context.Context, items []item) *carried {
	rest := c.items
	again := make(chan item, eventBuffer)
	c.items = again
	go func() {
		defer close(again)
		for i := range items {
			select {
			case again <- items[i]:
			case <-ctx.Done():
			}
		}
		for it := range rest {
			select {
			case again <- it:
			case <-ctx.Done():
			}
		}
	}()
	return c
}
