package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/wire"
)

// client speaks to one worker process.
type client struct {
	http *http.Client
	gone context.Context //nolint:containedctx // done when the worker is given up, which ends every request
	end  context.CancelCauseFunc
	// handles counts the requests, which are named by their numbers.
	handles atomic.Uint64
}

// idleConnections are kept for the requests that follow: as many as may run at a time by default.
const idleConnections = 64

func newClient(socket string) *client {
	gone, end := context.WithCancelCause(context.Background())
	return &client{gone: gone, end: end, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			c, err := d.DialContext(ctx, "unix", socket)
			if err != nil {
				return nil, err
			}
			return &connection{Conn: c}, nil
		},
		DisableCompression:  true,
		MaxIdleConnsPerHost: idleConnections,
		IdleConnTimeout:     time.Minute,
	}}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// abandon ends what is under way with a worker that will not answer.
func (c *client) abandon() { c.end(errLost) }

// connection counts what was written to it.
type connection struct {
	net.Conn
	written atomic.Int64
}

func (c *connection) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	return n, err
}

var (
	// errLost is a connection to a worker that broke.
	errLost = errors.New("connection to the worker lost")
	// errUnsent is an errLost before anything of the request had been sent.
	errUnsent = fmt.Errorf("nothing was sent: %w", errLost)
)

// do sends r. A broken connection is an errUnsent or errLost.
func (c *client) do(r *http.Request) (*http.Response, error) {
	var used *connection // nil until there is one
	var before int64
	trace := &httptrace.ClientTrace{
		GetConn: func(string) { used = nil },
		GotConn: func(info httptrace.GotConnInfo) {
			used, _ = info.Conn.(*connection)
			before = used.written.Load()
		},
	}
	resp, err := c.http.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err == nil {
		return resp, nil
	}
	if r.Context().Err() == nil && (used == nil || used.written.Load() == before) {
		return nil, fmt.Errorf("%w: %w", errUnsent, err)
	}
	return nil, lost(r.Context(), err)
}

// lost is the cause of a cancelled context, else errLost with err.
func lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %w", errLost, err)
}

// live returns a context that ends with the worker too.
func (c *client) live(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(c.gone, func() { cancel(context.Cause(c.gone)) })
	return ctx, func() {
		unhook()
		cancel(nil)
	}
}

// workerURL completes a path; the host is not used.
func workerURL(path string) string { return "http://worker" + path }

// get asks for what the worker knows of itself.
func (c *client) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, workerURL(path), http.NoBody)
	if err != nil {
		return err
	}
	return c.exchange(req, into)
}

// post asks for something small. A refusal is the engine's own error.
func (c *client) post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("worker %s: %w", path, err)
	}
	ctx, cancel := c.live(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, workerURL(path), bytes.NewReader(body))
	if err != nil {
		return err
	}
	return c.exchange(req, out)
}

func (c *client) exchange(req *http.Request, out any) error {
	resp, err := c.do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	dec := json.NewDecoder(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return refusal(req.Context(), dec)
	}
	if err := dec.Decode(out); err != nil {
		return lost(req.Context(), err)
	}
	return nil
}

// refusal reads the engine's own error.
func refusal(ctx context.Context, dec *json.Decoder) error {
	var e wire.Error
	if err := dec.Decode(&e); err != nil {
		return lost(ctx, err)
	}
	return e.Unpack()
}

// generate sends req and returns when all its pixels are on their way. A refusal is the engine's own error.
func (c *client) generate(ctx context.Context, req *engine.Request) (_ *clientStream, err error) {
	ctx, cancel := c.live(ctx)
	defer func() {
		if err != nil {
			cancel()
		}
	}()
	body, err := wire.EncodeRequest(ctx, req)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, workerURL(wire.PathGenerate), body)
	if err != nil {
		return nil, err
	}
	r.ContentLength = body.Size()
	handle := strconv.FormatUint(c.handles.Add(1), 10)
	r.Header.Set(wire.HeaderHandle, handle)
	resp, err := c.do(r) //nolint:bodyclose // the stream closes it
	if err != nil {
		if failed := body.Failed(); failed != nil && ctx.Err() == nil {
			return nil, failed
		}
		return nil, err
	}
	s := &clientStream{ctx: ctx, cancel: cancel, body: resp.Body, dec: json.NewDecoder(resp.Body)}
	if resp.StatusCode != http.StatusOK {
		defer s.close()
		return nil, refusal(ctx, s.dec)
	}
	// The worker has taken the request, and encodes what is there while the rest of the pixels come. The transport
	// closes the body in any case.
	if err := body.Sent(); err != nil {
		s.close()
		return nil, err
	}
	if now := req.Thinking.Now; now != nil && req.Thinking.Open {
		s.watching.Go(func() { c.hurry(ctx, now, handle) })
	}
	return s, nil
}

// hurry tells the worker once nobody wants to wait for more thoughts. It returns when that is done, or ctx is.
func (c *client) hurry(ctx context.Context, now <-chan struct{}, handle string) {
	select {
	case <-ctx.Done():
		return
	case <-now:
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, workerURL(wire.PathAnswerNow), http.NoBody)
	if err != nil {
		return // the path is good
	}
	r.Header.Set(wire.HeaderHandle, handle)
	// Where it fails the worker is gone, as the stream says.
	_ = c.exchange(r, &struct{}{})
}

// clientStream reads frames.
type clientStream struct {
	ctx    context.Context //nolint:containedctx // the request's, for the cause of a broken read
	cancel context.CancelFunc
	body   io.ReadCloser
	dec    *json.Decoder
	done   bool
	// watching waits for what has to be said of the request while it runs.
	watching sync.WaitGroup
}

// next returns io.EOF after the last event.
func (s *clientStream) next() (engine.Event, error) {
	if s.done {
		return engine.Event{}, io.EOF
	}
	var f wire.Frame
	if err := s.dec.Decode(&f); err != nil {
		s.done = true
		return engine.Event{}, lost(s.ctx, err)
	}
	switch {
	case f.Error != nil:
		s.done = true
		return engine.Event{}, f.Error.Unpack()
	case f.Event == nil:
		s.done = true
		return engine.Event{}, errors.New("worker sent an empty frame")
	}
	s.done = f.Event.Result != nil
	return *f.Event, nil
}

// close ends the request; the worker frees its sequence before the next step.
func (s *clientStream) close() {
	if s.done {
		// Reading to the end lets the connection be used again.
		_, _ = io.Copy(io.Discard, io.LimitReader(s.body, 1<<10))
	}
	s.cancel()
	_ = s.body.Close()
	s.watching.Wait()
}
