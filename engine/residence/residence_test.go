package residence

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/enginetest"
	"github.com/qwenvld/qwenvld/engine/placement"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeWorker takes a while to load, and serves until it is ended or dies.
type fakeWorker struct {
	enginetest.Fake
	loads time.Duration
	fails error
	dies  chan error
	over  func()

	mu    sync.Mutex
	state engine.State
	ready chan struct{}
	given chan struct{} // closed when it has failed
}

var _ Worker = (*fakeWorker)(nil)

func (w *fakeWorker) set(s engine.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state = s
}

func (w *fakeWorker) Run(ctx context.Context) error {
	defer w.over()
	select {
	case <-time.After(w.loads):
	case <-ctx.Done():
		w.set(engine.StateStopped)
		close(w.given)
		return nil
	}
	if w.fails != nil {
		w.set(engine.StateFailed)
		close(w.given)
		return w.fails
	}
	w.set(engine.StateReady)
	close(w.ready)
	select {
	case err := <-w.dies:
		w.set(engine.StateFailed)
		return err
	case <-ctx.Done():
		time.Sleep(time.Second) // memory takes a while to be free
		return nil
	}
}

func (w *fakeWorker) Wait(ctx context.Context) error {
	select {
	case <-w.ready:
		return nil
	case <-w.given:
		return &engine.UnavailableError{State: engine.StateFailed, Reason: "it does not load"}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (w *fakeWorker) Health() (engine.State, int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state, 1
}

func (w *fakeWorker) Cells() engine.Cells { return engine.Cells{Free: 7} }

func (w *fakeWorker) Resident() int64 { return 9 }

func (w *fakeWorker) Guesses() engine.Guesses { return engine.Guesses{Made: 3, Held: 2} }

func (w *fakeWorker) Pictures() engine.Pictures { return engine.Pictures{Folder: 4} }

func (w *fakeWorker) Info(ctx context.Context) (engine.Info, error) {
	if state, _ := w.Health(); state != engine.StateReady {
		return engine.Info{}, &engine.UnavailableError{State: state, Progress: 0.5}
	}
	return w.Fake.Info(ctx)
}

// site is a keeper at work.
type site struct {
	*Keeper
	t *testing.T

	mu sync.Mutex
	// running are the workers that hold weights, by unit; most how many there were at a time, started all in order.
	running map[string]*fakeWorker
	most    int
	started []string
	// fails is what loading fails with.
	fails map[string]error
}

// units of so many bytes each, of which each takes ten seconds to load and is kept for a minute.
func (s *site) unit(id string, bytes int64) Unit {
	return Unit{Unit: placement.Unit{ID: id, KeepAlive: time.Minute}, Files: s.files(id, bytes)}
}

func (s *site) files(id string, bytes int64) Files {
	return Files{
		Need: placement.Need{Own: map[placement.Device]int64{placement.Host: bytes}}, About: engine.Info{ContextSize: 100},
		Start: func() (Worker, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if err := s.fails[id]; err != nil && err.Error() == "no such program" {
				return nil, err
			}
			w := &fakeWorker{
				Fake: enginetest.Fake{Model: engine.Info{Name: id, ContextSize: 100}, Events: []engine.Event{{Result: &engine.Result{}}}}, loads: 10 * time.Second, fails: s.fails[id],
				dies: make(chan error), state: engine.StateLoading, ready: make(chan struct{}), given: make(chan struct{}),
			}
			w.over = func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				delete(s.running, id)
			}
			if s.running[id] != nil {
				s.t.Errorf("%s is loaded twice", id)
			}
			s.running[id] = w
			s.most = max(s.most, len(s.running))
			s.started = append(s.started, id)
			return w, nil
		},
	}
}

func (s *site) worker(id string) *fakeWorker {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running[id]
}

// run runs a keeper of the units that units makes within a bubble of time, and test beside it.
func run(t *testing.T, budget int64, units func(*site) []Unit, test func(*site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &site{t: t, running: map[string]*fakeWorker{}, fails: map[string]error{}}
		var err error
		s.Keeper, err = New(units(s), Options{Budget: placement.Budget{placement.Host: budget}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.Run(ctx) })
		test(s)
		stop()
		running.Wait()
		if len(s.running) > 0 {
			t.Errorf("left behind: %v", s.running)
		}
	})
}

func (s *site) hold(id string) (func(), error) {
	return s.member(id).Hold(s.t.Context(), engine.Hold{})
}

func (s *site) mustHold(id string) func() {
	s.t.Helper()
	release, err := s.hold(id)
	if err != nil {
		s.t.Fatal(err)
	}
	return release
}

func (s *site) state(id string) engine.State {
	state, _ := s.member(id).Health()
	return state
}

func two(s *site) []Unit { return []Unit{s.unit("a", 6), s.unit("b", 6)} }

func TestWeightsAreLoadedForWhoAsksAndUnloadedWhenIdle(t *testing.T) {
	run(t, 10, two, func(s *site) {
		m := s.member("a")
		if _, err := m.Info(s.t.Context()); !errors.Is(err, engine.ErrUnavailable) || s.state("a") != engine.StateUnloaded {
			t.Errorf("%v, %s", err, s.state("a"))
		}
		if o := m.Outlook(); o.Wait == 0 || o.Hopeless || o.About.ContextSize != 100 || o.Memory["host"] != 6 || o.Down.State != engine.StateUnloaded {
			t.Errorf("%+v", o)
		}
		release := s.mustHold("a")
		if o := m.Outlook(); o.Wait != 0 || o.Down != nil {
			t.Errorf("%+v", o)
		}
		if info, err := m.Info(s.t.Context()); err != nil || info.Name != "a" {
			t.Errorf("%+v, %v", info, err)
		}
		if m.Guesses().Held != 2 || m.Pictures().Folder != 4 || m.Cells().Free != 7 || m.Resident() != 9 {
			t.Error("cells")
		}
		time.Sleep(time.Hour)
		if s.state("a") != engine.StateReady {
			t.Error("unloaded while it was used")
		}
		release()
		release()
		time.Sleep(time.Minute - time.Second)
		if s.state("a") != engine.StateReady {
			t.Error("unloaded too early")
		}
		time.Sleep(3 * time.Second)
		if state, restarts := m.Health(); state != engine.StateUnloaded || restarts != 1 || s.worker("a") != nil {
			t.Errorf("%s, %d restarts", state, restarts)
		}
		if o := m.Outlook(); o.Wait != 10*time.Second {
			t.Errorf("what loading took is not remembered: %v", o.Wait)
		}
	})
}

func TestSwappingUnderConcurrentRequestsLosesNone(t *testing.T) {
	run(t, 10, two, func(s *site) {
		var asking sync.WaitGroup
		for i := range 40 {
			asking.Go(func() {
				time.Sleep(time.Duration(i) * 700 * time.Millisecond)
				id := []string{"a", "b"}[i%2]
				release := s.mustHold(id)
				defer release()
				time.Sleep(3 * time.Second)
				stream, err := s.member(id).Generate(s.t.Context(), &engine.Request{})
				if err != nil {
					t.Errorf("%s: %v", id, err)
					return
				}
				_ = stream.Close()
			})
		}
		asking.Wait()
		if s.most != 1 {
			t.Errorf("%d sets of weights in memory for one", s.most)
		}
		if n := len(s.started); n > 8 {
			t.Errorf("%d loads for 40 requests: %v", n, s.started)
		}
	})
}

func TestAHolderIsToldWhatItWaitsFor(t *testing.T) {
	run(t, 10, two, func(s *site) {
		var told []string
		release, err := s.member("a").Hold(s.t.Context(), engine.Hold{Waiting: func(e engine.UnavailableError) {
			told = append(told, string(e.State))
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		if got := strings.Join(told, " "); !strings.HasPrefix(got, "unloaded") && !strings.HasPrefix(got, "loading") || len(told) < 9 {
			t.Error(got)
		}
	})
}

func TestWhoLeavesWhileWaitingLeavesNoTrace(t *testing.T) {
	run(t, 10, two, func(s *site) {
		hold := s.mustHold("a")
		ctx, leave := context.WithCancelCause(s.t.Context())
		gone := errors.New("gone")
		time.AfterFunc(5*time.Second, func() { leave(gone) })
		if _, err := s.member("b").Hold(ctx, engine.Hold{}); !errors.Is(err, gone) {
			t.Error(err)
		}
		hold()
		time.Sleep(5 * time.Second)
		if s.state("a") != engine.StateReady || len(s.started) != 1 {
			t.Errorf("a %s, started %v", s.state("a"), s.started)
		}
	})
}

func TestWeightsCanBeHeldIfTheyAreLoaded(t *testing.T) {
	run(t, 10, two, func(s *site) {
		ifLoaded := engine.Hold{Loaded: true}
		if _, err := s.member("a").Hold(s.t.Context(), ifLoaded); !errors.Is(err, engine.ErrUnavailable) {
			t.Error(err)
		}
		if len(s.started) > 0 {
			t.Errorf("loaded: %v", s.started)
		}
		s.mustHold("a")()
		release, err := s.member("a").Hold(s.t.Context(), ifLoaded)
		if err != nil {
			t.Fatal(err)
		}
		release()
		if o := s.member("b").Outlook(); !o.Displaces {
			t.Errorf("%+v", o)
		}
	})
}

func TestWaitingIsBounded(t *testing.T) {
	run(t, 10, two, func(s *site) {
		defer s.mustHold("a")()
		began := time.Now()
		_, err := s.hold("b")
		var down *engine.UnavailableError
		if !errors.As(err, &down) || !strings.Contains(down.Reason, "5m0s") || time.Since(began) != 5*time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestAFailureIsToldAndTriedAgain(t *testing.T) {
	for name, failure := range map[string]error{"loading": errors.New("damaged"), "starting": errors.New("no such program")} {
		t.Run(name, func(t *testing.T) {
			run(t, 10, two, func(s *site) {
				s.fails["a"] = failure
				_, err := s.hold("a")
				var down *engine.UnavailableError
				if !errors.As(err, &down) || down.State != engine.StateFailed || down.Reason == "" || down.RetryIn != 30*time.Second {
					t.Errorf("%+v", down)
				}
				if o := s.member("a").Outlook(); !o.Hopeless || o.Down.Reason != down.Reason {
					t.Errorf("%+v", o)
				}
				time.Sleep(30 * time.Second)
				if o := s.member("a").Outlook(); o.Hopeless {
					t.Errorf("%+v", o)
				}
				s.mu.Lock()
				delete(s.fails, "a")
				s.mu.Unlock()
				s.mustHold("a")()
			})
		})
	}
}

func TestAWorkerThatIsGivenUpIsAFailure(t *testing.T) {
	run(t, 10, two, func(s *site) {
		hold := s.mustHold("a")
		s.worker("a").dies <- errors.New("five starts failed")
		synctest.Wait()
		if _, err := s.member("a").Info(s.t.Context()); err == nil || !strings.Contains(err.Error(), "five starts failed") {
			t.Error(err)
		}
		hold()
		s.mustHold("b")() // its memory is free
	})
}

func TestUnloadingWaitsForRequests(t *testing.T) {
	run(t, 10, two, func(s *site) {
		hold := s.mustHold("a")
		time.AfterFunc(time.Minute, hold)
		began := time.Now()
		if err := s.member("a").Unload(s.t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != time.Minute+time.Second || s.state("a") != engine.StateUnloaded {
			t.Errorf("%s after %v", s.state("a"), took)
		}
		if err := s.member("a").Unload(s.t.Context()); err != nil { // again
			t.Error(err)
		}
		hold = s.mustHold("a")
		ctx, leave := context.WithTimeout(s.t.Context(), time.Second)
		defer leave()
		if err := s.member("a").Unload(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		hold() // it goes on without whoever asked for it
		time.Sleep(2 * time.Second)
		if s.state("a") != engine.StateUnloaded {
			t.Errorf("a is %s", s.state("a"))
		}
	})
}

func TestFilesAreFetchedFirst(t *testing.T) {
	var attempts int
	run(t, 10, func(s *site) []Unit {
		return []Unit{{
			Unit: placement.Unit{ID: "a", Eager: true, Pinned: true, KeepAlive: -1, Absent: true},
			Fetch: func(ctx context.Context, progress func(float32)) (Files, error) {
				progress(0.25)
				time.Sleep(time.Minute)
				if attempts++; attempts == 1 {
					return Files{}, errors.New("the hub is away")
				}
				return s.files("a", 6), ctx.Err()
			},
		}}
	}, func(s *site) {
		synctest.Wait()
		_, err := s.member("a").Info(s.t.Context())
		var down *engine.UnavailableError
		if !errors.As(err, &down) || down.State != engine.StateDownloading || down.Progress != 0.25 {
			t.Errorf("%+v", down)
		}
		if err := s.member("a").Unload(s.t.Context()); err == nil {
			t.Error("what is being fetched cannot be unloaded")
		}
		if _, err = s.hold("a"); !errors.As(err, &down) || down.Reason != "the hub is away" {
			t.Errorf("%+v", down)
		}
		time.Sleep(30 * time.Second)
		s.mustHold("a")()
		if attempts != 2 {
			t.Errorf("%d attempts", attempts)
		}
	})
}

func TestTheEndEndsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{t: t, running: map[string]*fakeWorker{}, fails: map[string]error{}}
		var err error
		if s.Keeper, err = New(two(s), Options{}); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Second, stop) // while it is being loaded
		var running sync.WaitGroup
		running.Go(func() { s.Run(ctx) })
		_, err = s.hold("a")
		var down *engine.UnavailableError
		if !errors.As(err, &down) || down.State != engine.StateStopped {
			t.Error(err)
		}
		running.Wait()
		if len(s.running) > 0 || s.state("a") != engine.StateStopped {
			t.Errorf("%v, %s", s.running, s.state("a"))
		}
	})
}

func TestHopeIsLostWithTheLastUnit(t *testing.T) {
	eager := func(s *site) []Unit {
		units := two(s)
		for i := range units {
			units[i].Eager, units[i].Pinned = true, true
			s.fails[units[i].ID] = errors.New("damaged")
		}
		return units
	}
	run(t, 20, eager, func(s *site) {
		if err := s.Settle(s.t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.AwaitHopeless(s.t.Context()); err == nil {
			t.Error("there is hope")
		}
	})
	run(t, 20, two, func(s *site) {
		for _, id := range []string{"a", "b"} {
			s.fails[id] = errors.New("damaged")
			if _, err := s.hold(id); err == nil {
				t.Errorf("%s is damaged", id)
			}
		}
		ctx, leave := context.WithTimeout(s.t.Context(), time.Hour)
		defer leave()
		if err := s.AwaitHopeless(ctx); err != nil {
			t.Error("who asks later may have more luck")
		}
	})
}

func TestUnitsNeedFilesOrAWayToThem(t *testing.T) {
	s := &site{t: t}
	for name, u := range map[string]Unit{
		"neither": {Unit: placement.Unit{ID: "a"}}, "absent": {Unit: placement.Unit{ID: "a", Absent: true}},
		"both": {Unit: placement.Unit{ID: "a", Absent: true}, Files: s.files("a", 1), Fetch: func(context.Context, func(float32)) (Files, error) { return Files{}, nil }},
	} {
		if _, err := New([]Unit{u}, Options{}); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
