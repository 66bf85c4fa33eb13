// Package history keeps the responses of POST /v1/responses in an SQLite file, so that a later request can go on from one and a client
// that lost its connection can read on.
//
// It keeps bytes and knows nothing of what is in them. It must not decide who may read a response beyond comparing its owner.
package history

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // registers the driver
)

var (
	// ErrNotFound is a response that is not kept, or not for this owner.
	ErrNotFound = errors.New("no such response")
	// ErrTooLarge is a response that is larger than all that may be kept, or than was asked for.
	ErrTooLarge = errors.New("the response is too large")
	// ErrUnavailable means that the file cannot be used at the moment.
	ErrUnavailable = errors.New("the response store cannot be used")
)

// Response is one kept response.
type Response struct {
	ID string
	// Previous is the response that it goes on from, "" if none.
	Previous string
	// Owner is the name of the API key that made it, "" where no keys are needed. Only the same owner finds it.
	Owner   string
	Created time.Time
	// Input holds the items of the request and Body the response object, both as JSON.
	Input, Body []byte
	// Events are those of its stream, each with a line break behind it; nil where they are not kept.
	Events []byte
}

// Store is an open file, safe for concurrent use.
type Store struct {
	db *sql.DB
	// most bytes of what is kept, 0 for no bound
	most int64
	// turn is held by who uses the connection.
	turn chan struct{}

	mu     sync.Mutex
	health health
}

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

// Open opens or creates the file at path, readable by its user only. An empty path keeps everything in memory. When more than most bytes
// are kept, the oldest responses go; 0 is no bound.
func Open(ctx context.Context, path string, most int64) (*Store, error) {
	source := "file::memory:"
	if path != "" {
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
		source = "file:" + (&url.URL{Path: path}).EscapedPath()
	}
	pragmas := url.Values{"_pragma": {"busy_timeout(1000)", "journal_mode(WAL)", "synchronous(NORMAL)", "secure_delete(FAST)"}}
	db, err := sql.Open("sqlite", source+"?"+pragmas.Encode())
	if err != nil {
		return nil, fmt.Errorf("response store: %w", err)
	}
	// One connection: SQLite writes one at a time anyway, and a database in memory belongs to its connection.
	db.SetMaxOpenConns(1)
	s := &Store{db: db, most: most, turn: make(chan struct{}, 1)}
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

// Put keeps r, in place of what was kept under its id. It fails with ErrTooLarge, of which nothing else suffers, or ErrUnavailable.
func (s *Store) Put(ctx context.Context, r *Response) error {
	events, err := s.fit(r)
	if err != nil {
		return err
	}
	return s.transact(ctx, r.ID, `INSERT OR REPLACE INTO response (id, previous, owner, created, input, body, events)
		VALUES (?, ?, ?, ?, ?, ?, ?)`, r.ID, r.Previous, r.Owner, r.Created.Unix(), r.Input, r.Body, events)
}

// Update replaces the body and events of a response that is still kept; of one that is not it says ErrNotFound.
func (s *Store) Update(ctx context.Context, r *Response) error {
	events, err := s.fit(r)
	if err != nil {
		return err
	}
	return s.transact(ctx, r.ID, `UPDATE response SET body = ?, events = ? WHERE id = ? AND owner = ?`, r.Body, events, r.ID, r.Owner)
}

// fit packs the events of a response that can be kept at all.
func (s *Store) fit(r *Response) (events []byte, err error) {
	if events, err = pack(r.Events); err != nil {
		return nil, fmt.Errorf("keep a response: %w", err)
	}
	const pages = 32 << 10 // of an empty file
	if n := int64(len(r.Input)) + int64(len(r.Body)) + int64(len(events)); s.most > 0 && n > s.most-pages {
		return nil, fmt.Errorf("keep a response of %d bytes: %w", n, ErrTooLarge)
	}
	return events, nil
}

// transact changes the response id and makes room for it, or does nothing.
func (s *Store) transact(ctx context.Context, id, query string, args ...any) error {
	return s.use(ctx, "keep a response", func(ctx context.Context) error {
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
			return errors.Join(err, ErrNotFound)
		}
		if err := s.makeRoom(ctx, tx, id); err != nil {
			return err
		}
		return tx.Commit()
	})
}

// makeRoom forgets the oldest responses but id, a tenth at a time, while too much is kept.
func (s *Store) makeRoom(ctx context.Context, tx *sql.Tx, id string) error {
	for s.most > 0 {
		var used int64
		err := tx.QueryRowContext(ctx, `SELECT (p.page_count - f.freelist_count) * z.page_size
			FROM pragma_page_count p, pragma_freelist_count f, pragma_page_size z`).Scan(&used)
		if err != nil || used <= s.most {
			return err
		}
		done, err := tx.ExecContext(ctx, `DELETE FROM response WHERE id IN (SELECT id FROM response WHERE id <> ?
			ORDER BY created, rowid LIMIT (SELECT max(1, count(*) / 10) FROM response))`, id)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrTooLarge)
		}
	}
	return nil
}

// Get returns the owner's response id.
func (s *Store) Get(ctx context.Context, owner, id string) (*Response, error) {
	r := &Response{ID: id, Owner: owner}
	err := s.use(ctx, "read a kept response", func(ctx context.Context) error {
		var created int64
		var events []byte
		const query = `SELECT previous, created, input, body, events FROM response WHERE id = ? AND owner = ?`
		err := s.db.QueryRowContext(ctx, query, id, owner).Scan(&r.Previous, &created, &r.Input, &r.Body, &events)
		if err == nil {
			r.Created = time.Unix(created, 0)
			r.Events, err = unpack(events)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Turn is Get without the events, for going on from a response. It fails with ErrTooLarge, and reads nothing, where input and body have
// more than most bytes.
func (s *Store) Turn(ctx context.Context, owner, id string, most int64) (*Response, error) {
	r := &Response{ID: id, Owner: owner}
	err := s.use(ctx, "read a kept response", func(ctx context.Context) error {
		var created, size int64
		err := s.db.QueryRowContext(ctx, `SELECT previous, created, length(input) + length(body),
			CASE WHEN length(input) + length(body) <= ?3 THEN input END, CASE WHEN length(input) + length(body) <= ?3 THEN body END
			FROM response WHERE id = ?1 AND owner = ?2`, id, owner, most).Scan(&r.Previous, &created, &size, &r.Input, &r.Body)
		if err == nil && size > most {
			return ErrTooLarge
		}
		r.Created = time.Unix(created, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Delete forgets the owner's response id.
func (s *Store) Delete(ctx context.Context, owner, id string) error {
	return s.use(ctx, "forget a response", func(ctx context.Context) error {
		done, err := s.db.ExecContext(ctx, `DELETE FROM response WHERE id = ? AND owner = ?`, id, owner)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrNotFound)
		}
		return nil
	})
}

// Expire forgets what was made before t and says how much that was.
func (s *Store) Expire(ctx context.Context, t time.Time) (n int64, err error) {
	err = s.use(ctx, "forget old responses", func(ctx context.Context) error {
		done, err := s.db.ExecContext(ctx, `DELETE FROM response WHERE created < ?`, t.Unix())
		if err == nil {
			n, err = done.RowsAffected()
		}
		return err
	})
	return n, err
}

func pack(b []byte) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(b)
	err = errors.Join(err, w.Close())
	return out.Bytes(), err
}

func unpack(b []byte) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
