package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/config"
)

// openStore opens where responses are kept, nil where they are not.
func openStore(ctx context.Context, c *config.Responses) (*history.Store, error) {
	switch c.Path {
	case config.ResponsesOff:
		return nil, nil
	case config.ResponsesInMemory:
		return history.Open(ctx, "", c.Bytes)
	default:
		return history.Open(ctx, c.Path, c.Bytes)
	}
}

// expire forgets responses that are older than keep, until ctx is done.
func expire(ctx context.Context, store *history.Store, keep time.Duration, logger *slog.Logger) {
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
