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
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/wire"
)

// client speaks to one worker process.
type client struct {
	http *http.Client
}

func newClient(socket string) *client {
	return &client{http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
		DisableCompression: true,
		MaxIdleConns:       16,
		IdleConnTimeout:    time.Minute,
	}}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// url completes a path; the host is not used.
func url(path string) string { return "http://worker" + path }

func (c *client) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url(path), http.NoBody)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("worker %s: %w", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("worker %s: status %d", path, resp.StatusCode)
	}
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("worker %s: %w", path, err)
	}
	return nil
}

// post asks for something small. A refusal is the engine's own error, a broken connection errLost.
func (c *client) post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("worker %s: %w", path, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url(path), bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return lost(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	dec := json.NewDecoder(resp.Body)
	if resp.StatusCode != http.StatusOK {
		var refusal wire.Error
		if err := dec.Decode(&refusal); err != nil {
			return lost(ctx, err)
		}
		return refusal.Unpack()
	}
	if err := dec.Decode(out); err != nil {
		return lost(ctx, err)
	}
	return nil
}

// errLost is a connection to a worker that broke.
var errLost = errors.New("connection to the worker lost")

// generate sends req and returns when all its pixels are on their way. A refusal is the engine's own error, a broken connection errLost.
func (c *client) generate(ctx context.Context, req *engine.Request) (*clientStream, error) {
	ctx, cancel := context.WithCancel(ctx)
	body, err := wire.EncodeRequest(ctx, req)
	if err != nil {
		cancel()
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url(wire.PathGenerate), body)
	if err != nil {
		cancel()
		return nil, err
	}
	r.ContentLength = body.Size()
	resp, err := c.http.Do(r) //nolint:bodyclose // the stream closes it
	if err != nil {
		if failed := body.Failed(); failed != nil && ctx.Err() == nil {
			err = failed
		} else {
			err = lost(ctx, err)
		}
		cancel()
		return nil, err
	}
	s := &clientStream{ctx: ctx, cancel: cancel, body: resp.Body, dec: json.NewDecoder(resp.Body)}
	if resp.StatusCode == http.StatusOK {
		// The worker has taken the request, and encodes what is there while the rest of the pixels come. The transport closes the
		// body in any case.
		if err := body.Sent(); err != nil {
			s.close()
			return nil, err
		}
		return s, nil
	}
	defer s.close()
	var refusal wire.Error
	if err := s.dec.Decode(&refusal); err != nil {
		return nil, lost(ctx, err)
	}
	return nil, refusal.Unpack()
}

// lost is the cause of a cancelled context, else errLost with err.
func lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %w", errLost, err)
}

// clientStream reads frames.
type clientStream struct {
	ctx    context.Context //nolint:containedctx // the request's, for the cause of a broken read
	cancel context.CancelFunc
	body   io.ReadCloser
	dec    *json.Decoder
	done   bool
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
}
