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
	"time"

	_ "modernc.org/sqlite" // registers the driver
)

// ErrNotFound is a response that is not kept, or not for this owner.
var ErrNotFound = errors.New("no such response")

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
	pragmas := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)", "secure_delete(FAST)"}}
	db, err := sql.Open("sqlite", source+"?"+pragmas.Encode())
	if err != nil {
		return nil, fmt.Errorf("response store: %w", err)
	}
	// One connection: SQLite writes one at a time anyway, and a database in memory belongs to its connection.
	db.SetMaxOpenConns(1)
	s := &Store{db: db, most: most}
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

// Put keeps r, in place of what was kept under its id.
func (s *Store) Put(ctx context.Context, r *Response) error {
	events, err := pack(r.Events)
	if err != nil {
		return fmt.Errorf("keep a response: %w", err)
	}
	_, err = s.db.ExecContext(ctx, `INSERT OR REPLACE INTO response (id, previous, owner, created, input, body, events)
		VALUES (?, ?, ?, ?, ?, ?, ?)`,
		r.ID, r.Previous, r.Owner, r.Created.Unix(), r.Input, r.Body, events)
	if err == nil {
		err = s.makeRoom(ctx)
	}
	if err != nil {
		return fmt.Errorf("keep a response: %w", err)
	}
	return nil
}

// makeRoom forgets the oldest responses, a tenth at a time, while too much is kept.
func (s *Store) makeRoom(ctx context.Context) error {
	for s.most > 0 {
		var used int64
		err := s.db.QueryRowContext(ctx, `SELECT (p.page_count - f.freelist_count) * z.page_size
			FROM pragma_page_count p, pragma_freelist_count f, pragma_page_size z`).Scan(&used)
		if err != nil || used <= s.most {
			return err
		}
		done, err := s.db.ExecContext(ctx, `DELETE FROM response WHERE id IN
			(SELECT id FROM response ORDER BY created, rowid LIMIT (SELECT max(1, count(*) / 10) FROM response))`)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return err
		}
	}
	return nil
}

// Update replaces the body and events of a response that is still kept; of one that was deleted meanwhile it says ErrNotFound.
func (s *Store) Update(ctx context.Context, r *Response) error {
	events, err := pack(r.Events)
	if err != nil {
		return fmt.Errorf("keep a response: %w", err)
	}
	return s.change(ctx, `UPDATE response SET body = ?, events = ? WHERE id = ? AND owner = ?`, r.Body, events, r.ID, r.Owner)
}

// Get returns the owner's response id.
func (s *Store) Get(ctx context.Context, owner, id string) (*Response, error) {
	r := &Response{ID: id, Owner: owner}
	var created int64
	var events []byte
	row := s.db.QueryRowContext(ctx, `SELECT previous, created, input, body, events FROM response WHERE id = ? AND owner = ?`, id, owner)
	err := row.Scan(&r.Previous, &created, &r.Input, &r.Body, &events)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err == nil {
		r.Events, err = unpack(events)
	}
	if err != nil {
		return nil, fmt.Errorf("read a kept response: %w", err)
	}
	r.Created = time.Unix(created, 0)
	return r, nil
}

// Delete forgets the owner's response id.
func (s *Store) Delete(ctx context.Context, owner, id string) error {
	return s.change(ctx, `DELETE FROM response WHERE id = ? AND owner = ?`, id, owner)
}

// Expire forgets what was made before t and says how much that was.
func (s *Store) Expire(ctx context.Context, t time.Time) (int64, error) {
	done, err := s.db.ExecContext(ctx, `DELETE FROM response WHERE created < ?`, t.Unix())
	if err != nil {
		return 0, fmt.Errorf("forget old responses: %w", err)
	}
	return done.RowsAffected()
}

func (s *Store) change(ctx context.Context, query string, args ...any) error {
	done, err := s.db.ExecContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("change a kept response: %w", err)
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, ErrNotFound)
	}
	return nil
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
