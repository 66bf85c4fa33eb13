package api

import (
	"context"
	"sync"

	"github.com/qwenvld/qwenvld/api/metrics"
)

// carried is a plan that is being carried out.
type carried struct {
	*plan
	// items are closed when the engine has let go of all the plan's requests and its videos are closed. They must be read to the end, or
	// stopped.
	items  <-chan item
	cancel context.CancelFunc
	// whole is set when all items were waited for before any was passed on.
	whole bool
}

// carryOut has p's engine work and its videos decoded until all is done or ctx is.
func (p *plan) carryOut(ctx context.Context, m *metrics.Metrics) *carried {
	ctx, cancel := context.WithCancel(ctx)
	items := make(chan item, eventBuffer)
	go func() {
		defer close(items)
		var decoding sync.WaitGroup
		decoding.Go(func() {
			p.videos.decode(ctx, m)
			p.videos.close()
		})
		pumpAll(ctx, p.engine, p.requests, visitOf(ctx).places(), items)
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
	c.whole = true
	var out []item
	for it := range c.items {
		out = append(out, it)
	}
	return out
}

// putBack has items read again before those that are still to come.
func (c *carried) putBack(items []item) *carried {
	rest := c.items
	again := make(chan item, eventBuffer)
	c.items = again
	go func() {
		defer close(again)
		for i := range items {
			again <- items[i]
		}
		for it := range rest {
			again <- it
		}
	}()
	return c
}
