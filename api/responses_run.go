package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/qwenvld/qwenvld/api/history"
)

// storedEvent is an event as it is sent.
type storedEvent struct {
	kind string
	data []byte
}

// run is a background response in the making, or one that waits to be stored. Its goroutine adds events, any number of clients read them.
type run struct {
	kept   history.Response // as it was when it began
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when the response has ended and is stored, if it could be

	mu     sync.Mutex
	gone   bool // its client deleted it
	events []storedEvent
	body   []byte // the response as last told
	// changed is closed, and replaced, when something was added.
	changed chan struct{}
}

func (r *run) add(ev *responseEvent) error {
	data, err := json.Marshal(ev)
	if err != nil {
		return err
	}
	var body []byte
	if ev.Response != nil {
		if body, err = json.Marshal(ev.Response); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, storedEvent{ev.Type, data})
	if body != nil {
		r.body = body
	}
	close(r.changed)
	r.changed = make(chan struct{})
	return nil
}

// since returns the events from number first on and a channel that closes when there are more.
func (r *run) since(first int) ([]storedEvent, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events[min(first, len(r.events)):], r.changed
}

// response is the response as it is now, without its events.
func (r *run) response() *history.Response {
	kept := r.kept
	kept.Body = r.snapshot()
	return &kept
}

// forget ends a response that its client deletes.
func (r *run) forget() {
	r.mu.Lock()
	r.gone = true
	r.mu.Unlock()
	r.cancel(errCancelled)
}

// unwanted says whether the client deleted it.
func (r *run) unwanted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gone
}

func (r *run) snapshot() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.body
}

// lines are the events as they are kept.
func (r *run) lines() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := []byte{}
	for i := range r.events {
		out = append(append(out, r.events[i].data...), '\n')
	}
	return out
}

// runs are the background responses in the making.
type runs struct {
	mu   sync.Mutex
	byID map[string]*run
	all  sync.WaitGroup
}

// find returns the owner's run, nil if there is none.
func (r *runs) find(owner, id string) *run {
	r.mu.Lock()
	defer r.mu.Unlock()
	if run := r.byID[id]; run != nil && run.kept.Owner == owner {
		return run
	}
	return nil
}

// startRun lets g go on by itself. The response is kept before it begins, which is returned as queued, and again when it has ended.
func (s *Server) startRun(
	ctx context.Context, g *generation, end func(), b *responseBuilder, kept *history.Response,
) (r *run, queued []byte, err error) {
	r = &run{kept: *kept, cancel: g.cancel, done: make(chan struct{}), changed: make(chan struct{})}
	b.emit = r.add
	b.response.Status = statusQueued
	for _, kind := range []string{"created", statusQueued} {
		if err := b.tell(kind); err != nil {
			return nil, nil, err
		}
	}
	queued = r.snapshot()
	err = s.cfg.Store.Put(ctx, r.response())
	if errors.Is(err, history.ErrTooLarge) {
		return nil, nil, badField("background", codeTooLarge,
			"background responses must be kept, and this one is larger than all that this server keeps")
	}
	if err != nil {
		return nil, nil, err
	}
	s.runs.mu.Lock()
	s.runs.byID[kept.ID] = r
	s.runs.mu.Unlock()
	s.runs.all.Go(func() {
		defer func() {
			s.runs.mu.Lock()
			delete(s.runs.byID, kept.ID)
			s.runs.mu.Unlock()
		}()
		if s.background(g, end, b, r) {
			return
		}
		s.settleLater(context.WithoutCancel(ctx), r)
	})
	return r, queued, nil
}

// background carries a run to its end, and says whether it is stored.
func (s *Server) background(g *generation, end func(), b *responseBuilder, r *run) (settled bool) {
	defer close(r.done)
	defer end()
	err := b.read()
	if err != nil {
		failure := g.failure(g.ctx, err)
		g.record.fail(failure)
		s.countError(g.record)
		_ = b.fail(failure, context.Cause(g.ctx)) // a run takes every event
	} else {
		_ = b.end()
	}
	// The request is over, and a shutdown must not lose what was computed.
	ctx := context.WithoutCancel(g.ctx)
	settled = s.settle(ctx, r)
	g.record.unstored = !settled
	attrs := append([]slog.Attr{
		slog.String("response", r.kept.ID), slog.String("request_id", g.record.id), slog.String("status", b.response.Status),
		slog.Duration("duration", s.cfg.Now().Sub(g.start)),
	}, g.record.attrs(s.words)...)
	s.cfg.Logger.LogAttrs(ctx, g.record.level(), "background response", attrs...)
	return settled
}

// read takes all that the generation gives. A panic ends the response, not the daemon, as in requests.
func (b *responseBuilder) read() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("a background response panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return each(b.ctx, b.items, b.take)
}

// Wait returns when no background response is in the making any more, or when ctx is done with its error.
func (s *Server) Wait(ctx context.Context) error {
	over := make(chan struct{})
	go func() {
		s.runs.all.Wait()
		close(over)
	}()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
