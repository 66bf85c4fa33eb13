package process

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/wire"
)

// Options configure a Supervisor. Zero values take the defaults named beside them.
type Options struct {
	Command Command
	Logger  *slog.Logger
	// MinBackoff (250 ms) doubles with every failed start up to MaxBackoff (30 s). After MaxStarts (5) in a row that
	// never became ready the weights are given up.
	MinBackoff, MaxBackoff time.Duration
	MaxStarts              int
	// ServedBackoff (2 s) is the longest pause after a worker that was ready; StableAfter (10 s) of service resets it.
	ServedBackoff, StableAfter time.Duration
	// LoadPatience (2 min) is how long loading may take without any progress.
	LoadPatience time.Duration
	// CheckInterval (1 s) passes between checks, of which each waits for CheckTimeout (2 s). After Silence (10 s)
	// without an answer to any the worker is replaced.
	CheckInterval, CheckTimeout, Silence time.Duration
	// Stall (5 s) without progress keeps new requests away from a worker that is computing; after Hang (30 s) it is
	// replaced.
	Stall, Hang time.Duration
	// RetryWait (1.5 s) is how long a request that could not be sent waits for the next worker.
	RetryWait time.Duration
	// StopPatience (5 s) is how long a worker may take to end.
	StopPatience time.Duration
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&o.MinBackoff, 250*time.Millisecond)
	def(&o.MaxBackoff, 30*time.Second)
	def(&o.ServedBackoff, 2*time.Second)
	def(&o.StableAfter, 10*time.Second)
	def(&o.LoadPatience, 2*time.Minute)
	def(&o.CheckInterval, time.Second)
	def(&o.CheckTimeout, 2*time.Second)
	def(&o.Silence, 10*time.Second)
	def(&o.Stall, 5*time.Second)
	def(&o.Hang, 30*time.Second)
	def(&o.RetryWait, 1500*time.Millisecond)
	def(&o.StopPatience, 5*time.Second)
	if o.MaxStarts == 0 {
		o.MaxStarts = 5
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

var _ engine.Engine = (*Supervisor)(nil)

// Supervisor keeps one worker running. Run does the work; the engine.Engine methods are safe for concurrent use.
type Supervisor struct {
	o Options

	mu           sync.Mutex
	availability availability
	changed      chan struct{} // closed and replaced when availability changes
	restarts     int64
	told         wire.Health // by the worker, last
}

// availability is whether a worker answers, and why not.
type availability struct {
	worker *service // nil in every state but StateReady
	engine.UnavailableError
}

// service is a worker that answers.
type service struct {
	client *client
	info   engine.Info
}

// New returns a Supervisor that has no worker yet.
func New(o Options) *Supervisor {
	return &Supervisor{
		o: o.withDefaults(), changed: make(chan struct{}),
		availability: availability{UnavailableError: engine.UnavailableError{State: engine.StateLoading}},
	}
}

// setAvailability is the only place that changes it.
func (s *Supervisor) setAvailability(now availability) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.availability = now
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Supervisor) markReady(w *service) {
	s.setAvailability(availability{worker: w, UnavailableError: engine.UnavailableError{State: engine.StateReady}})
}

func (s *Supervisor) markUnavailable(state engine.State, reason string) {
	s.setAvailability(availability{UnavailableError: engine.UnavailableError{State: state, Reason: reason}})
}

// loading notes the progress of loading, in the state that it happens in.
func (s *Supervisor) loading(progress float32) {
	now, _ := s.current()
	now.Progress = progress
	s.setAvailability(now)
}

// current returns the availability, and a channel that is closed when it changes.
func (s *Supervisor) current() (availability, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.availability, s.changed
}

// ready returns the worker, or why there is none.
func (s *Supervisor) ready() (*service, error) {
	now, _ := s.current()
	if now.worker == nil {
		return nil, &now.UnavailableError
	}
	return now.worker, nil
}

// Health says in which state the weights are, and how often a worker has ended and another was started.
func (s *Supervisor) Health() (state engine.State, restarts int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.availability.State, s.restarts
}

// Cells tells how the cells of the worker's KV cache stood at the last check, all zero where there is no worker.
func (s *Supervisor) Cells() engine.Cells {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told.Cells
}

// Guesses counts the tokens that the worker computed ahead until the last check, none where there is no worker.
func (s *Supervisor) Guesses() engine.Guesses {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told.Guesses
}

// Pictures counts the pictures of the worker until the last check, none where there is no worker.
func (s *Supervisor) Pictures() engine.Pictures {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told.Pictures
}

// Resident is how many bytes of the worker were in memory at the last check, 0 where there is no worker or the system
// does not tell.
func (s *Supervisor) Resident() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told.Resident
}

// setCounts keeps what a worker tells of its cache, its guesses, its pictures and its memory.
func (s *Supervisor) setCounts(h *wire.Health) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = *h
}

// Info implements engine.Engine. Where no worker is ready its error is an engine.UnavailableError.
func (s *Supervisor) Info(context.Context) (engine.Info, error) {
	w, err := s.ready()
	if err != nil {
		return engine.Info{}, err
	}
	return w.info, nil
}

// Wait blocks until a worker is ready, or it is known that none will be, or ctx is done.
func (s *Supervisor) Wait(ctx context.Context) error {
	_, err := s.awaitOther(ctx, nil)
	return err
}

// awaitOther waits for a worker that is not old.
func (s *Supervisor) awaitOther(ctx context.Context, old *service) (*service, error) {
	for {
		now, changed := s.current()
		switch {
		case now.worker != nil && now.worker != old:
			return now.worker, nil
		case now.State == engine.StateFailed, now.State == engine.StateStopped:
			return nil, &now.UnavailableError
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Generate implements engine.Engine.
func (s *Supervisor) Generate(ctx context.Context, req *engine.Request) (engine.Stream, error) {
	var inner *clientStream
	err := s.send(ctx, func(w *service) (err error) {
		if limit := engine.CountedContexts * w.info.ContextSize; w.info.Exceeds(req.Prompt, limit) {
			return &engine.ContextLengthError{PromptTokens: limit, More: true, ContextSize: w.info.ContextSize}
		}
		inner, err = w.client.generate(ctx, req)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &stream{inner}, nil
}

// Tokenize implements engine.Engine.
func (s *Supervisor) Tokenize(ctx context.Context, pieces []engine.Piece) ([]int32, error) {
	var out wire.Tokens
	err := s.send(ctx, func(w *service) error {
		if limit := w.info.TextTokens(); w.info.Exceeds(pieces, limit) {
			return &engine.ContextLengthError{PromptTokens: limit, More: true, ContextSize: w.info.ContextSize}
		}
		return w.client.post(ctx, wire.PathTokenize, wire.Text{Pieces: pieces}, &out)
	})
	return out.Tokens, err
}

// TokenBytes implements engine.Engine.
func (s *Supervisor) TokenBytes(ctx context.Context, tokens []int32) ([][]byte, error) {
	var out wire.TokenBytes
	err := s.send(ctx, func(w *service) error {
		return w.client.post(ctx, wire.PathTokenBytes, wire.Tokens{Tokens: tokens}, &out)
	})
	return out.Bytes, err
}

// send lets ask put a request to the worker. Only one that was never sent, because the worker had just ended, goes to
// the next one: any other may be what ended it.
func (s *Supervisor) send(ctx context.Context, ask func(*service) error) error {
	w, err := s.ready()
	if err != nil {
		return err
	}
	err = ask(w)
	if !errors.Is(err, errUnsent) {
		return died(err)
	}
	wait, cancel := context.WithTimeout(ctx, s.o.RetryWait)
	defer cancel()
	w, lateErr := s.awaitOther(wait, w)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case lateErr != nil:
		return &engine.UnavailableError{State: engine.StateRestarting, Reason: err.Error()}
	}
	return died(ask(w))
}
