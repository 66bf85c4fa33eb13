package admission

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func enter(t *testing.T, g *Gate, client string, n int) *Pass {
	t.Helper()
	p, err := g.Enter(t.Context(), client, n)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAFreePlaceGoesToTheClientWithTheFewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Places: 4, Waiting: 10, Patience: time.Minute})
		var hog []*Pass
		for range 4 {
			hog = append(hog, enter(t, g, "hog", 1))
		}
		order := make(chan string, 8)
		wait := func(client string) {
			go func() {
				p, err := g.Enter(t.Context(), client, 1)
				if err != nil {
					t.Error(err)
				}
				order <- client
				_ = p
			}()
			synctest.Wait()
		}
		wait("hog")
		wait("hog")
		wait("good")
		for _, want := range []string{"good", "hog", "hog"} {
			hog[0].Leave()
			hog[0].Leave() // does nothing
			hog = hog[1:]
			synctest.Wait()
			if got := <-order; got != want {
				t.Errorf("%s was let in, want %s", got, want)
			}
		}
	})
}

func TestWaitingIsBoundedInTimeAndNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Places: 1, Waiting: 2, Patience: time.Second})
		p := enter(t, g, "a", 1)
		results := map[string]chan error{}
		for _, name := range []string{"hog 1", "hog 2", "hog 3", "good"} {
			result := make(chan error, 1)
			results[name] = result
			client := name[:3]
			go func() {
				_, err := g.Enter(t.Context(), client, 1)
				result <- err
			}()
			synctest.Wait()
		}
		// The third of the hog is one too many, and its second makes room for somebody else.
		for _, name := range []string{"hog 3", "hog 2"} {
			if err := <-results[name]; !errors.Is(err, ErrFull) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, name := range []string{"hog 1", "good"} {
			if err := <-results[name]; !errors.Is(err, ErrPatience) {
				t.Errorf("%s: %v", name, err)
			}
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("gone")
		cancel(gone)
		if _, err := g.Enter(ctx, "a", 1); !errors.Is(err, gone) {
			t.Errorf("%v", err)
		}
		p.Leave()
		if g.Waiting() != 0 || g.free != 1 || len(g.held) != 0 {
			t.Errorf("%d wait, %d free, %v", g.Waiting(), g.free, g.held)
		}
	})
}

func TestNobodyWaitsWhereWaitingIsOff(t *testing.T) {
	g := New(Options{Places: 1})
	p := enter(t, g, "a", 1)
	if _, err := g.Enter(t.Context(), "b", 1); !errors.Is(err, ErrFull) {
		t.Errorf("%v", err)
	}
	p.Leave()
	enter(t, g, "b", 1).Leave()
}

func TestSeveralPlacesAreTakenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Places: 4, PerClient: 3, Waiting: 4, Patience: time.Minute})
		if p := enter(t, g, "a", 100); p.Places() != 3 {
			t.Errorf("%d places", p.Places())
		} else {
			time.AfterFunc(time.Second, p.Leave)
		}
		start := time.Now()
		enter(t, g, "b", 1).Leave()
		if time.Since(start) > 0 {
			t.Error("waited for a place that was free")
		}
		enter(t, g, "b", 2)
		if time.Since(start) != time.Second {
			t.Errorf("waited for %s", time.Since(start))
		}
	})
}

func TestOneClientCannotHoldAllPlacesWhereThatIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Places: 4, PerClient: 3, Waiting: 4, Patience: time.Second})
		for range 3 {
			enter(t, g, "hog", 1)
		}
		go func() { _, _ = g.Enter(t.Context(), "hog", 1) }()
		synctest.Wait()
		enter(t, g, "good", 1)
	})
}

func TestTheWaitForAPlaceIsEstimated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Places: 2, Waiting: 8, Patience: time.Hour})
		if e := g.Expected(time.Second); e != 0 {
			t.Errorf("%s with free places", e)
		}
		first, second := enter(t, g, "a", 1), enter(t, g, "a", 1)
		if e := g.Expected(7 * time.Second); e != 7*time.Second {
			t.Errorf("%s before anything is known", e)
		}
		time.Sleep(20 * time.Second)
		if e := g.Expected(time.Second); e != 10*time.Second {
			t.Errorf("%s, want half of the 20 s that two places are held", e)
		}
		go func() { _, _ = g.Enter(t.Context(), "b", 1) }()
		synctest.Wait()
		if e := g.Expected(time.Second); e != 20*time.Second {
			t.Errorf("%s behind another", e)
		}
		first.Leave()
		second.Leave()
	})
}

func TestAGateThatIsResizedLetsInWhomItHasRoomFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Places: 1, Waiting: 10, Patience: time.Minute})
		first := enter(t, g, "a", 1)
		entered := make(chan *Pass, 2)
		for _, client := range []string{"b", "c"} {
			go func() { entered <- enter(t, g, client, 4) }()
		}
		synctest.Wait()
		if g.Waiting() != 2 {
			t.Fatalf("%d wait", g.Waiting())
		}
		g.Resize(Bounds{Places: 2, Waiting: 1, Patience: time.Second})
		second := <-entered
		synctest.Wait()
		if second.Places() != 1 || g.Waiting() != 1 {
			t.Fatalf("%d places, %d wait", second.Places(), g.Waiting())
		}
		g.Resize(Bounds{Places: 1, Waiting: 1, Patience: time.Second}) // two are inside
		first.Leave()
		synctest.Wait()
		if g.Waiting() != 1 {
			t.Error("somebody was let in where there is no room")
		}
		second.Leave()
		(<-entered).Leave()
		enter(t, g, "a", 1).Leave()
	})
}
