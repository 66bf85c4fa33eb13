package web

import (
	"io"
	"sync"
	"time"
)

// Source is what a stream relays.
type Source[E any] interface {
	// Next blocks until there is an event. io.EOF ends the source. It must return soon once the work for the stream is
	// cancelled.
	Next() (E, error)
	// Ready says whether Next would not block.
	Ready() bool
}

// Relay sends the messages that encode makes of a source's events until the source ends, and fails with what ended it
// early. Events that are ready together are flushed together. In silence the connection is kept alive; when Relay
// returns, nobody but the caller writes to the stream any more. A client that is gone is told to OnGone at once, so
// that Next returns. An error of encode is not the client's leaving: the client can still be told of it. encode may
// call the stream's Begin.
func Relay[E any](s *Stream, src Source[E], encode func(E) ([]Message, error)) error {
	beat := s.startHeartbeat()
	defer beat.stop()
	for {
		event, err := src.Next()
		if err == io.EOF { //nolint:errorlint // a wrapped EOF is a source that broke off
			return s.Flush()
		}
		if err != nil {
			return s.reason(err)
		}
		messages, err := encode(event)
		if err != nil {
			return err
		}
		if err := s.Send(messages...); err != nil {
			return err
		}
		if src.Ready() {
			continue
		}
		if err := s.Flush(); err != nil {
			return err
		}
	}
}

// reason is why a source ended with err: where the client is gone, that came first.
func (s *Stream) reason(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone != nil {
		return s.gone
	}
	return err
}

// heartbeat keeps a silent stream's connection alive.
type heartbeat struct {
	stream *Stream
	period time.Duration
	// due counts the beat that the timer waits for, or that is running.
	due sync.WaitGroup

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

// startHeartbeat begins to keep s alive. stop must be called. An idle stream costs a timer only, no goroutine.
func (s *Stream) startHeartbeat() *heartbeat {
	h := &heartbeat{stream: s, period: s.edge.keepAlive}
	if h.period <= 0 || s.framing == Lines {
		return h
	}
	s.mu.Lock()
	s.written = time.Now() // silence begins here
	s.mu.Unlock()
	h.schedule(h.period)
	return h
}

// schedule has the next beat come after d. It is called when no beat is waited for.
func (h *heartbeat) schedule(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return
	}
	h.due.Add(1)
	if h.timer == nil {
		h.timer = time.AfterFunc(d, h.beat)
	} else {
		h.timer.Reset(d)
	}
}

// beat fills the silence where there was one, and otherwise waits for its rest.
func (h *heartbeat) beat() {
	defer h.due.Done()
	rest := h.period - h.stream.silence()
	if rest <= 0 {
		if h.stream.KeepAlive() != nil {
			return
		}
		rest = h.period
	}
	h.schedule(rest)
}

// stop returns when no beat is running any more, nor will be.
func (h *heartbeat) stop() {
	h.mu.Lock()
	h.stopped = true
	if h.timer != nil && h.timer.Stop() {
		h.due.Done()
	}
	h.mu.Unlock()
	h.due.Wait()
}
