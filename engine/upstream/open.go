package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
	"github.com/qwenvld/qwenvld/engine/upstream/pool"
)

// attempts is how many servers are asked for an answer of which nothing has come.
const attempts = 2

// Call is a request for a stream.
type Call struct {
	// Key names what the request has in common with others, so that they go to the same server.
	Key string
	// Path is where servers are asked, Header what is passed on to them.
	Path   string
	Header http.Header
	// Body writes the request for a server's dialect and the name that the weights have there.
	Body func(d *dialect.Dialect, model string) ([]byte, error)
}

// FailedError is a server that failed a request, and none was left to ask instead.
type FailedError struct {
	Server string
	Err    error
	// Begun says that a part of the answer had come.
	Begun bool
}

func (e *FailedError) Error() string { return "server " + e.Server + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *FailedError) Unwrap() error { return e.Err }

// BusyError is a pool whose servers take no more at the moment.
type BusyError struct{ Wait time.Duration }

func (e *BusyError) Error() string { return engine.ErrOverloaded.Error() }

// Unwrap makes it an engine.ErrOverloaded.
func (e *BusyError) Unwrap() error { return engine.ErrOverloaded }

// LateError is a server that cannot answer a request by its deadline. What others ask of it, it may do.
type LateError struct{ Wait time.Duration }

func (e *LateError) Error() string { return engine.ErrLate.Error() }

// Unwrap makes it an engine.ErrLate.
func (e *LateError) Unwrap() error { return engine.ErrLate }

var (
	errFell    = errors.New("it stopped answering probes")
	errSilent  = errors.New("it was silent for too long")
	errNoFirst = errors.New("its first token took too long")
)

// Open asks a server and waits for the first token of its answer. Where the server fails before that, another is asked.
// Errors are a *dialect.RefusalError, a *FailedError, a *BusyError, a *LateError, an engine.ErrUnavailable, one of
// Body's, or ctx's cause.
func (c *Cluster) Open(ctx context.Context, call *Call) (*Stream, error) {
	var tried []string
	var last error
	for range attempts {
		lease, err := c.pool.Pick(c.o.Now(), call.Key, tried...)
		if err != nil {
			return nil, c.noServer(err, last)
		}
		t := c.target(lease.Server())
		if t == nil { // it left in between
			lease.End(c.o.Now(), pool.Unknown, 0)
			tried = append(tried, lease.Server())
			continue
		}
		if lease.Spilled {
			c.count(t.id, Spilled)
		}
		if last != nil {
			c.count(tried[len(tried)-1], Retried)
		}
		s := &Stream{cluster: c, target: t, lease: lease}
		if err = s.begin(ctx, call); err == nil {
			return s, nil
		}
		if !s.mayGoOn(ctx, err) {
			return nil, t.told(ctx, err, s.header)
		}
		c.o.Logger.Info("a server failed a request before its first token", "server", t.id, "error", err)
		last = t.told(ctx, err, s.header)
		tried = append(tried, t.id)
	}
	return nil, last
}

// noServer says that there is no server for a request; last is what the one before this failed with.
func (c *Cluster) noServer(err, last error) error {
	switch {
	case last != nil:
		return last
	case errors.Is(err, pool.ErrFull):
		return &BusyError{}
	}
	return &engine.UnavailableError{State: engine.StateRestarting, Reason: err.Error()}
}

// begin sends the request and reads up to the first token. Where it fails the server's place is given back.
func (s *Stream) begin(ctx context.Context, call *Call) (err error) {
	defer func() {
		if err != nil {
			s.release(verdict(ctx, err), waitOf(s.header))
			s.cluster.count(s.target.id, outcome(ctx, err))
		}
	}()
	body, err := call.Body(s.target.group.Dialect, s.target.model())
	if err != nil {
		return &bodyError{err}
	}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.watch = time.AfterFunc(s.cluster.o.Timeouts.FirstToken, func() { s.cancel(errNoFirst) })
	begun := make(chan struct{})
	defer close(begun)
	go func() {
		select {
		case <-s.lease.Fell():
			s.cancel(errFell)
		case <-begun:
		}
	}()
	if err := s.send(call, body); err != nil {
		return s.because(err)
	}
	if err := s.first(); err != nil {
		return s.because(err)
	}
	if !s.watch.Stop() { // it has gone off at this very moment
		return s.because(errNoFirst)
	}
	return nil
}

func (s *Stream) send(call *Call, body []byte) error {
	req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, s.target.url(call.Path), bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, values := range call.Header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	if deadline, ok := s.ctx.Deadline(); ok {
		// Envoy's header, which proxies between here and the server understand. The server may take a moment longer, so
		// that here it is known why the answer ended.
		const moment = 100 * time.Millisecond
		left := max(deadline.Sub(s.cluster.o.Now()), 0) + moment
		req.Header.Set(HeaderDeadline, strconv.FormatInt(left.Milliseconds(), 10))
	}
	s.target.authorize(req.Header)
	resp, err := s.cluster.o.Transport.RoundTrip(req) //nolint:bodyclose // release closes it
	if err != nil {
		return err
	}
	s.body, s.header = resp.Body, resp.Header
	if resp.StatusCode != http.StatusOK {
		data, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
		if err != nil {
			return err
		}
		return dialect.Refused(resp.StatusCode, data)
	}
	s.read()
	return nil
}

const (
	// HeaderDeadline tells how many milliseconds a reply is waited for.
	HeaderDeadline = "X-Envoy-Expected-Rq-Timeout-Ms"
	// maxRefusal bounds what is read of a reply that is no answer, in bytes.
	maxRefusal = 64 << 10
)

// because is why the stream ended, where it was ended from here.
func (s *Stream) because(err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(s.ctx); cause != nil {
		return cause
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errCut // an io.EOF would be taken for the end of the answer
	}
	return err
}

// bodyError is a request that cannot be written.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return e.err.Error() }

func (e *bodyError) Unwrap() error { return e.err }

// mayGoOn says whether another server may be asked after err.
func (s *Stream) mayGoOn(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	switch verdict(ctx, err) {
	case pool.Failed, pool.Busy:
		return true
	case pool.Served, pool.Unknown:
	}
	var refusal *dialect.RefusalError
	return ctx.Err() == nil && errors.As(err, &refusal) && refusal.Cause == dialect.CauseLate
}

// told is err as the caller of Open and Ask has it. header is that of the server's reply, nil where none came.
func (t *target) told(ctx context.Context, err error, header http.Header) error {
	var refusal *dialect.RefusalError
	var unwritten *bodyError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &unwritten):
		return unwritten.err
	case errors.As(err, &refusal) && refusal.Cause == dialect.CauseBusy:
		return &BusyError{Wait: waitOf(header)}
	case errors.As(err, &refusal) && refusal.Cause == dialect.CauseLoading:
		return &engine.UnavailableError{State: engine.StateUnloaded, RetryIn: waitOf(header)}
	case errors.As(err, &refusal) && refusal.Cause == dialect.CauseLate:
		return &LateError{Wait: waitOf(header)}
	case errors.As(err, &refusal) && (refusal.Cause == dialect.CauseRequest || refusal.Cause == dialect.CauseLength):
		if !t.group.Dialect.Can.Verifies {
			refusal.Code, refusal.Param = "", "" // in words of its own
		}
		return refusal
	}
	return &FailedError{Server: t.id, Err: err}
}

// verdict is what an error tells of its server.
func verdict(ctx context.Context, err error) pool.Verdict {
	var refusal *dialect.RefusalError
	var unwritten *bodyError
	switch {
	case ctx.Err() != nil, errors.As(err, &unwritten):
		return pool.Unknown
	case errors.As(err, &refusal):
		switch refusal.Cause {
		case dialect.CauseRequest, dialect.CauseLength, dialect.CauseLate:
			return pool.Served
		case dialect.CauseBusy, dialect.CauseLoading:
			return pool.Busy
		case dialect.CauseAccess, dialect.CauseServer:
		}
	}
	return pool.Failed
}

func outcome(ctx context.Context, err error) Outcome {
	switch verdict(ctx, err) {
	case pool.Served:
		return Refused
	case pool.Busy:
		return Busy
	case pool.Unknown:
		return Abandoned
	case pool.Failed:
	}
	return Failed
}

// waitOf is how long a server asks to be left alone.
func waitOf(h http.Header) time.Duration {
	if seconds, err := strconv.Atoi(h.Get("Retry-After")); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	return 0
}

// Ask sends a small request to a server whose dialect has a path for it, and gives the reply with the dialect.
func (c *Cluster) Ask(
	ctx context.Context, path func(*dialect.Dialect) string, body func(d *dialect.Dialect, model string) ([]byte, error),
) ([]byte, *dialect.Dialect, error) {
	for _, s := range c.Standings() {
		t := c.target(s.ID)
		if t == nil || s.State == pool.Down || path(t.group.Dialect) == "" {
			continue
		}
		data, err := body(t.group.Dialect, t.model())
		if err != nil {
			return nil, nil, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url(path(t.group.Dialect)), bytes.NewReader(data))
		if err != nil {
			return nil, nil, fmt.Errorf("ask a server: %w", err)
		}
		req.Header.Set("Content-Type", "application/json")
		t.authorize(req.Header)
		if data, err = c.small(req); err != nil {
			return nil, nil, t.told(ctx, err, nil)
		}
		return data, t.group.Dialect, nil
	}
	return nil, nil, engine.ErrUnavailable
}
