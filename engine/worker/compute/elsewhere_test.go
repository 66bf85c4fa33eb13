package compute

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/rowcache"
	"github.com/qwenvld/qwenvld/engine/worker/schedule"
)

// fakeShelf is a folder of rows in memory.
type fakeShelf struct {
	err error

	mu      sync.Mutex
	rows    map[rowcache.Key]*rowcache.Rows
	claimed map[rowcache.Key]bool
	changed chan struct{} // closed and replaced
	// waits and claims get a value for each that waits, and each that is to encode.
	waits, claims chan struct{}
}

func newFakeShelf() *fakeShelf {
	return &fakeShelf{
		rows: map[rowcache.Key]*rowcache.Rows{}, claimed: map[rowcache.Key]bool{}, changed: make(chan struct{}),
		waits: make(chan struct{}, 1000), claims: make(chan struct{}, 1000),
	}
}

func (f *fakeShelf) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeShelf) Find(ctx context.Context, k rowcache.Key, busy func()) (*rowcache.Rows, func(), error) {
	for first := true; ; first = false {
		f.mu.Lock()
		rows, claimed, changed := f.rows[k], f.claimed[k], f.changed
		if rows == nil && !claimed && f.err == nil {
			f.claimed[k] = true
		}
		f.mu.Unlock()
		switch {
		case f.err != nil || rows != nil:
			return rows, nil, f.err
		case !claimed:
			f.claims <- struct{}{}
			return nil, sync.OnceFunc(func() { f.change(func() { delete(f.claimed, k) }) }), nil
		case first:
			busy()
			f.waits <- struct{}{}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

func (f *fakeShelf) Save(_ context.Context, k rowcache.Key, rows *rowcache.Rows) error {
	f.change(func() { f.rows[k] = rows })
	return f.err
}

func TestAPictureIsEncodedOnceForTwoWorkers(t *testing.T) {
	shelf := newFakeShelf()
	e := [2]*fakeEncoder{{t: t, slices: 3}, {t: t, slices: 3}}
	var loops [2]*Loop
	for i := range loops {
		loops[i] = start(t, newFakeModel(t, 1000), e[i], Options{Shelf: shelf, Rows: rowcache.New(1 << 20)})
	}
	var got [2]outcome
	var wg sync.WaitGroup
	for i := range loops {
		wg.Go(func() { got[i] = do(t, loops[i], spec(3, picture(7, 2, 2), text(1), picture(8, 3, 2))) })
	}
	wg.Wait()
	if got[0].err != nil || got[1].err != nil || got[0].text != got[1].text || e[0].begun.Load()+e[1].begun.Load() != 2 {
		t.Errorf("%d and %d encodes, %v, %v", e[0].begun.Load(), e[1].begun.Load(), got[0], got[1])
	}
	if again := do(t, loops[0], spec(3, picture(7, 2, 2), text(1), picture(8, 3, 2))); again.text != got[0].text {
		t.Errorf("another answer: %+v", again)
	}
	var sum engine.Pictures
	for _, l := range loops {
		p := l.Pictures()
		sum.Encoded, sum.Folder, sum.Memory = sum.Encoded+p.Encoded, sum.Folder+p.Folder, sum.Memory+p.Memory
	}
	if want := (engine.Pictures{Encoded: 2, Folder: 2, Memory: 2}); sum != want {
		t.Errorf("%+v, want %+v", sum, want)
	}
}

// Whoever waits for another worker encodes a picture itself when that one gives it up, and encodes others meanwhile.
func TestAWorkerGoesOnWhereAnotherGaveUp(t *testing.T) {
	shelf := newFakeShelf()
	gate := make(chan struct{})
	slow := start(t, newFakeModel(t, 1000), &fakeEncoder{t: t, gate: gate}, Options{Shelf: shelf})
	ctx, leave := context.WithCancel(t.Context())
	first := submit(ctx, t, slow, spec(3, picture(7, 2, 2)))
	gate2 := make(chan struct{}, 10)
	e := &fakeEncoder{t: t, gate: gate2}
	other := start(t, newFakeModel(t, 1000), e, Options{Shelf: shelf})
	<-shelf.claims
	second := submit(t.Context(), t, other, spec(3, picture(7, 2, 2)))
	<-shelf.waits
	gate2 <- struct{}{}
	if got := do(t, other, spec(3, picture(9, 2, 2))); got.err != nil || e.begun.Load() != 1 {
		t.Errorf("another picture: %v, %d encodes", got.err, e.begun.Load())
	}
	leave()
	_ = read(first)
	gate2 <- struct{}{}
	if got := read(second); got.err != nil || e.begun.Load() != 2 {
		t.Errorf("%v, %d encodes", got.err, e.begun.Load())
	}
}

func TestAShelfThatFailsCostsNobodyAnAnswer(t *testing.T) {
	shelf := newFakeShelf()
	shelf.err = errors.New("no such folder")
	e := &fakeEncoder{t: t}
	l := start(t, newFakeModel(t, 1000), e, Options{Shelf: shelf})
	if got := do(t, l, spec(3, picture(7, 2, 2))); got.err != nil || e.begun.Load() != 1 {
		t.Errorf("%v, %d encodes", got.err, e.begun.Load())
	}
}

// Requests of two workers that share a shelf are answered as each would be alone, whoever leaves in between.
func TestAShelfDoesNotChangeAnswers(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 2))
	alone := start(t, newFakeModel(t, 4000), &fakeEncoder{t: t}, Options{Limits: schedule.Limits{Sequences: 1}})
	shelf := newFakeShelf()
	var loops [2]*Loop
	for i := range loops {
		limits := schedule.Limits{Sequences: 3, RowBytes: 4, AheadBytes: int64(i) * 60}
		loops[i] = start(t, newFakeModel(t, 400), &fakeEncoder{t: t, slices: 2}, Options{Shelf: shelf, Limits: limits})
	}
	var wg sync.WaitGroup
	for i := range 60 {
		var prompt []Segment
		for range 1 + rng.IntN(4) {
			shown := rng.IntN(6)
			prompt = append(prompt, picture(byte(shown), 1+shown%3, 2), text(int32(rng.IntN(50))))
		}
		n, leaves := 1+rng.IntN(9), rng.IntN(4) == 0
		want := do(t, alone, spec(n, prompt...))
		wg.Go(func() {
			if leaves {
				ctx, leave := context.WithCancel(t.Context())
				j := submit(ctx, t, loops[i%2], spec(n, prompt...))
				leave()
				_ = read(j)
				return
			}
			if got := do(t, loops[i%2], spec(n, prompt...)); got.err != nil || got.text != want.text {
				t.Errorf("job %d: %+v, alone %+v", i, got, want)
			}
		})
	}
	wg.Wait()
	shelf.mu.Lock()
	defer shelf.mu.Unlock()
	if len(shelf.rows) == 0 {
		t.Error("nothing was saved")
	}
}
