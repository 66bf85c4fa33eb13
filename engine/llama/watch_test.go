package llama

import (
	"context"
	"sync"
	"testing"
)

func TestComputationsShowTheirProgress(t *testing.T) {
	v := loadVision(t, denseProjector, 0)
	loaded := v.Beats()
	if loaded == 0 {
		t.Error("loading the projector did not show")
	}
	img := gradient(96, 64)
	if _, err := v.Encode(context.Background(), [2][]byte{img, img}, 96, 64); err != nil {
		t.Fatal(err)
	}
	if n := v.Beats() - loaded; n < 10 {
		t.Errorf("encoding has %d beats", n)
	}
	m := loadModel(t, denseModel)
	c := newContext(t, m, ContextOptions{ContextSize: 64, BatchSize: 4, MaxSequences: 1, Threads: 2})
	b := NewTokenBatch(4)
	t.Cleanup(func() { _ = b.Close() })
	b.AddToken(1, 0, 0, true)
	before := c.Beats()
	if err := c.Decode(b); err != nil {
		t.Fatal(err)
	}
	if n := c.Beats() - before; n < 10 {
		t.Errorf("decoding has %d beats", n)
	}
}

// A plan is made when a request comes, whatever the tower computes at the time.
func TestPlansAreMadeWhileTheTowerEncodes(t *testing.T) {
	v := loadVision(t, denseProjector, 0)
	img := gradient(256, 256)
	want, err := v.Encode(context.Background(), [2][]byte{img, img}, 256, 256)
	if err != nil {
		t.Fatal(err)
	}
	size, err := v.Plan(1, 256, 256)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for {
				if got, err := v.Plan(1, 256, 256); err != nil || got != size {
					t.Errorf("plan %d, %v, want %d", got, err, size)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for range 5 {
		got, err := v.Encode(context.Background(), [2][]byte{img, img}, 256, 256)
		if err != nil || relative(got, want) != 0 {
			t.Errorf("%v, differs by %g", err, relative(got, want))
		}
	}
	close(done)
	all.Wait()
}
