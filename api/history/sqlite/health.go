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
	// reading says that what is kept could not be read, either. On a full disk it can.
	reading bool
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

// Heal tries to write where that failed the last time, so that a file which can be used again is seen as such though
// nobody writes. It writes and removes as much as a response may well take: on a full disk little often still fits.
func (s *Store) Heal(ctx context.Context) error {
	if s.Trouble() == nil {
		return nil
	}
	return s.use(ctx, writes, "try to write", func(ctx context.Context) error {
		const size, name = 1 << 18, "\x00try" // no response is called so
		_, err := s.db.ExecContext(ctx, `INSERT OR REPLACE INTO response (id, previous, owner, created, input, body, events)
			VALUES (?1, '', ?1, 0, zeroblob(?2), x'', x'')`, name, size)
		if err != nil {
			return err
		}
		_, err = s.db.ExecContext(ctx, `DELETE FROM response WHERE id = ?`, name)
		return err
	})
}

// access is what a use does with the file.
type access bool

const (
	reads  access = false
	writes access = true
)

// use runs op with the connection for itself. An error of the file comes out as history.ErrUnavailable, and everybody
// then leaves the file alone for a while: after a write that failed only those who write, after a read everybody.
func (s *Store) use(ctx context.Context, a access, what string, op func(context.Context) error) error {
	if err := s.resting(a, what); err != nil {
		return err
	}
	select {
	case s.connection <- struct{}{}:
		defer func() { <-s.connection }()
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
	if err := s.resting(a, what); err != nil { // since those before have tried
		return err
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := op(limited)
	switch {
	case err == nil:
		s.report(a, nil)
		return nil
	case errors.Is(err, sql.ErrNoRows), errors.Is(err, history.ErrNotFound):
		s.report(a, nil)
		return history.ErrNotFound
	case errors.Is(err, history.ErrTooLarge):
		s.report(a, nil)
		return fmt.Errorf("%s: %w", what, history.ErrTooLarge)
	case ctx.Err() != nil: // the caller's end says nothing about the file
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
	s.report(a, err)
	return fmt.Errorf("%s: %w: %w", what, history.ErrUnavailable, err)
}

func (s *Store) resting(a access, what string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := &s.health; h.trouble != nil && time.Now().Before(h.again) && (a == writes || h.reading) {
		return fmt.Errorf("%s: %w: %w", what, history.ErrUnavailable, h.trouble)
	}
	return nil
}

// report notes how a use went. That reading goes well says nothing of writing.
func (s *Store) report(a access, err error) {
	s.mu.Lock()
	h := &s.health
	if a == reads && err == nil && !h.reading {
		s.mu.Unlock()
		return
	}
	changed := (err == nil) != (h.trouble == nil)
	h.trouble, h.again, h.reading = err, time.Now().Add(rest), a == reads && err != nil
	watch := h.watch
	s.mu.Unlock()
	if changed && watch != nil {
		watch(err)
	}
}
