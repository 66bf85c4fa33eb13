package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
)

// errNotLoaded is a server that is there while the weights are not.
var errNotLoaded = errors.New("the weights are not loaded there")

// maxReply bounds a reply that is read whole, in bytes.
const maxReply = 32 << 20

// probe asks those servers that are due how they are, all at the same time.
func (c *Cluster) probe(ctx context.Context, due func(*target) bool) {
	var all sync.WaitGroup
	for _, t := range c.all() {
		if !due(t) {
			continue
		}
		all.Go(func() {
			err := c.probeOne(ctx, t)
			if ctx.Err() != nil {
				return
			}
			if first := !t.probed.Swap(true); err != nil && first {
				c.o.Logger.Warn("a server does not answer", "server", t.id, "error", err)
			}
			c.pool.Probed(t.id, err == nil)
		})
	}
	all.Wait()
}

func (c *Cluster) probeOne(ctx context.Context, t *target) error {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeouts.Probe)
	defer cancel()
	paths := &t.group.Dialect.Paths
	data, err := c.get(ctx, t, paths.Health)
	if err != nil {
		return err
	}
	if t.card.Load() != nil && !t.group.Dialect.Can.Verifies {
		return nil
	}
	if paths.Models != paths.Health {
		if data, err = c.get(ctx, t, paths.Models); err != nil {
			return nil // it is there, and tells nothing of its model
		}
	}
	cards, err := dialect.Models(data)
	if err != nil {
		return nil // as above
	}
	for _, card := range cards {
		if t.group.Model == "" || card.ID == t.group.Model {
			t.card.Store(&card)
			if card.Down {
				return errNotLoaded
			}
			return nil
		}
	}
	c.o.Logger.Warn("a server does not list the model", "server", t.id, "model", t.group.Model)
	t.card.Store(&dialect.Card{ID: t.group.Model})
	return nil
}

func (c *Cluster) get(ctx context.Context, t *target, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url(path), nil)
	if err != nil {
		return nil, err
	}
	t.authorize(req.Header)
	return c.small(req)
}

// small sends a request whose reply is read whole. A status that is no success is a *dialect.RefusalError.
func (c *Cluster) small(req *http.Request) ([]byte, error) {
	resp, err := c.o.Transport.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("ask a server: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read, or is not wanted
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return nil, fmt.Errorf("read a server's reply: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, dialect.Refused(resp.StatusCode, data)
	}
	return data, nil
}
