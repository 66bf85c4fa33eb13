// Package sqlite keeps the responses of POST /v1/responses in an SQLite file, so that they are found after a restart.
//
// It implements history.Store. It must not be imported by package api, whose tests would then wait for SQLite to be
// compiled.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // registers the driver

	"github.com/qwenvld/qwenvld/api/history"
)

// Store is an open file, safe for concurrent use.
type Store struct {
	db *sql.DB
	// maxBytes bounds what is kept, 0 for no bound.
	maxBytes int64
	// connection is held by whoever uses it.
	connection chan struct{}

	mu     sync.Mutex
	health health
}

var _ history.Store = (*Store)(nil)

// version is that of the tables, kept as SQLite's user_version.
const version = 1

const tables = `
CREATE TABLE response (
	id       TEXT PRIMARY KEY,
	previous TEXT NOT NULL,
	owner    TEXT NOT NULL,
	created  INTEGER NOT NULL,
	input    BLOB NOT NULL,
	body     BLOB NOT NULL,
	events   BLOB
) STRICT;
CREATE INDEX response_created ON response (created);`

// Open opens or creates the file at path, readable by its user only. When more than maxBytes are kept, the oldest
// responses go; 0 is no bound.
func Open(ctx context.Context, path string, maxBytes int64) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("response store: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the operator's own path
	if err != nil {
		return nil, fmt.Errorf("response store: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("response store: %w", err)
	}
	source := "file:" + (&url.URL{Path: path}).EscapedPath()
	pragmas := url.Values{"_pragma": {"busy_timeout(1000)", "journal_mode(WAL)", "synchronous(NORMAL)", "secure_delete(FAST)"}}
	db, err := sql.Open("sqlite", source+"?"+pragmas.Encode())
	if err != nil {
		return nil, fmt.Errorf("response store: %w", err)
	}
	// One connection, since SQLite writes one at a time anyway.
	db.SetMaxOpenConns(1)
	s := &Store{db: db, maxBytes: maxBytes, connection: make(chan struct{}, 1)}
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("response store %s: %w", path, err), db.Close())
	}
	return s, nil
}

func (s *Store) migrate(ctx context.Context) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	var have int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
		return err
	}
	switch {
	case have > version:
		return fmt.Errorf("was written by a newer qwenvld (version %d, this one knows %d)", have, version)
	case have == version:
		return nil
	}
	if _, err := tx.ExecContext(ctx, tables); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version)); err != nil {
		return err
	}
	return tx.Commit()
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Put implements history.Store.
func (s *Store) Put(ctx context.Context, r *history.Response) error {
	events, err := history.Pack(r, s.maxBytes)
	if err != nil {
		return err
	}
	return s.transact(ctx, r.ID, `INSERT OR REPLACE INTO response (id, previous, owner, created, input, body, events)
		VALUES (?, ?, ?, ?, ?, ?, ?)`, r.ID, r.Previous, r.Owner, r.Created.Unix(), r.Input, r.Body, events)
}

// Update implements history.Store.
func (s *Store) Update(ctx context.Context, r *history.Response) error {
	events, err := history.Pack(r, s.maxBytes)
	if err != nil {
		return err
	}
	return s.transact(ctx, r.ID, `UPDATE response SET body = ?, events = ? WHERE id = ? AND owner = ?`, r.Body, events, r.ID, r.Owner)
}

// transact changes the response id and makes room for it, or does nothing.
func (s *Store) transact(ctx context.Context, id, query string, args ...any) error {
	return s.use(ctx, writes, "keep a response", func(ctx context.Context) error {
		tx, err := s.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // does nothing after Commit
		done, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, history.ErrNotFound)
		}
		if err := s.makeRoom(ctx, tx, id); err != nil {
			return err
		}
		return tx.Commit()
	})
}

// makeRoom forgets the oldest responses but id, a tenth at a time, while too much is kept.
func (s *Store) makeRoom(ctx context.Context, tx *sql.Tx, id string) error {
	for s.maxBytes > 0 {
		var used int64
		err := tx.QueryRowContext(ctx, `SELECT (p.page_count - f.freelist_count) * z.page_size
			FROM pragma_page_count p, pragma_freelist_count f, pragma_page_size z`).Scan(&used)
		if err != nil || used <= s.maxBytes {
			return err
		}
		done, err := tx.ExecContext(ctx, `DELETE FROM response WHERE id IN (SELECT id FROM response WHERE id <> ?
			ORDER BY created, rowid LIMIT (SELECT max(1, count(*) / 10) FROM response))`, id)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, history.ErrTooLarge)
		}
	}
	return nil
}

// Get implements history.Store.
func (s *Store) Get(ctx context.Context, owner, id string) (*history.Response, error) {
	r := &history.Response{ID: id, Owner: owner}
	err := s.use(ctx, reads, "read a kept response", func(ctx context.Context) error {
		var created int64
		var events []byte
		const query = `SELECT previous, created, input, body, events FROM response WHERE id = ? AND owner = ?`
		err := s.db.QueryRowContext(ctx, query, id, owner).Scan(&r.Previous, &created, &r.Input, &r.Body, &events)
		if err == nil {
			r.Created = time.Unix(created, 0)
			r.Events, err = history.Unpack(events)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// GetBounded implements history.Store. It reads nothing of a response that is too large.
func (s *Store) GetBounded(ctx context.Context, owner, id string, maxBytes int64) (*history.Response, error) {
	r := &history.Response{ID: id, Owner: owner}
	err := s.use(ctx, reads, "read a kept response", func(ctx context.Context) error {
		var created, size int64
		err := s.db.QueryRowContext(ctx, `SELECT previous, created, length(input) + length(body),
			CASE WHEN length(input) + length(body) <= ?3 THEN input END, CASE WHEN length(input) + length(body) <= ?3 THEN body END
			FROM response WHERE id = ?1 AND owner = ?2`, id, owner, maxBytes).Scan(&r.Previous, &created, &size, &r.Input, &r.Body)
		if err == nil && size > maxBytes {
			return history.ErrTooLarge
		}
		r.Created = time.Unix(created, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Delete implements history.Store.
func (s *Store) Delete(ctx context.Context, owner, id string) error {
	return s.use(ctx, writes, "forget a response", func(ctx context.Context) error {
		done, err := s.db.ExecContext(ctx, `DELETE FROM response WHERE id = ? AND owner = ?`, id, owner)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, history.ErrNotFound)
		}
		return nil
	})
}

// Expire forgets what was created before t and says how much that was.
func (s *Store) Expire(ctx context.Context, t time.Time) (n int64, err error) {
	err = s.use(ctx, writes, "forget old responses", func(ctx context.Context) error {
		done, err := s.db.ExecContext(ctx, `DELETE FROM response WHERE created < ?`, t.Unix())
		if err == nil {
			n, err = done.RowsAffected()
		}
		return err
	})
	return n, err
}
