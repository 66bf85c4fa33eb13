package residence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/placement"
)

// Worker holds a set of weights from the beginning of Run to its end. It is used once.
type Worker interface { //nolint:interfacebloat // an engine with the beginning and the end of its process
	engine.Engine
	// Run ends when ctx is done, or with why there is no use in going on.
	Run(ctx context.Context) error
	// Wait blocks until the weights can be used, or it is known that they never will, or ctx is done.
	Wait(ctx context.Context) error
	// Health, Cells, Guesses, Pictures and Resident tell how it fares. They must not block.
	Health() (state engine.State, restarts int64)
	Cells() engine.Cells
	Guesses() engine.Guesses
	Pictures() engine.Pictures
	Resident() int64
}

// Files are a unit's weights on this machine.
type Files struct {
	// Need is what they take while they are loaded, About what their headers tell.
	Need  placement.Need
	About engine.Info
	// Start makes a worker for them.
	Start func() (Worker, error)
}

// Unit is a set of weights.
type Unit struct {
	placement.Unit
	// Files are those of a unit that is not Absent. Its Need is Files.Need.
	Files Files
	// Fetch brings the files of an absent unit in and tells how far it is, 0 to 1.
	Fetch func(ctx context.Context, progress func(float32)) (Files, error)
}

// Options configure a Keeper. Zero values take the defaults named beside them.
type Options struct {
	Budget placement.Budget
	// Patience is how long a Hold waits at most (5 min).
	Patience time.Duration
	// Logger may be nil.
	Logger *slog.Logger
}

// Keeper keeps units in memory. Run does the work.
type Keeper struct {
	patience time.Duration
	logger   *slog.Logger
	members  []*Member
	kick     chan struct{}
	work     sync.WaitGroup

	mu      sync.Mutex
	plan    *placement.Plan
	changed chan struct{} // closed and replaced after each step
	stopped bool
}

// New returns a Keeper that has loaded nothing.
func New(units []Unit, o Options) (*Keeper, error) {
	k := &Keeper{patience: o.Patience, logger: o.Logger, kick: make(chan struct{}, 1), changed: make(chan struct{})}
	if k.patience == 0 {
		k.patience = 5 * time.Minute
	}
	if k.logger == nil {
		k.logger = slog.New(slog.DiscardHandler)
	}
	planned := make([]placement.Unit, len(units))
	for i := range units {
		u := &units[i]
		if u.Absent == (u.Fetch == nil) || u.Absent == (u.Files.Start != nil) {
			return nil, fmt.Errorf("residence: %s needs either files or a way to fetch them", u.ID)
		}
		planned[i] = u.Unit
		planned[i].Need = u.Files.Need
		k.members = append(k.members, &Member{id: u.ID, keeper: k, eager: u.Eager, files: u.Files, fetch: u.Fetch})
	}
	var err error
	k.plan, err = placement.New(planned, o.Budget)
	return k, err
}

// Members are the units, in the order in which they were given.
func (k *Keeper) Members() []*Member { return k.members }

func (k *Keeper) member(id string) *Member {
	for _, m := range k.members {
		if m.id == id {
			return m
		}
	}
	return nil
}

// Run brings units in and out until ctx is done; then it ends all workers and waits for them.
func (k *Keeper) Run(ctx context.Context) {
	defer k.work.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			k.stop()
			return
		case <-k.kick:
		case <-timer.C:
		}
		for _, a := range k.step(timer) {
			m := k.member(a.ID)
			switch a.Deed {
			case placement.Fetch:
				k.work.Go(func() { m.bring(ctx) })
			case placement.Load:
				k.work.Go(func() { m.serve(ctx) })
			case placement.Unload:
				k.logger.Info("weights are unloaded", "weights", a.ID)
				m.dismiss()
			}
		}
	}
}

// step asks the plan what to do, has the timer tell when to ask again, and wakes who waits for a change.
func (k *Keeper) step(timer *time.Timer) []placement.Action {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	actions := k.plan.Step(now)
	if at, ok := k.plan.Next(); ok {
		timer.Reset(max(0, at.Sub(now)))
	} else {
		timer.Stop()
	}
	close(k.changed)
	k.changed = make(chan struct{})
	return actions
}

// stop has all who wait give up.
func (k *Keeper) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	close(k.changed)
	k.changed = make(chan struct{})
}

// tell changes the plan and has Run look at it.
func (k *Keeper) tell(news func(p *placement.Plan, now time.Time)) {
	k.mu.Lock()
	news(k.plan, time.Now())
	k.mu.Unlock()
	select {
	case k.kick <- struct{}{}:
	default: // Run has not seen what came before
	}
}

// watch gives the standing of a member, and a channel that is closed when it may have changed.
func (k *Keeper) watch(m *Member) (placement.Status, <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.plan.Status(m.id, time.Now())
	if k.stopped {
		s.State = engine.StateStopped
	}
	return s, k.changed
}

// errHopeless is that no unit can be used.
var errHopeless = errors.New("no weights can be loaded")

// AwaitHopeless blocks until no unit can be used: all were to be loaded without anybody asking, and have failed. Then
// it returns an error. It returns nil when ctx is done. Files that could not be fetched may still be.
func (k *Keeper) AwaitHopeless(ctx context.Context) error {
	for {
		hopeless := true
		var changed <-chan struct{}
		for _, m := range k.members {
			var s placement.Status
			if s, changed = k.watch(m); s.State != engine.StateFailed || m.isAbsent() || !m.eager {
				hopeless = false
			}
		}
		if hopeless {
			return errHopeless
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// Settle blocks until nothing is being fetched or loaded any more, or ctx is done.
func (k *Keeper) Settle(ctx context.Context) error {
	for {
		settled := true
		var changed <-chan struct{}
		for _, m := range k.members {
			var s placement.Status
			if s, changed = k.watch(m); s.State == engine.StateLoading || s.State == engine.StateDownloading || s.Wanted {
				settled = false
			}
		}
		if settled {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
