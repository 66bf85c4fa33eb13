package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/api/history/historytest"
)

// openAt opens the file at path, and closes it at the end of the test.
func openAt(t *testing.T, path string, maxBytes int64) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, maxBytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestAFileKeepsResponses(t *testing.T) {
	historytest.Run(t, func(t *testing.T, maxBytes int64) historytest.Store {
		return openAt(t, filepath.Join(t.TempDir(), "r.db"), maxBytes)
	})
}

func TestKeptResponsesSurviveAReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder", "responses #1.db")
	s := openAt(t, path, 0)
	r := &history.Response{
		ID: "resp_1", Previous: "resp_0", Owner: "ann", Created: time.Unix(1000, 0), Input: []byte("[]"), Body: []byte(`{"a":1}`),
		Events: bytes.Repeat([]byte("{}\n"), 1000),
	}
	if err := s.Put(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := openAt(t, path, 0).Get(t.Context(), "ann", "resp_1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, got); diff != "" {
		t.Error(diff)
	}
}

func TestAFileOfANewerVersionIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.db")
	s := openAt(t, path, 0)
	if _, err := s.db.ExecContext(t.Context(), "PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path, 0); err == nil {
		t.Error("opened")
	}
}

func TestALockedFileIsToldOnceAndLeftAloneForAWhile(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "r.db")
	s, other := openAt(t, path, 0), openAt(t, path, 0)
	var told []error
	s.Watch(func(err error) { told = append(told, err) })
	if _, err := other.db.ExecContext(ctx, "BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	r := &history.Response{ID: "x", Created: time.Unix(1, 0), Input: []byte("[]"), Body: []byte("{}")}
	start := time.Now()
	for range 20 {
		if err := s.Put(ctx, r); !errors.Is(err, history.ErrUnavailable) {
			t.Fatalf("%v", err)
		}
	}
	// Twenty that wait one after the other would take twenty times the wait for a lock.
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	if _, err := other.db.ExecContext(ctx, "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.health.again = time.Time{} // the rest is over
	s.mu.Unlock()
	if err := s.Put(ctx, r); err != nil {
		t.Error(err)
	}
	if len(told) != 2 || told[0] == nil || told[1] != nil || s.Trouble() != nil {
		t.Errorf("told %v", told)
	}
}

// TestWhatIsKeptCanBeReadOnAFullDisk takes the file's room away, as a full disk does.
func TestWhatIsKeptCanBeReadOnAFullDisk(t *testing.T) {
	ctx := t.Context()
	s := openAt(t, filepath.Join(t.TempDir(), "r.db"), 0)
	var told []error
	s.Watch(func(err error) { told = append(told, err) })
	kept := &history.Response{ID: "kept", Created: time.Unix(1, 0), Input: []byte("[]"), Body: []byte("{}")}
	if err := s.Put(ctx, kept); err != nil {
		t.Fatal(err)
	}
	room := func(pages int) {
		t.Helper()
		if _, err := s.db.ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	room(1) // which SQLite takes for as many as there are
	more := &history.Response{ID: "more", Created: time.Unix(2, 0), Input: make([]byte, 1<<20), Body: []byte("{}")}
	for range 3 {
		if err := s.Put(ctx, more); !errors.Is(err, history.ErrUnavailable) {
			t.Fatalf("kept on a full disk: %v", err)
		}
		if got, err := s.Get(ctx, "", "kept"); err != nil || string(got.Body) != "{}" {
			t.Fatalf("read: %+v, %v", got, err)
		}
		if _, err := s.GetBounded(ctx, "", "kept", 1<<10); err != nil {
			t.Fatal(err)
		}
	}
	if s.Trouble() == nil || len(told) != 1 {
		t.Errorf("trouble %v, told %v", s.Trouble(), told)
	}
	rested := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.health.again = time.Time{}
	}
	rested()
	if err := s.Heal(ctx); !errors.Is(err, history.ErrUnavailable) || s.Trouble() == nil {
		t.Errorf("healed on a full disk: %v", err)
	}
	room(1 << 20)
	rested()
	if err := s.Heal(ctx); err != nil || s.Trouble() != nil || len(told) != 2 {
		t.Errorf("healed: %v, trouble %v, told %v", err, s.Trouble(), told)
	}
	if err := s.Put(ctx, more); err != nil || s.Trouble() != nil || len(told) != 2 {
		t.Errorf("%v, trouble %v, told %v", err, s.Trouble(), told)
	}
}
