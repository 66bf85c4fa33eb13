package web

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/tmaxmax/go-sse"

	"github.com/qwenvld/qwenvld/api/fault"
)

// Message is one message of a stream.
type Message struct {
	// Event names the message's type; empty for none. Only server-sent events have types.
	Event string
	// Data is the message's text. In a stream of lines it must be a single one.
	Data []byte
}

// Framing is how messages follow one another in a stream.
type Framing int

const (
	// SSE sends messages as server-sent events.
	SSE Framing = iota
	// Lines sends one message a line, as newline-delimited JSON. Such a stream has no comments, so silence stays
	// silence.
	Lines
)

// Stream is a reply that is sent message by message. Every write has a deadline, so that a client that stopped reading
// does not hold what works for it. An error of the connection wraps fault.ErrClientGone: only that means that the
// client is gone. After one, nothing is written any more. The methods are safe for concurrent use.
type Stream struct {
	// OnGone is told once that the client is gone, by whatever goroutine found out. It should cancel the work for the
	// stream. It must not wait for the request to end. It is set before anything is sent.
	OnGone func(error)

	edge    *Edge
	w       http.ResponseWriter
	rc      *http.ResponseController
	framing Framing
	session *sse.Session // writes server-sent events

	// mu is held while something is written.
	mu    sync.Mutex
	begun bool
	// unflushed says that something was written that may not have left yet.
	unflushed bool
	// written is when something was last written, by the clock that timers run by; extended when the deadline of writes
	// was last set.
	written, extended time.Time
	gone              error
}

// NewStream returns a stream that replies to r. It sends nothing yet: until the first message, w may still be given
// headers, or an error.
func (e *Edge) NewStream(w http.ResponseWriter, r *http.Request, framing Framing) (*Stream, error) {
	if early := RecordOf(r.Context()).early; early != nil {
		return early, nil
	}
	// Upgrade writes nothing. It fails where a writer cannot flush, without which lines are of no use either.
	session, err := sse.Upgrade(w, r)
	if err != nil {
		return nil, fmt.Errorf("start the event stream: %w", err)
	}
	return &Stream{edge: e, w: w, rc: http.NewResponseController(w), framing: framing, session: session}, nil
}

// Begin makes the stream the reply, if it is not yet. With a Flush that follows, the client sees the headers before
// there is a message.
func (s *Stream) Begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin()
}

// begin writes the headers. go-sse would flush before WriteHeader, which confuses compressing proxies and middleware,
// so both happen here. s.mu must be held.
func (s *Stream) begin() {
	if s.begun {
		return
	}
	s.begun, s.unflushed = true, true
	h := s.w.Header()
	h.Set("Content-Type", s.mediaType())
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
	s.extendDeadline()
	s.w.WriteHeader(http.StatusOK)
}

func (s *Stream) mediaType() string {
	if s.framing == Lines {
		return "application/x-ndjson"
	}
	return "text/event-stream"
}

// Begun says whether the stream has become the reply.
func (s *Stream) Begun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begun
}

// Send writes messages, which may wait in a buffer until Flush.
func (s *Stream) Send(messages ...Message) error {
	if len(messages) == 0 {
		return nil
	}
	return s.guarded(func() error {
		s.begin()
		for i := range messages {
			s.extendDeadline()
			if err := s.write(&messages[i]); err != nil {
				return err
			}
		}
		s.unflushed = true
		return nil
	})
}

func (s *Stream) write(m *Message) error {
	if s.framing == Lines {
		if _, err := s.w.Write(m.Data); err != nil {
			return err
		}
		_, err := s.w.Write([]byte{'\n'})
		return err
	}
	var event sse.Message
	if m.Event != "" {
		event.Type = sse.Type(m.Event)
	}
	event.AppendData(string(m.Data))
	return s.session.Send(&event)
}

// Flush sends what was written to the client.
func (s *Stream) Flush() error {
	return s.guarded(func() error {
		if !s.unflushed {
			return nil
		}
		s.unflushed = false
		s.extendDeadline()
		return s.flush()
	})
}

func (s *Stream) flush() error {
	if s.framing == Lines {
		return s.rc.Flush()
	}
	return s.session.Flush()
}

// KeepAlive sends a comment, which clients ignore, so that nobody on the way takes the connection for dead. Where the
// framing has no comments it does nothing.
func (s *Stream) KeepAlive() error { return s.comment("keep-alive") }

// comment sends a comment where the framing has any.
func (s *Stream) comment(text string) error {
	if s.framing == Lines {
		return nil
	}
	return s.guarded(func() error {
		s.begin()
		s.extendDeadline()
		var comment sse.Message
		comment.AppendComment(text)
		if err := s.session.Send(&comment); err != nil {
			return err
		}
		s.unflushed = false
		return s.flush()
	})
}

// guarded runs f, which writes to the connection, while nobody else writes. Once the client is gone, f is not run any
// more.
func (s *Stream) guarded(f func() error) error {
	found, err := s.locked(f)
	if found && s.OnGone != nil {
		s.OnGone(err)
	}
	return err
}

// locked says by found that f is what found out that the client is gone.
func (s *Stream) locked(f func() error) (found bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone != nil {
		return false, s.gone
	}
	err = f()
	s.written = time.Now()
	if err == nil {
		return false, nil
	}
	s.gone = fmt.Errorf("%w: %w", fault.ErrClientGone, err)
	return true, s.gone
}

// extendDeadline gives the next write its time. A deadline that was set a moment ago is left as it is: setting one for
// every message would cost as much as writing it. s.mu must be held.
func (s *Stream) extendDeadline() {
	const moment = 10 // parts of the time that a write has
	now := s.edge.now()
	if now.Sub(s.extended) < s.edge.writeTimeout/moment {
		return
	}
	s.extended = now
	s.edge.setDeadline(s.rc)
}

// silence is how long nothing was written.
func (s *Stream) silence() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.written)
}

// Finish ends a stream that met err; nil is fine. ctx is that of the work, whose cancellation's cause explains err.
// Before the first byte the error is returned, so that it becomes the response. Later the messages that explain makes
// of it are sent last, and the error is noted in the record of ctx. A client that left is told nothing.
func (s *Stream) Finish(ctx context.Context, err error, explain func(*fault.Error) []Message) error {
	if err == nil {
		return nil
	}
	rec := RecordOf(ctx)
	failure := fault.From(ctx, err, rec.Origin())
	if !s.Begun() {
		return failure
	}
	rec.Fail(failure)
	if failure.Status == fault.StatusClientGone {
		return nil
	}
	// A failure here means that the client left too: there is nobody to tell.
	if s.Send(explain(failure)...) == nil {
		_ = s.Flush()
	}
	return nil
}
