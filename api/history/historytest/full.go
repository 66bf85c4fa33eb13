package historytest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/qwenvld/qwenvld/api/history"
)

func oldestGo(t *testing.T, s Store) {
	const count = 100
	for i := range count {
		put(t, s, response(fmt.Sprint("r", i), 50_000, int64(i)))
	}
	kept := 0
	for i := range count {
		_, err := s.Get(t.Context(), "ann", fmt.Sprint("r", i))
		switch {
		case err == nil:
			kept++
		case kept > 0:
			t.Errorf("r%d is gone and an older one is not: %v", i, err)
		}
	}
	if kept < 10 || kept > 21 {
		t.Errorf("%d are kept", kept)
	}
}

func sameSecond(t *testing.T, s Store) {
	put(t, s, response("second", 300_000, 7), response("first", 300_000, 7), response("third", 500_000, 7))
	wantKept(t, s, "first third | second")
}

func youngAgain(t *testing.T, s Store) {
	put(t, s, response("a", 300_000, 1), response("b", 300_000, 2), response("a", 300_000, 3), response("c", 500_000, 4))
	wantKept(t, s, "a c | b")
}

func tooLarge(t *testing.T, s Store) {
	put(t, s, response("small", 10, 1))
	for _, size := range []int{1 << 20, 4 << 20} {
		if err := s.Put(t.Context(), response("large", size, 2)); !errors.Is(err, history.ErrTooLarge) {
			t.Errorf("%d bytes: %v", size, err)
		}
		wantKept(t, s, "small | large")
	}
	put(t, s, response("fits", 1<<20-33<<10, 3))
	wantKept(t, s, "fits |")
}

func updateTooLarge(t *testing.T, s Store) {
	put(t, s, response("other", 10, 1), response("x", 10, 2))
	large := &history.Response{ID: "x", Owner: "ann", Body: make([]byte, 1<<20)}
	if err := s.Update(t.Context(), large); !errors.Is(err, history.ErrTooLarge) {
		t.Error(err)
	}
	want(t, s, response("x", 10, 2))
	wantKept(t, s, "other x |")
}

func grows(t *testing.T, s Store) {
	put(t, s, response("grows", 400_000, 0), response("other", 400_000, 1)) // the one that grows is the oldest
	if err := s.Update(t.Context(), &history.Response{ID: "grows", Owner: "ann", Body: make([]byte, 500_000)}); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Get(t.Context(), "ann", "grows"); err != nil || len(r.Body) != 500_000 {
		t.Error(err)
	}
	wantKept(t, s, "grows | other")
}

func packedEvents(t *testing.T, s Store) {
	r := response("x", 10, 1)
	r.Events = bytes.Repeat([]byte(`{"type":"response.output_text.delta"}`+"\n"), 1<<16)
	put(t, s, r)
	want(t, s, r)
}
