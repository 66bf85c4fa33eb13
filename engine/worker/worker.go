// Package worker is the model process: it loads one set of weights, schedules requests over its KV cache and serves
// them to the daemon over a unix socket.
//
// It must not talk to the network, route, render prompts or parse answers. It trusts the daemon, but not the prompt:
// text from outside never becomes a control token, and what does not fit is refused before anything is computed.
package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/qwenvld/qwenvld/engine/wire"
	"github.com/qwenvld/qwenvld/engine/worker/compute"
	"github.com/qwenvld/qwenvld/engine/worker/endpoint"
	"github.com/qwenvld/qwenvld/engine/worker/schedule"
)

// Options connect a worker with the daemon that started it.
type Options struct {
	Config Config
	// Listener is the unix socket that the daemon made.
	Listener net.Listener
	// Lifeline is read until its end, which means that the daemon is gone.
	Lifeline io.Reader
	// Handshake gets wire.Hello lines while loading.
	Handshake io.Writer
	Logger    *slog.Logger
}

// LoadError is a failure to load the weights, which the daemon has been told of in the handshake.
type LoadError struct{ cause error }

func (e *LoadError) Error() string { return e.cause.Error() }

func (e *LoadError) Unwrap() error { return e.cause }

// Run loads the weights and serves until ctx is done or the lifeline ends. A failure to load is a LoadError.
func Run(ctx context.Context, o Options) error {
	defer func() { _ = o.Listener.Close() }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Nothing waits for this read: it ends with the process at the latest.
	go func() {
		_, _ = io.Copy(io.Discard, o.Lifeline)
		cancel()
	}()
	hello := helloWriter{w: o.Handshake}
	w, err := load(ctx, o.Config, o.Logger, hello.progress)
	if err != nil {
		hello.send(wire.Hello{State: wire.StateFailed, Error: err.Error()})
		return &LoadError{err}
	}
	defer w.close()
	return serve(ctx, w, o, &hello)
}

// serve runs the loop and the HTTP server until ctx is done.
func serve(ctx context.Context, w *weights, o Options, hello *helloWriter) error {
	var encoder compute.Encoder
	if w.vision != nil {
		encoder = newTower(w)
	}
	c := &w.config
	var shelf compute.Shelf
	if w.shelf != nil {
		shelf = w.shelf
	}
	loop := compute.New(compute.Options{
		Limits: schedule.Limits{
			Cells: c.CacheTokens, Sequences: c.MaxSequences, BatchRows: c.BatchSize, PrefillRows: c.PrefillChunk,
			ParkedCells: w.parked(), Branches: w.branches(), RowBytes: w.rowBytes(), AheadBytes: max(0, c.VisionCache) / 2,
			EncodeMemory: c.ImageMemory,
		},
		MaxQueue: c.MaxQueue, Rows: w.rows, Shelf: shelf, Guesses: max(0, c.Speculation), Logger: o.Logger,
	}, w, encoder, w)
	handler := endpoint.New(&served{weights: w, loop: loop, info: w.info()}, o.Logger)
	defer handler.Wait()
	loopCtx, stopLoop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { w.decodes.do(func() { loop.Run(loopCtx) }) })
	defer func() {
		w.context.Abort() // a long step need not end first
		stopLoop()
		running.Wait()
	}()

	srv := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	defer func() { _ = srv.Close() }()
	hello.send(wire.Hello{State: wire.StateReady})
	if err := srv.Serve(o.Listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("worker: serve: %w", err)
	}
	return nil
}

// helloWriter writes handshake lines; progress where it is worth a line, and often enough to show that loading gets on.
type helloWriter struct {
	w     io.Writer
	stage string
	last  float32
	sent  time.Time
}

func (h *helloWriter) send(m wire.Hello) {
	m.Protocol = wire.Version
	line, err := json.Marshal(m)
	if err != nil {
		return // its fields always encode
	}
	out := bufio.NewWriter(h.w)
	_, _ = out.Write(append(line, '\n'))
	_ = out.Flush() // a daemon that is gone ends the lifeline
}

func (h *helloWriter) progress(stage string, fraction float32) {
	const atLeast, often = 0.01, 2 * time.Second
	if stage == h.stage && fraction-h.last < atLeast && time.Since(h.sent) < often {
		return
	}
	h.stage, h.last, h.sent = stage, fraction, time.Now()
	h.send(wire.Hello{State: wire.StateLoading, Stage: stage, Progress: fraction})
}
