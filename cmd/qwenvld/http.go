package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/qwenvld/qwenvld/api"
	"github.com/qwenvld/qwenvld/config"
)

func scheme(c *config.Config) string {
	if c.TLS.Certificate != "" {
		return "https"
	}
	return "http"
}

// serveHTTP serves until ctx is done, then lets requests finish for the shutdown timeout.
func serveHTTP(ctx context.Context, c *config.Config, l net.Listener, s *api.Server, logger *slog.Logger, stopWorkers func()) error {
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() {
		if c.TLS.Certificate != "" {
			served <- srv.ServeTLS(l, c.TLS.Certificate, c.TLS.Key)
		} else {
			served <- srv.Serve(l)
		}
		close(served)
	}()
	select {
	case err := <-served:
		stopWorkers()
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	logger.Info("draining", "timeout", c.ShutdownTimeout)
	s.Drain()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.ShutdownTimeout)
	defer cancel()
	err := srv.Shutdown(drain)
	if err == nil {
		err = s.Wait(drain)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		logger.Warn("requests are ended that did not finish in time")
		s.Abort()
		const grace = 2 * time.Second
		last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancelLast()
		if err = srv.Shutdown(last); err != nil {
			err = srv.Close()
		}
		err = errors.Join(err, s.Wait(last))
	}
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}
