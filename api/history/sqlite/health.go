package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/qwenvld/qwenvld/api/history"
)

const (
	// patience is how long one use of the file may take, waiting for other programs that have locked it included.
	patience = 2 * time.Second
	// rest is how long the file is left alone after it could not be used, so that nobody waits for what does not come.
	rest = 5 * time.Second
)

// health is what is known of the file.
type health struct {
	// trouble is why it could not be used the last time, nil if it could.
	trouble error
	// again is when to try the next time.
	again time.Time
	watch func(error)
}

// Watch has f told of each change: the error when the file cannot be used any more, nil when it can again.
func (s *Store) Watch(f func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.health.watch = f
}

// Trouble is why the file cannot be used at the moment, nil if it can.
func (s *Store) Trouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.health.trouble
}

// use runs op with the connection for itself. An error of the file comes out as history.ErrUnavailable, and everybody
// then leaves the file alone for a while.
func (s *Store) use(ctx context.Context, what string, op func(context.Context) error) error {
	if err := s.resting(what); err != nil {
		return err
	}
	select {
	case s.connection <- struct{}{}:
		defer func() { <-s.connection }()
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
	if err := s.resting(what); err != nil { // since those before have tried
		return err
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := op(limited)
	switch {
	case err == nil:
		s.report(nil)
		return nil
	case errors.Is(err, sql.ErrNoRows), errors.Is(err, history.ErrNotFound):
		s.report(nil)
		return history.ErrNotFound
	case errors.Is(err, history.ErrTooLarge):
		s.report(nil)
		return fmt.Errorf("%s: %w", what, history.ErrTooLarge)
	case ctx.Err() != nil: // the caller's end says nothing about the file
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
	s.report(err)
	return fmt.Errorf("%s: %w: %w", what, history.ErrUnavailable, err)
}

func (s *Store) resting(what string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := &s.health; h.trouble != nil && time.Now().Before(h.again) {
		return fmt.Errorf("%s: %w: %w", what, history.ErrUnavailable, h.trouble)
	}
	return nil
}

// report notes how a use went.
func (s *Store) report(err error) {
	s.mu.Lock()
	changed := (err == nil) != (s.health.trouble == nil)
	s.health.trouble, s.health.again = err, time.Now().Add(rest)
	watch := s.health.watch
	s.mu.Unlock()
	if changed && watch != nil {
		watch(err)
	}
}
