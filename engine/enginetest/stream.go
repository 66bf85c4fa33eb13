package enginetest

import (
	"context"
	"io"
	"sync"

	"github.com/qwenvld/qwenvld/engine"
)

// fakeStream is a request that a Fake has taken.
type fakeStream struct {
	fake   *Fake
	req    *engine.Request
	ctx    context.Context //nolint:containedctx // the request's, which ends the stream
	cancel context.CancelFunc
	start  *engine.Start // nil once it was sent
	next   func() (engine.Event, error)
	ended  error // what every further Next returns
	close  sync.Once
}

var _ engine.Stream = (*fakeStream)(nil)

// stream begins the answer to req.
func (f *Fake) stream(ctx context.Context, req *engine.Request, start *engine.Start) *fakeStream {
	f.mu.Lock()
	f.open++
	f.most = max(f.most, f.open)
	f.mu.Unlock()
	s := &fakeStream{fake: f, req: req, start: start}
	s.ctx, s.cancel = context.WithCancel(ctx)
	switch {
	case f.Answer != nil:
		s.next = f.Answer(s.ctx, req)
	case f.scripted():
		s.next = replay(f.Events, f.Fail, req.RunningUsage)
	default:
		s.next = f.echo(req, start)
	}
	return s
}

// replay plays events, each that has text standing for a token.
func replay(events []engine.Event, fail error, running bool) func() (engine.Event, error) {
	tokens := 0
	return func() (engine.Event, error) {
		if len(events) == 0 {
			if fail != nil {
				return engine.Event{}, fail
			}
			return engine.Event{}, io.EOF
		}
		ev := events[0]
		events = events[1:]
		if ev.Text != "" {
			tokens++
		}
		if running {
			ev.Usage = &engine.Usage{PromptTokens: promptTokens, CompletionTokens: tokens}
		}
		return ev, nil
	}
}

// Next implements engine.Stream.
func (s *fakeStream) Next() (engine.Event, error) {
	if s.ended != nil {
		return engine.Event{}, s.ended
	}
	if s.start != nil {
		ev := engine.Event{Start: s.start}
		s.start = nil
		return ev, awaitPixels(s.ctx, s.req)
	}
	if s.fake.Hold != nil {
		select {
		case <-s.fake.Hold:
		case <-s.ctx.Done():
		}
	}
	if s.ctx.Err() != nil {
		s.ended = context.Cause(s.ctx)
		return engine.Event{}, s.ended
	}
	ev, err := s.next()
	s.ended = err
	return ev, err
}

// Close implements engine.Stream.
func (s *fakeStream) Close() error {
	s.close.Do(func() {
		s.cancel()
		s.fake.mu.Lock()
		s.fake.open--
		s.fake.mu.Unlock()
		if s.fake.Closed != nil {
			s.fake.ended.Do(func() { close(s.fake.Closed) })
		}
	})
	return nil
}
