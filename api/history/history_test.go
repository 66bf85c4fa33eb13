package history

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func TestKeptResponsesSurviveAReopening(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "a folder", "responses #1.db")
	s, err := Open(ctx, path, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := &Response{
		ID: "resp_1", Previous: "resp_0", Owner: "ann", Created: time.Unix(1000, 0), Input: []byte("[]"), Body: []byte(`{"a":1}`),
		Events: bytes.Repeat([]byte("{}\n"), 1000),
	}
	if err := s.Put(ctx, r); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(ctx, path, 0); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got, err := s.Get(ctx, "ann", "resp_1")
	if err != nil || got.Previous != "resp_0" || string(got.Body) != `{"a":1}` || !bytes.Equal(got.Events, r.Events) || !got.Created.Equal(r.Created) {
		t.Errorf("%+v %v", got, err)
	}
}

func TestOnlyTheOwnerFindsAResponse(t *testing.T) {
	ctx := context.Background()
	s, err := Open(ctx, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Put(ctx, &Response{ID: "x", Owner: "ann", Created: time.Now(), Input: []byte("[]"), Body: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(ctx, "bob", "x"); !errors.Is(err, ErrNotFound) {
		t.Errorf("another owner reads: %v", err)
	}
	if err := s.Delete(ctx, "bob", "x"); !errors.Is(err, ErrNotFound) {
		t.Errorf("another owner deletes: %v", err)
	}
	if err := s.Delete(ctx, "ann", "x"); err != nil {
		t.Error(err)
	}
	if err := s.Update(ctx, &Response{ID: "x", Owner: "ann", Body: []byte("{}")}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a deleted response came back: %v", err)
	}
}

func TestOldResponsesExpire(t *testing.T) {
	ctx := context.Background()
	s, err := Open(ctx, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for id, at := range map[string]int64{"old": 100, "new": 200} {
		if err := s.Put(ctx, &Response{ID: id, Created: time.Unix(at, 0), Input: []byte("[]"), Body: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Expire(ctx, time.Unix(150, 0)); n != 1 || err != nil {
		t.Errorf("%d expired, %v", n, err)
	}
	if _, err := s.Get(ctx, "", "new"); err != nil {
		t.Error(err)
	}
}

func TestManyAtATime(t *testing.T) {
	ctx := context.Background()
	s, err := Open(ctx, filepath.Join(t.TempDir(), "r.db"), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			id := string(rune('a' + i))
			for range 10 {
				if err := s.Put(ctx, &Response{ID: id, Created: time.Now(), Input: []byte("[]"), Body: []byte("{}")}); err != nil {
					t.Error(err)
				}
				if _, err := s.Get(ctx, "", id); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func TestAFileOfANewerVersionIsLeftAlone(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "r.db")
	s, err := Open(ctx, path, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.ExecContext(ctx, "PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := Open(ctx, path, 0); err == nil {
		t.Error("opened")
	}
}

func TestTheOldestGoWhenThereIsTooMuch(t *testing.T) {
	ctx := context.Background()
	const most = 1 << 20
	s, err := Open(ctx, "", most)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 100 {
		r := &Response{ID: string(rune('A' + i)), Created: time.Unix(int64(i), 0), Input: make([]byte, 50_000), Body: []byte("{}")}
		if err := s.Put(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Get(ctx, "", string(rune('A'+99))); err != nil {
		t.Errorf("the newest: %v", err)
	}
	if _, err := s.Get(ctx, "", "A"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the oldest: %v", err)
	}
	var n int
	if err := s.db.QueryRow("SELECT count(*) FROM response").Scan(&n); err != nil || n < 10 || n > 21 {
		t.Errorf("%d kept, %v", n, err)
	}
}

func kept(id string, bytes int, at int64) *Response {
	return &Response{ID: id, Created: time.Unix(at, 0), Input: make([]byte, bytes), Body: []byte("{}")}
}

func TestAResponseLargerThanAllThatIsKeptIsRefusedAndHarmsNoOther(t *testing.T) {
	ctx := context.Background()
	s, err := Open(ctx, "", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Put(ctx, kept("small", 10, 1)); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1<<20 - 33<<10, 1 << 20, 4 << 20} {
		err := s.Put(ctx, kept("large", size, 2))
		_, missing := s.Get(ctx, "", "large")
		if fits := size < 1<<20; fits != (err == nil) || fits != (missing == nil) || !fits && !errors.Is(err, ErrTooLarge) {
			t.Errorf("%d bytes: %v, then %v", size, err, missing)
		}
		if err == nil {
			if err := s.Delete(ctx, "", "large"); err != nil {
				t.Fatal(err)
			}
			if err := s.Put(ctx, kept("small", 10, 1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := s.Get(ctx, "", "small"); err != nil {
		t.Errorf("the other: %v", err)
	}
	if s.Trouble() != nil {
		t.Error(s.Trouble())
	}
}

func TestAResponseThatGrowsMakesRoomForItself(t *testing.T) {
	ctx := context.Background()
	s, err := Open(ctx, "", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i, id := range []string{"grows", "other"} { // the one that grows is the oldest
		if err := s.Put(ctx, kept(id, 400_000, int64(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Update(ctx, &Response{ID: "grows", Body: make([]byte, 500_000)}); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Get(ctx, "", "grows"); err != nil || len(r.Body) != 500_000 {
		t.Error(err)
	}
	if _, err := s.Get(ctx, "", "other"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the other: %v", err)
	}
}

func TestATurnIsReadWithinABoundAndWithoutItsEvents(t *testing.T) {
	ctx := context.Background()
	s, err := Open(ctx, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := kept("x", 1000, 1)
	r.Events, r.Previous = []byte("{}\n"), "before"
	if err := s.Put(ctx, r); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Turn(ctx, "", "x", 1002); err != nil || len(got.Input) != 1000 || got.Events != nil || got.Previous != "before" {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := s.Turn(ctx, "", "x", 1001); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v", err)
	}
	if _, err := s.Turn(ctx, "", "y", 1); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestALockedFileIsToldOnceAndLeftAloneForAWhile(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "r.db")
	s, err := Open(ctx, path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var told []error
	s.Watch(func(err error) { told = append(told, err) })
	other, err := Open(ctx, path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.db.ExecContext(ctx, "BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for range 20 {
		if err := s.Put(ctx, kept("x", 1, 1)); !errors.Is(err, ErrUnavailable) {
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
	if err := s.Put(ctx, kept("x", 1, 1)); err != nil {
		t.Error(err)
	}
	if len(told) != 2 || told[0] == nil || told[1] != nil || s.Trouble() != nil {
		t.Errorf("told %v", told)
	}
}
