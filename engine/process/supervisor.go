package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/wire"
)

// Options configure a Supervisor. Zero durations take the defaults named beside them.
type Options struct {
	Command Command
	Logger  *slog.Logger
	// MinBackoff (250 ms) doubles with every failed start up to MaxBackoff (30 s); StableAfter (1 min) of service resets it.
	MinBackoff, MaxBackoff, StableAfter time.Duration
	// HealthInterval (5 s) passes between checks; three in a row that fail end the worker.
	HealthInterval time.Duration
	// RetryWait (1.5 s) is how long a request that lost its worker before its first event waits for the next one.
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
	def(&o.StableAfter, time.Minute)
	def(&o.HealthInterval, 5*time.Second)
	def(&o.RetryWait, 1500*time.Millisecond)
	def(&o.StopPatience, 5*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Supervisor keeps one worker running. Run does the work; the engine.Engine methods are safe for concurrent use.
type Supervisor struct {
	o Options

	mu       sync.Mutex
	current  *connection
	changed  chan struct{} // closed and replaced when current changes
	restarts int64
}

// connection is a worker that is ready.
type connection struct {
	client *client
	info   engine.Info
}

// New returns a Supervisor that has no worker yet.
func New(o Options) *Supervisor {
	return &Supervisor{o: o.withDefaults(), changed: make(chan struct{})}
}

// Run starts the worker and restarts it with growing pauses until ctx is done, then stops it. When the very first start fails
// because of the weights, it returns that error: nothing a restart would mend.
func (s *Supervisor) Run(ctx context.Context) error {
	backoff := s.o.MinBackoff
	for first := true; ; first = false {
		served, err := s.once(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // being stopped is how it should end
		}
		var load *loadError
		if first && errors.As(err, &load) {
			return err
		}
		if served >= s.o.StableAfter {
			backoff = s.o.MinBackoff
		}
		s.mu.Lock()
		s.restarts++
		s.mu.Unlock()
		s.o.Logger.Error("worker is restarted", "error", err, "served", served, "backoff", backoff)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, s.o.MaxBackoff)
	}
}

// once runs one worker process to its end and says how long it served and why it ended.
func (s *Supervisor) once(ctx context.Context) (served time.Duration, err error) {
	started := time.Now()
	p, err := startChild(s.o.Command, s.o.Logger)
	if err != nil {
		return 0, err
	}
	defer p.stop(s.o.StopPatience)
	if err := p.ready(ctx); err != nil {
		return 0, err
	}
	c := newClient(p.socket)
	defer c.close()
	conn := &connection{client: c}
	if err := c.get(ctx, wire.PathInfo, &conn.info); err != nil {
		return 0, err
	}
	s.o.Logger.Info("model is ready", "model", conn.info.Name, "context_size", conn.info.ContextSize,
		"loaded_in", time.Since(started).Round(time.Millisecond), "system", conn.info.System)
	ready := time.Now()
	s.set(conn)
	defer s.set(nil)
	err = s.watch(ctx, p, c)
	return time.Since(ready), err
}

// watch returns why the worker is of no more use: it has ended, does not answer, or ctx is done.
func (s *Supervisor) watch(ctx context.Context, p *child, c *client) error {
	tick := time.NewTicker(s.o.HealthInterval)
	defer tick.Stop()
	const tries = 3
	for failures := 0; failures < tries; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.exited:
			return p.err
		case <-tick.C:
		}
		check, cancel := context.WithTimeout(ctx, s.o.HealthInterval)
		err := c.get(check, wire.PathHealth, nil)
		cancel()
		if err == nil {
			failures = 0
			continue
		}
		failures++
		s.o.Logger.Warn("worker health check failed", "error", err, "failures", failures)
	}
	return errors.New("the worker did not answer its health checks")
}

func (s *Supervisor) set(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = c
	close(s.changed)
	s.changed = make(chan struct{})
}

// get returns the connection, nil when there is none, and a channel that tells when that changes.
func (s *Supervisor) get() (*connection, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current, s.changed
}

// Health says whether a worker is ready, and how often one has ended and was started again.
func (s *Supervisor) Health() (ready bool, restarts int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current != nil, s.restarts
}

// Info implements engine.Engine.
func (s *Supervisor) Info(context.Context) (engine.Info, error) {
	c, _ := s.get()
	if c == nil {
		return engine.Info{}, engine.ErrUnavailable
	}
	return c.info, nil
}

// Wait blocks until a worker is ready or ctx is done.
func (s *Supervisor) Wait(ctx context.Context) error {
	_, err := s.next(ctx, nil)
	return err
}

// next waits for a connection other than old.
func (s *Supervisor) next(ctx context.Context, old *connection) (*connection, error) {
	for {
		c, changed := s.get()
		if c != nil && c != old {
			return c, nil
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
	c, _ := s.get()
	if c == nil {
		return nil, engine.ErrUnavailable
	}
	if limit := engine.CountedContexts * c.info.ContextSize; c.info.Exceeds(req.Prompt, limit) {
		return nil, &engine.ContextLengthError{PromptTokens: limit, More: true, ContextSize: c.info.ContextSize}
	}
	st := &stream{ctx: ctx, supervisor: s, req: req, conn: c, retries: 1}
	inner, err := c.client.generate(ctx, req)
	if errors.Is(err, errLost) {
		inner, err = st.again(err)
	}
	if err != nil {
		return nil, err
	}
	st.inner = inner
	return st, nil
}

// Tokenize implements engine.Engine.
func (s *Supervisor) Tokenize(ctx context.Context, pieces []engine.Piece) ([]int32, error) {
	if c, _ := s.get(); c != nil && c.info.Exceeds(pieces, c.info.TextTokens()) {
		return nil, &engine.ContextLengthError{PromptTokens: c.info.TextTokens(), More: true, ContextSize: c.info.ContextSize}
	}
	var out wire.Tokens
	err := s.ask(ctx, wire.PathTokenize, wire.Text{Pieces: pieces}, &out)
	return out.Tokens, err
}

// TokenBytes implements engine.Engine.
func (s *Supervisor) TokenBytes(ctx context.Context, tokens []int32) ([][]byte, error) {
	var out wire.TokenBytes
	err := s.ask(ctx, wire.PathTokenBytes, wire.Tokens{Tokens: tokens}, &out)
	return out.Bytes, err
}

func (s *Supervisor) ask(ctx context.Context, path string, in, out any) error {
	c, _ := s.get()
	if c == nil {
		return engine.ErrUnavailable
	}
	err := c.client.post(ctx, path, in, out)
	if errors.Is(err, errLost) {
		return fmt.Errorf("%w: %w", engine.ErrWorkerDied, err)
	}
	return err
}

// stream is a request that outlives its worker as long as nothing of the answer has been passed on.
type stream struct {
	ctx        context.Context //nolint:containedctx // the request's, needed to send it again
	supervisor *Supervisor
	req        *engine.Request
	conn       *connection
	inner      *clientStream
	retries    int
	started    bool // the first event was passed on, which another worker would tell again
	begun      bool
}

// again sends the request to the next worker. Without one in time it fails with engine.ErrWorkerDied.
func (st *stream) again(cause error) (*clientStream, error) {
	if st.begun || st.retries == 0 {
		return nil, fmt.Errorf("%w: %w", engine.ErrWorkerDied, cause)
	}
	st.retries--
	wait, cancel := context.WithTimeout(st.ctx, st.supervisor.o.RetryWait)
	defer cancel()
	next, err := st.supervisor.next(wait, st.conn)
	if err != nil {
		if st.ctx.Err() != nil {
			return nil, context.Cause(st.ctx)
		}
		return nil, fmt.Errorf("%w: %w", engine.ErrWorkerDied, cause)
	}
	st.conn = next
	inner, err := next.client.generate(st.ctx, st.req)
	if errors.Is(err, errLost) {
		return nil, fmt.Errorf("%w: %w", engine.ErrWorkerDied, err)
	}
	return inner, err
}

// Next implements engine.Stream.
func (st *stream) Next() (engine.Event, error) {
	for {
		ev, err := st.inner.next()
		switch {
		case errors.Is(err, errLost):
			inner, err := st.again(err)
			if err != nil {
				return engine.Event{}, err
			}
			st.inner.close()
			st.inner = inner
			continue
		case err == nil && ev.Start != nil:
			if st.started {
				continue
			}
			st.started = true
		case err == nil:
			st.begun = true
		case errors.Is(err, io.EOF):
			return ev, io.EOF
		}
		return ev, err
	}
}

// Close implements engine.Stream.
func (st *stream) Close() error {
	st.inner.close()
	return nil
}
