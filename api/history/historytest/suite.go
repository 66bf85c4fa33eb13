// Package historytest is what every history.Store must do, as one suite of tests that each implementation runs.
//
// It must not be imported but by tests, and it must not know how a store keeps anything.
package historytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/qwenvld/qwenvld/api/history"
)

// Store is a store with what its owner does beside using it.
type Store interface {
	history.Store
	Expire(ctx context.Context, t time.Time) (int64, error)
	Close() error
}

// Run tests stores that open makes, of at most maxBytes; 0 is no bound.
func Run(t *testing.T, open func(t *testing.T, maxBytes int64) Store) {
	t.Helper()
	for _, c := range []struct {
		name     string
		maxBytes int64
		test     func(*testing.T, Store)
	}{
		{"a response is found as it was put", 0, found},
		{"an update replaces body and events alone", 0, updated},
		{"a second put under an id replaces the first", 0, replaced},
		{"what is put and not what becomes of it is kept", 0, independent},
		{"only the owner finds a response", 0, owned},
		{"a bounded read has no events and a bound", 0, bounded},
		{"a conversation is followed back to its start", 0, conversation},
		{"what was created before a time expires", 0, expired},
		{"many are kept and read at a time", 0, crowded},
		{"a cancelled caller changes nothing and is no trouble", 0, cancelled},
		{"the oldest go when there is too much", 1 << 20, oldestGo},
		{"of the same second the first put goes first", 1 << 20, sameSecond},
		{"a response put anew is as young as its time says", 1 << 20, youngAgain},
		{"one that is too large is refused and harms no other", 1 << 20, tooLarge},
		{"an update that is too large leaves what was", 1 << 20, updateTooLarge},
		{"one that grows makes room for itself", 1 << 20, grows},
		{"events count as they are packed", 1 << 20, packedEvents},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, c.maxBytes)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			c.test(t, s)
			if err := s.Trouble(); err != nil {
				t.Errorf("the store has trouble: %v", err)
			}
		})
	}
}

// response is one of ann's, with an input of so many bytes.
func response(id string, size int, created int64) *history.Response {
	return &history.Response{ID: id, Owner: "ann", Created: time.Unix(created, 0), Input: make([]byte, size), Body: []byte("{}")}
}

func put(t *testing.T, s Store, all ...*history.Response) {
	t.Helper()
	for _, r := range all {
		if err := s.Put(t.Context(), r); err != nil {
			t.Fatalf("put %s: %v", r.ID, err)
		}
	}
}

// want compares a kept response of r's owner with r.
func want(t *testing.T, s Store, r *history.Response) {
	t.Helper()
	got, err := s.Get(t.Context(), r.Owner, r.ID)
	if err != nil {
		t.Errorf("get %s: %v", r.ID, err)
		return
	}
	if !bytes.Equal(got.Events, r.Events) { // too many to be compared one by one
		t.Errorf("%s has %d bytes of events, want %d", r.ID, len(got.Events), len(r.Events))
	}
	if diff := cmp.Diff(r, got, cmpopts.IgnoreFields(history.Response{}, "Events")); diff != "" {
		t.Error(diff)
	}
}

// wantKept says which of ann's responses must be kept; of the others, which follow after "|", none must be.
func wantKept(t *testing.T, s Store, ids string) {
	t.Helper()
	kept, gone, _ := strings.Cut(ids, "|")
	for _, id := range strings.Fields(kept) {
		if _, err := s.Get(t.Context(), "ann", id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	for _, id := range strings.Fields(gone) {
		if _, err := s.Get(t.Context(), "ann", id); !errors.Is(err, history.ErrNotFound) {
			t.Errorf("%s is kept, or: %v", id, err)
		}
	}
}

func found(t *testing.T, s Store) {
	r := &history.Response{
		ID: "resp_1", Previous: "resp_0", Owner: "ann", Created: time.Unix(1000, 999), Input: []byte("[]"), Body: []byte(`{"a":1}`),
		Events: bytes.Repeat([]byte("{}\n"), 1000),
	}
	put(t, s, r)
	r.Created = time.Unix(1000, 0) // in whole seconds
	want(t, s, r)
	plain := response("plain", 3, 1)
	put(t, s, plain)
	want(t, s, plain)
	wantKept(t, s, "resp_1 plain | other")
}

func updated(t *testing.T, s Store) {
	r := response("x", 3, 5)
	r.Previous = "before"
	put(t, s, r)
	now := &history.Response{
		ID: "x", Owner: "ann", Created: time.Unix(9, 0), Input: []byte("no"), Body: []byte(`[1]`), Events: []byte("{}\n"),
	}
	if err := s.Update(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	r.Body, r.Events = now.Body, now.Events
	want(t, s, r)
	now.Events = nil
	if err := s.Update(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	r.Events = nil
	want(t, s, r)
	if err := s.Update(t.Context(), response("y", 1, 1)); !errors.Is(err, history.ErrNotFound) {
		t.Errorf("update of what is not kept: %v", err)
	}
}

func replaced(t *testing.T, s Store) {
	put(t, s, response("x", 3, 5))
	r := response("x", 4, 6)
	r.Owner, r.Previous, r.Events = "bob", "before", []byte("{}\n")
	put(t, s, r)
	want(t, s, r)
	wantKept(t, s, "| x")
}

func independent(t *testing.T, s Store) {
	r := response("x", 3, 5)
	put(t, s, r)
	r.Input[0], r.Body[0] = 'x', 'x'
	want(t, s, response("x", 3, 5))
	update := response("x", 3, 5)
	if err := s.Update(t.Context(), update); err != nil {
		t.Fatal(err)
	}
	update.Body[0] = 'x'
	want(t, s, response("x", 3, 5))
}

func owned(t *testing.T, s Store) {
	ctx := t.Context()
	put(t, s, response("x", 2, 1))
	if _, err := s.Get(ctx, "bob", "x"); !errors.Is(err, history.ErrNotFound) {
		t.Errorf("another owner reads: %v", err)
	}
	if _, err := s.GetBounded(ctx, "", "x", 100); !errors.Is(err, history.ErrNotFound) {
		t.Errorf("another owner goes on: %v", err)
	}
	if err := s.Update(ctx, &history.Response{ID: "x", Owner: "bob", Body: []byte("[]")}); !errors.Is(err, history.ErrNotFound) {
		t.Errorf("another owner updates: %v", err)
	}
	if err := s.Delete(ctx, "bob", "x"); !errors.Is(err, history.ErrNotFound) {
		t.Errorf("another owner deletes: %v", err)
	}
	want(t, s, response("x", 2, 1))
	if err := s.Delete(ctx, "ann", "x"); err != nil {
		t.Error(err)
	}
	if err := s.Delete(ctx, "ann", "x"); !errors.Is(err, history.ErrNotFound) {
		t.Errorf("a second deletion: %v", err)
	}
	if err := s.Update(ctx, response("x", 2, 1)); !errors.Is(err, history.ErrNotFound) {
		t.Errorf("a deleted response came back: %v", err)
	}
}

func bounded(t *testing.T, s Store) {
	ctx := t.Context()
	r := response("x", 1000, 1)
	r.Events, r.Previous = []byte("{}\n"), "before"
	put(t, s, r)
	got, err := s.GetBounded(ctx, "ann", "x", 1002)
	if err != nil {
		t.Fatal(err)
	}
	r.Events = nil
	if diff := cmp.Diff(r, got); diff != "" {
		t.Error(diff)
	}
	if _, err := s.GetBounded(ctx, "ann", "x", 1001); !errors.Is(err, history.ErrTooLarge) {
		t.Errorf("%v", err)
	}
	if _, err := s.GetBounded(ctx, "ann", "y", 1); !errors.Is(err, history.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func conversation(t *testing.T, s Store) {
	previous := ""
	for i := range 5 {
		r := response(fmt.Sprint("turn", i), 10+i, int64(i))
		r.Previous = previous
		put(t, s, r)
		previous = r.ID
	}
	var sizes []int
	for id := previous; id != ""; {
		r, err := s.GetBounded(t.Context(), "ann", id, 100)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(r.Input))
		id = r.Previous
	}
	if diff := cmp.Diff([]int{14, 13, 12, 11, 10}, sizes); diff != "" {
		t.Error(diff)
	}
}

func expired(t *testing.T, s Store) {
	put(t, s, response("new", 2, 200), response("old", 2, 100), response("edge", 2, 150), response("older", 2, 50))
	for _, c := range []struct {
		before, gone int64
		kept         string
	}{{50, 0, "older old edge new |"}, {150, 2, "edge new | older old"}, {150, 0, "edge new |"}, {1000, 2, "| edge new"}, {1000, 0, "|"}} {
		if n, err := s.Expire(t.Context(), time.Unix(c.before, 999)); n != c.gone || err != nil {
			t.Errorf("before %d: %d expired, want %d; %v", c.before, n, c.gone, err)
		}
		wantKept(t, s, c.kept)
	}
	put(t, s, response("again", 2, 1))
	wantKept(t, s, "again |")
}

func crowded(t *testing.T, s Store) {
	ctx := t.Context()
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			r := response(string(rune('a'+i)), 2, int64(i))
			for range 10 {
				if err := s.Put(ctx, r); err != nil {
					t.Error(err)
				}
				if err := s.Update(ctx, r); err != nil {
					t.Error(err)
				}
				if _, err := s.Get(ctx, "ann", r.ID); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func cancelled(t *testing.T, s Store) {
	put(t, s, response("x", 2, 1))
	gone := errors.New("the client is gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	_, get := s.Get(ctx, "ann", "x")
	_, next := s.GetBounded(ctx, "ann", "x", 100)
	_, expire := s.Expire(ctx, time.Unix(100, 0))
	for what, err := range map[string]error{
		"put": s.Put(ctx, response("y", 2, 1)), "update": s.Update(ctx, response("x", 2, 1)), "delete": s.Delete(ctx, "ann", "x"),
		"get": get, "bounded get": next, "expire": expire,
	} {
		if !errors.Is(err, gone) {
			t.Errorf("%s: %v", what, err)
		}
	}
	wantKept(t, s, "x | y")
}
