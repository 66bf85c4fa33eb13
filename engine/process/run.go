package process

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/wire"
)

// Run starts the worker and replaces it when it ends, until ctx is done; then it stops it. It returns an error when it
// gives up: the weights do not load, or too many starts in a row have failed. That has been logged, and shows in Info,
// by then.
func (s *Supervisor) Run(ctx context.Context) error {
	next := restarts{o: &s.o}
	for {
		served, err := s.once(ctx)
		if ctx.Err() != nil {
			s.markUnavailable(engine.StateStopped, "")
			return nil //nolint:nilerr // being stopped is how it should end
		}
		pause, hopeless := next.after(served, err)
		if hopeless != nil {
			s.o.Logger.Error("weights are not served", "error", hopeless)
			s.markUnavailable(engine.StateFailed, firstLine(hopeless))
			return hopeless
		}
		s.mu.Lock()
		s.restarts++
		s.mu.Unlock()
		s.markUnavailable(engine.StateRestarting, firstLine(err))
		s.o.Logger.Error("worker is restarted", "error", err, "served", served, "backoff", pause)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// firstLine leaves out what the worker logged before its end.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimSuffix(line, tailHead)
}

// once runs one worker process to its end and says for how long it was ready and why it ended.
func (s *Supervisor) once(ctx context.Context) (served time.Duration, err error) {
	started := time.Now()
	p, err := startChild(s.o.Command, s.o.Logger)
	if err != nil {
		return 0, err
	}
	patience := s.o.StopPatience
	defer func() { p.stop(patience) }()
	if err := p.ready(ctx, s.o.LoadPatience, s.loading); err != nil {
		return 0, err
	}
	c := newClient(p.socket)
	defer c.close()
	w := &service{client: c}
	if err := query(ctx, s.o.Silence, c, wire.PathInfo, &w.info); err != nil {
		return 0, err
	}
	s.o.Logger.Info("model is ready", "model", w.info.Name, "context_size", w.info.ContextSize,
		"loaded_in", time.Since(started).Round(time.Millisecond), "system", w.info.System)
	since := time.Now()
	s.markReady(w)
	err = s.watch(ctx, p, w)
	s.markUnavailable(engine.StateRestarting, firstLine(err))
	if errors.Is(err, errHangs) {
		w.client.abandon()
		patience = 0
	}
	return max(time.Since(since), 1), err
}

// errHangs is a worker that will not come back.
var errHangs = errors.New("the worker was killed because it hung")

// query puts a question to the worker that it answers at once.
func query(ctx context.Context, timeout time.Duration, c *client, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return c.get(ctx, path, into)
}

// watch returns why the worker is of no more use: it has ended, it hangs, or ctx is done. While it is in doubt it gets
// no new request.
func (s *Supervisor) watch(ctx context.Context, p *child, w *service) error {
	tick := time.NewTicker(s.o.CheckInterval)
	defer tick.Stop()
	v := vitals{limits: limits{silence: s.o.Silence, stall: s.o.Stall, hang: s.o.Hang}}
	doubtful := false
	defer s.setCounts(&wire.Health{})
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.exited:
			return p.err
		case <-tick.C:
		}
		h := &wire.Health{}
		if query(ctx, s.o.CheckTimeout, w.client, wire.PathHealth, h) != nil {
			h = nil
		} else {
			s.setCounts(h)
		}
		// More would mean that this process stood still itself.
		elapsed := min(time.Since(last), 2*(s.o.CheckInterval+s.o.CheckTimeout))
		last = time.Now()
		health := v.judge(h, elapsed)
		switch {
		case health.dead:
			return fmt.Errorf("%w: %s", errHangs, health.doubt)
		case health.doubt != "":
			if !doubtful {
				s.o.Logger.Warn("worker gets no new requests", "reason", health.doubt)
			}
			s.markUnavailable(engine.StateStalled, health.doubt)
		case doubtful:
			s.o.Logger.Info("worker gets requests again")
			s.markReady(w)
		}
		doubtful = health.doubt != ""
	}
}
