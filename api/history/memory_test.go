package history_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/api/history/historytest"
)

func TestMemoryKeepsResponses(t *testing.T) {
	historytest.Run(t, func(_ *testing.T, maxBytes int64) historytest.Store { return history.NewMemory(maxBytes) })
}

func TestAClosedMemoryIsEmpty(t *testing.T) {
	s := history.NewMemory(0)
	if err := s.Put(t.Context(), &history.Response{ID: "x", Created: time.Unix(1, 0)}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "", "x"); err == nil {
		t.Error("kept")
	}
}

// A full store of small responses must not get slower with their number.
func BenchmarkPutIntoAFullMemory(b *testing.B) {
	ctx, s := context.Background(), history.NewMemory(64<<20)
	input, body := make([]byte, 100), make([]byte, 100)
	for i := range 64 << 20 / 700 {
		if err := s.Put(ctx, &history.Response{ID: fmt.Sprint("before", i), Created: time.Unix(0, 0), Input: input, Body: body}); err != nil {
			b.Fatal(err)
		}
	}
	for i := 0; b.Loop(); i++ {
		if err := s.Put(ctx, &history.Response{ID: fmt.Sprint(i), Created: time.Unix(int64(i), 0), Input: input, Body: body}); err != nil {
			b.Fatal(err)
		}
	}
}
