package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/api/history/sqlite"
	"github.com/qwenvld/qwenvld/config"
)

// responseStore is where responses are kept, with what its owner does beside using it.
type responseStore interface {
	history.Store
	io.Closer
	// Expire forgets what was created before t and says how much that was.
	Expire(ctx context.Context, t time.Time) (int64, error)
}

// openStore opens where responses are kept, nil where they are not.
func openStore(ctx context.Context, c *config.Responses) (responseStore, error) {
	switch c.Path {
	case config.ResponsesOff:
		return nil, nil
	case config.ResponsesInMemory:
		return history.NewMemory(c.Bytes), nil
	}
	s, err := sqlite.Open(ctx, c.Path, c.Bytes)
	if err != nil {
		return nil, err // without s: a nil *Store in an interface is not nil
	}
	return s, nil
}

// expire forgets responses that are older than keep, until ctx is done.
func expire(ctx context.Context, store responseStore, keep time.Duration, logger *slog.Logger) {
	tick := time.NewTicker(min(keep, time.Hour))
	defer tick.Stop()
	for {
		// That the store cannot be used is logged where it begins.
		if n, err := store.Expire(ctx, time.Now().Add(-keep)); err != nil && !errors.Is(err, history.ErrUnavailable) {
			logger.Warn("old responses stay", "error", err)
		} else if n > 0 {
			logger.Info("forgot old responses", "count", n)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// healer is a store that can be out of use for a while.
type healer interface {
	// Heal tries whether it can be used again, if it could not.
	Heal(ctx context.Context) error
}

var _ healer = (*sqlite.Store)(nil)

// heal tries a store from time to time, until ctx is done. That it stays out of use was logged where that began.
func heal(ctx context.Context, store healer) {
	const often = 10 * time.Second
	tick := time.NewTicker(often)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = store.Heal(ctx)
		case <-ctx.Done():
			return
		}
	}
}
