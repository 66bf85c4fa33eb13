package residence

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/placement"
)

// Member is a unit as those see it who use it. It is safe for concurrent use.
type Member struct {
	id     string
	keeper *Keeper
	eager  bool // loaded without anybody asking
	fetch  func(ctx context.Context, progress func(float32)) (Files, error)

	mu    sync.Mutex
	files Files
	// worker is the one that holds the weights, or is to hold them; end ends it.
	worker Worker
	end    context.CancelFunc
	// fetched is how much of the files is there, 0 to 1.
	fetched float32
	// took is how long loading took the last time.
	took time.Duration
	// restarts are those of workers that are no more.
	restarts int64
}

var _ engine.OnDemand = (*Member)(nil)

// bring fetches the unit's files.
func (m *Member) bring(ctx context.Context) {
	k := m.keeper
	k.logger.Info("weights are fetched", "weights", m.id)
	files, err := m.fetch(ctx, func(part float32) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.fetched = part
	})
	switch {
	case ctx.Err() != nil:
	case err != nil:
		k.logger.Error("weights could not be fetched", "weights", m.id, "error", err)
		k.tell(func(p *placement.Plan, now time.Time) { p.Failed(m.id, err.Error(), now) })
	default:
		m.mu.Lock()
		m.files = files
		m.mu.Unlock()
		k.tell(func(p *placement.Plan, _ time.Time) { p.Arrived(m.id, files.Need) })
	}
}

// serve has a worker hold the weights from its start to its end.
func (m *Member) serve(ctx context.Context) {
	k := m.keeper
	began := time.Now()
	fail := func(err error) {
		if ctx.Err() == nil {
			k.tell(func(p *placement.Plan, now time.Time) { p.Failed(m.id, reasonOf(err), now) })
		}
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	w, err := m.start(end)
	if err != nil {
		k.logger.Error("weights could not be loaded", "weights", m.id, "error", err)
		fail(err)
		return
	}
	var running sync.WaitGroup
	running.Go(func() { err = w.Run(ctx) })
	failed := w.Wait(ctx)
	if failed == nil {
		m.mu.Lock()
		m.took = time.Since(began)
		m.mu.Unlock()
		k.tell(func(p *placement.Plan, now time.Time) { p.Loaded(m.id, now) })
	}
	running.Wait()
	m.retire(w)
	switch {
	case ctx.Err() != nil: // it was ended
		k.tell(func(p *placement.Plan, _ time.Time) { p.Unloaded(m.id) })
	case failed != nil:
		fail(failed) // which says why, without what the worker logged
	default:
		fail(err)
	}
}

// reasonOf is what is to be told of a failure.
func reasonOf(err error) string {
	var down *engine.UnavailableError
	if errors.As(err, &down) && down.Reason != "" {
		return down.Reason
	}
	return err.Error()
}

func (m *Member) start(end context.CancelFunc) (Worker, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w, err := m.files.Start()
	if err == nil {
		m.worker, m.end = w, end
	}
	return w, err
}

// retire forgets a worker that has ended.
func (m *Member) retire(w Worker) {
	_, restarts := w.Health()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.worker, m.end = nil, nil
	m.restarts += restarts
}

// dismiss ends the worker.
func (m *Member) dismiss() {
	m.mu.Lock()
	end := m.end
	m.mu.Unlock()
	if end != nil {
		end()
	}
}

// current is the worker, nil where there is none.
func (m *Member) current() Worker {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.worker
}

// isAbsent says that the unit's files have not come yet.
func (m *Member) isAbsent() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.files.Start == nil
}

// down is why the weights cannot be used in state s; nil where they can.
func (m *Member) down(s *placement.Status) *engine.UnavailableError {
	out := &engine.UnavailableError{State: s.State, Reason: s.Reason, RetryIn: s.RetryIn}
	switch s.State {
	case engine.StateReady:
		return nil
	case engine.StateDownloading:
		m.mu.Lock()
		out.Progress = m.fetched
		m.mu.Unlock()
	case engine.StateLoading:
		var now *engine.UnavailableError
		if w := m.current(); w == nil {
			break
		} else if _, err := w.Info(context.Background()); errors.As(err, &now) { // which does not block
			out.Progress, out.Reason = now.Progress, now.Reason
		}
	default: // there is nothing to add
	}
	return out
}

// service is the worker, or why there is none. One that is to be unloaded serves those who hold it.
func (m *Member) service() (Worker, error) {
	s, _ := m.keeper.watch(m)
	if w := m.current(); w != nil && (s.State == engine.StateReady || s.State == engine.StateUnloading) {
		return w, nil
	}
	down := m.down(&s)
	if down == nil { // the worker has just ended
		down = &engine.UnavailableError{State: engine.StateRestarting}
	}
	return nil, down
}

// Info implements engine.Engine.
func (m *Member) Info(ctx context.Context) (engine.Info, error) {
	w, err := m.service()
	if err != nil {
		return engine.Info{}, err
	}
	return w.Info(ctx)
}

// Generate implements engine.Engine.
func (m *Member) Generate(ctx context.Context, req *engine.Request) (engine.Stream, error) {
	w, err := m.service()
	if err != nil {
		return nil, err
	}
	return w.Generate(ctx, req)
}

// Tokenize implements engine.Engine.
func (m *Member) Tokenize(ctx context.Context, pieces []engine.Piece) ([]int32, error) {
	w, err := m.service()
	if err != nil {
		return nil, err
	}
	return w.Tokenize(ctx, pieces)
}

// TokenBytes implements engine.Engine.
func (m *Member) TokenBytes(ctx context.Context, tokens []int32) ([][]byte, error) {
	w, err := m.service()
	if err != nil {
		return nil, err
	}
	return w.TokenBytes(ctx, tokens)
}

// Health says in which state the weights are, and how often a worker has ended and another was started.
func (m *Member) Health() (state engine.State, restarts int64) {
	s, _ := m.keeper.watch(m)
	m.mu.Lock()
	w, state, restarts := m.worker, s.State, m.restarts
	m.mu.Unlock()
	if w != nil {
		now, more := w.Health()
		restarts += more
		if state == engine.StateReady {
			state = now
		}
	}
	return state, restarts
}

// Memory tells what the weights take while they are loaded, in bytes, by device.
func (m *Member) Memory() map[string]int64 {
	s, _ := m.keeper.watch(m)
	out := map[string]int64{}
	for d := range s.Need.Own {
		out[string(d)] = s.Need.On(d)
	}
	if host := s.Need.On(placement.Host); host > 0 {
		out[string(placement.Host)] = host
	}
	return out
}

// Guesses counts the tokens that the worker computed ahead, none where there is no worker.
func (m *Member) Guesses() engine.Guesses {
	if w := m.current(); w != nil {
		return w.Guesses()
	}
	return engine.Guesses{}
}

// Pictures counts the pictures of the worker by where their rows came from, none where there is no worker.
func (m *Member) Pictures() engine.Pictures {
	if w := m.current(); w != nil {
		return w.Pictures()
	}
	return engine.Pictures{}
}

// Resident is how many bytes of the worker are in memory, 0 where there is none or the system does not tell.
func (m *Member) Resident() int64 {
	if w := m.current(); w != nil {
		return w.Resident()
	}
	return 0
}

// Cells tells how the cells of the worker's KV cache stand, all zero where there is no worker.
func (m *Member) Cells() engine.Cells {
	if w := m.current(); w != nil {
		return w.Cells()
	}
	return engine.Cells{}
}
