package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/qwenvld/qwenvld/api"
	"github.com/qwenvld/qwenvld/api/rawreply"
	"github.com/qwenvld/qwenvld/config"
)

func scheme(c *config.Config) string {
	if c.TLS.Certificate != "" {
		return "https"
	}
	return "http"
}

// drainable is a handler that can be told to come to an end.
type drainable interface {
	http.Handler
	// Drain has it say that it is not ready, and refuse new work.
	Drain()
	// Wait returns when no work is left, or with an error when ctx is done.
	Wait(ctx context.Context) error
	// Abort ends all work.
	Abort()
}

var _ drainable = (*api.Server)(nil)

// serveHTTP serves until ctx is done. Then it says for a while that it is not ready, so that load balancers send
// requests elsewhere, stops listening, and lets requests finish for the shutdown timeout; a second signal ends all of
// that. Where others accept from l, too, it leaves new connections to them at once, and refuses nothing.
func serveHTTP(
	ctx context.Context, c *config.Config, l net.Listener, secured *tls.Config, s drainable, logger *slog.Logger, stopWorkers func(),
) error {
	leaving := &atomic.Bool{}
	srv := &http.Server{
		Handler:           lastReplies(s, leaving),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		// The API refuses headers long before, in its own words.
		MaxHeaderBytes: 1 << 20,
		ErrorLog:       slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() {
		if secured != nil {
			srv.TLSConfig = secured
			served <- srv.ServeTLS(l, "", "")
		} else {
			served <- srv.Serve(rawreply.Listen(l))
		}
		close(served)
	}()
	select {
	case err := <-served:
		stopWorkers()
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	logger.Info("draining", "delay", c.DrainDelay, "timeout", c.ShutdownTimeout)
	patient, cancel := untilHurried(context.WithoutCancel(ctx), hurryOf(ctx))
	defer cancel()
	if shared, ok := l.(*sharedListener); ok {
		shared.Leave()
		leaving.Store(true)
		pause(patient, c.DrainDelay)
		s.Drain()
	} else {
		s.Drain()
		pause(patient, c.DrainDelay)
	}
	err := finish(patient, srv, s, c.ShutdownTimeout, logger)
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}

// lastReplies has the client of each reply close its connection once leaving is set, so that its next request goes to
// who accepts connections then.
func lastReplies(next http.Handler, leaving *atomic.Bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if leaving.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// finish stops listening and waits until all requests have ended, which it sees to itself when the timeout has passed
// or ctx is done.
func finish(ctx context.Context, srv *http.Server, s drainable, timeout time.Duration, logger *slog.Logger) error {
	drain, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := srv.Shutdown(drain)
	if err == nil {
		err = s.Wait(drain)
	}
	if err == nil || drain.Err() == nil {
		return err
	}
	logger.Warn("requests are ended that did not finish in time")
	s.Abort()
	const grace = 2 * time.Second
	last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancelLast()
	if err = srv.Shutdown(last); err != nil {
		err = srv.Close()
	}
	return errors.Join(err, s.Wait(last))
}

// pause waits for d, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
