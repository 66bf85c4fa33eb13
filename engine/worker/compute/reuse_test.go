package compute

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/schedule"
)

// shared are limits under which rows are kept for later prompts.
func shared(sequences, parked int) Options {
	return Options{Limits: schedule.Limits{Sequences: sequences, ParkedCells: parked, Branches: 50}}
}

// story makes prompts that begin alike: each goes on from a random one before it, with what was answered to that or
// without.
func story(rng *rand.Rand, n int) (out [][]Segment) {
	out = append(out, randomPrompt(rng))
	for len(out) < n {
		before := out[rng.IntN(len(out))]
		keep := rng.IntN(len(before) + 1)
		next := append(slices.Clone(before[:keep]), randomPrompt(rng)...)
		out = append(out, next[:min(len(next), 8)])
	}
	return out
}

// Whatever rows requests share, in a roomy cache and in one too small for them, each answers what it answers alone in
// an empty cache.
func TestSharedRowsDoNotChangeAnswers(t *testing.T) {
	for name, o := range map[string]struct{ cells, sequences, parked int }{
		"one at a time":       {4000, 1, 4000},
		"together":            {4000, 7, 4000},
		"in a tight cache":    {260, 7, 260},
		"with little to park": {4000, 7, 30},
	} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(5, 6))
			var specs []func() Spec
			for _, prompt := range story(rng, 60) {
				n := 1 + rng.IntN(40)
				scope := []string{"", "", "s"}[rng.IntN(3)]
				specs = append(specs, func() Spec {
					s := spec(n, prompt...)
					s.Scope = scope
					return s
				})
			}
			want := make([]outcome, len(specs))
			for i, s := range specs {
				want[i] = do(t, start(t, newFakeModel(t, 4000), &fakeEncoder{t: t}, Options{}), s())
			}
			m := newFakeModel(t, o.cells)
			l := start(t, m, &fakeEncoder{t: t}, shared(o.sequences, o.parked))
			var all sync.WaitGroup
			var mu sync.Mutex
			reused := 0
			for i, s := range specs {
				all.Go(func() {
					got := do(t, l, s())
					if got.err != nil || got.text != want[i].text {
						t.Errorf("job %d: %+v, alone %+v", i, got, want[i])
						return
					}
					mu.Lock()
					defer mu.Unlock()
					reused += got.result.Usage.CachedTokens
				})
				if o.sequences == 1 {
					all.Wait()
				}
			}
			all.Wait()
			if reused == 0 {
				t.Error("nothing was reused")
			}
		})
	}
}

func TestTheNextTurnComputesOnlyWhatIsNew(t *testing.T) {
	m := newFakeModel(t, 1000)
	rows := 0
	m.fail = func(batch []Row) error { rows += len(batch); return nil }
	e := &fakeEncoder{t: t, slices: 2}
	l := start(t, m, e, shared(2, 500))
	first := []Segment{text(1, 2, 3), picture(7, 2, 3), text(4, 5)}
	s := spec(4, first...)
	s.Logprobs = true
	got := do(t, l, s)
	if got.err != nil || got.result.Usage.CachedTokens != 0 || e.begun.Load() != 1 {
		t.Fatalf("%+v, %d encoded", got, e.begun.Load())
	}
	for name, c := range map[string]struct {
		scope   string
		prompt  []Segment
		cached  int
		encoded int32
	}{
		"the same again":       {"", first, 9, 0},
		"with its answer":      {"", append(slices.Clone(first), text(append(got.tokens, 9, 9)...)), 11, 0},
		"another question":     {"", []Segment{first[0], first[1], text(8)}, 9, 0},
		"another picture":      {"", []Segment{first[0], picture(8, 2, 3), text(4, 5)}, 3, 1},
		"another shape":        {"", []Segment{first[0], picture(7, 3, 2), text(4, 5)}, 3, 1},
		"somebody else's salt": {"s", first, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			rows = 0
			before := e.begun.Load()
			s := spec(1, c.prompt...)
			s.Scope = c.scope
			got := do(t, l, s)
			prompt := got.result.Usage.PromptTokens
			encoded := e.begun.Load() - before
			if got.err != nil || got.result.Usage.CachedTokens != c.cached || rows != prompt-c.cached || encoded != c.encoded {
				t.Errorf("%+v: %d rows computed, %d images encoded", got.result.Usage, rows, encoded)
			}
		})
	}
}

// Requests at once compute what they have in common once: all but the first wait for its rows.
func TestOneComputesWhatAllBeginWith(t *testing.T) {
	common := make([]int32, 200)
	for i := range common {
		common[i] = int32(i % 50)
	}
	m := newFakeModel(t, 1000)
	rows := 0
	m.fail = func(batch []Row) error { rows += len(batch); return nil }
	l := start(t, m, &fakeEncoder{t: t}, shared(8, 1000))
	var jobs []*Job
	for i := range int32(8) {
		j, err := l.Submit(t.Context(), spec(1, picture(3, 5, 8), text(common...), text(i, i)))
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	for _, j := range jobs {
		if got := read(j); got.err != nil {
			t.Error(got.err)
		}
	}
	// What is left of the common part may be short enough to be computed by all.
	if most := 240 + 8*34; rows > most {
		t.Errorf("%d rows were computed, at most %d would do", rows, most)
	}
}

func TestTheSecondGoesOnWhereTheFirstGaveUp(t *testing.T) {
	gate := make(chan struct{}, 2)
	m := newFakeModel(t, 1000)
	l := start(t, m, &fakeEncoder{t: t, gate: gate}, shared(4, 1000))
	prompt := []Segment{text(1, 2), picture(3, 6, 8), text(4)}
	ctx, cancel := context.WithCancelCause(t.Context())
	first, err := l.Submit(ctx, spec(3, prompt...))
	if err != nil {
		t.Fatal(err)
	}
	second, err := l.Submit(t.Context(), spec(3, prompt...))
	if err != nil {
		t.Fatal(err)
	}
	reason := errors.New("left")
	cancel(reason)
	if got := read(first); !errors.Is(got.err, reason) {
		t.Errorf("the first ended with %v", got.err)
	}
	gate <- struct{}{}
	gate <- struct{}{}
	want := do(t, start(t, newFakeModel(t, 1000), &fakeEncoder{t: t}, Options{}), spec(3, prompt...))
	if got := read(second); got.err != nil || got.text != want.text {
		t.Errorf("%+v, alone %+v", got, want)
	}
}

func TestCancelledJobsLeaveNoCellsButParkedOnes(t *testing.T) {
	m := newFakeModel(t, 600)
	l := New(Options{
		Limits: schedule.Limits{Cells: 600, Sequences: 5, BatchRows: 16, PrefillRows: 5, ParkedCells: 600, Branches: 50}, MaxQueue: 200,
	}, m, &fakeEncoder{t: t}, fakeVocab{})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.Run(ctx)
	}()
	rng := rand.New(rand.NewPCG(8, 9))
	var all sync.WaitGroup
	for range 100 {
		s := spec(50, randomPrompt(rng)...)
		events := rng.IntN(4)
		all.Go(func() {
			j, err := l.Submit(t.Context(), s)
			if err != nil {
				t.Error(err)
				return
			}
			for range events {
				_, _, _ = j.Events(t.Context())
			}
			j.Cancel()
		})
	}
	all.Wait()
	stop()
	<-ended
	if stats := l.plan.Shared(); l.plan.Cells() != 0 || stats.Held != 0 || stats.Parked != m.held() {
		t.Errorf("%d cells are live, %+v, %d are used", l.plan.Cells(), stats, m.held())
	}
	l.plan.GiveUpParked()
	l.updateCache()
	if m.held() != 0 {
		t.Errorf("%d cells are left", m.held())
	}
}

// A video whose frames come one by one shares those that an earlier one had.
func TestFramesAreComparedAsTheyCome(t *testing.T) {
	l := start(t, newFakeModel(t, 1000), &fakeEncoder{t: t}, shared(2, 1000))
	clip := func(frames ...byte) (out []Segment, later []*engine.Pixels) {
		for i, f := range frames {
			g := picture(f, 2, 2)
			g.Image.RGB, g.Image.Later = nil, engine.NewPixels()
			later = append(later, g.Image.Later)
			out = append(out, text(int32(i), 9), g)
		}
		return append(out, text(5, 6)), later
	}
	for _, c := range []struct {
		frames []byte
		cached int
	}{{[]byte{1, 2, 3}, 0}, {[]byte{1, 2, 3, 4}, 18}, {[]byte{1, 2, 9, 4}, 14}, {[]byte{1, 2, 3, 4}, 24}} {
		t.Run(fmt.Sprintf("%d cached", c.cached), func(t *testing.T) {
			segments, later := clip(c.frames...)
			j, err := l.Submit(t.Context(), spec(2, segments...))
			if err != nil {
				t.Fatal(err)
			}
			for i, f := range c.frames {
				later[i].Set([]byte{f}, nil)
			}
			if got := read(j); got.err != nil || got.result.Usage.CachedTokens != c.cached {
				t.Errorf("%+v %+v", got, got.result)
			}
		})
	}
}
