package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/qwenvld/qwenvld/api"
	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine/llama"
	"github.com/qwenvld/qwenvld/engine/process"
	"github.com/qwenvld/qwenvld/internal/demopair"
	"github.com/qwenvld/qwenvld/router"
)

func serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the OpenAI HTTP API; without a configuration, with the built-in demo pair",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(cmd.Flags())
			if err != nil {
				return err
			}
			return serve(cmd.Context(), c, newLogger(c.Log))
		},
	}
	config.AddFlags(cmd.Flags())
	return cmd
}

func newLogger(c config.Log) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.SlogLevel()}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}

// serve runs workers and the HTTP server until ctx is done, then drains.
func serve(ctx context.Context, c *config.Config, logger *slog.Logger) error {
	if s := llama.SystemInfo(); s.Warning != "" {
		logger.Warn("slow build", "warning", s.Warning)
	}
	p, err := assemble(ctx, c, logger)
	if err != nil {
		return err
	}
	defer p.close()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	base := scheme(c) + "://" + listener.Addr().String()
	logger.Info("serving", "address", base, "model", p.model.ID, "version", version)
	if len(c.Models) == 0 {
		greeting, err := demopair.Greeting(base)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		fmt.Println(greeting)
	}
	err = p.run(ctx, listener)
	logger.Info("stopped")
	return err
}

// daemon is everything that serves, put together and checked as far as that is possible without running it.
type daemon struct {
	config      *config.Config
	model       *config.Model
	supervisors map[router.Variant]*process.Supervisor
	fetchers    fetchers
	store       *history.Store // nil where nothing is kept
	server      *api.Server
	logger      *slog.Logger
}

// assemble makes a daemon, which the caller closes.
func assemble(ctx context.Context, c *config.Config, logger *slog.Logger) (_ *daemon, err error) {
	d := &daemon{config: fitToModel(c), logger: logger}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.model, err = chooseModel(c, logger); err != nil {
		return nil, err
	}
	if d.supervisors, err = newSupervisors(d.model, logger); err != nil {
		return nil, err
	}
	d.fetchers = newFetchers(&d.config.Media)
	images := newDecoder(&d.config.Media)
	tool, err := newVideoTool(ctx, &d.config.Media.Video, images, logger)
	if err != nil {
		return nil, err
	}
	if d.store, err = openStore(ctx, &d.config.Responses); err != nil {
		return nil, err
	}
	d.server, err = newServer(d.config, d.model.ID, d.supervisors, mediaWays{d.fetchers, images, tool}, d.store, logger)
	return d, err
}

func (d *daemon) close() {
	d.fetchers.close()
	if d.store != nil {
		_ = d.store.Close() // all is written
	}
}

// run serves on l until ctx is done, then drains.
func (d *daemon) run(ctx context.Context, l net.Listener) error {
	g, gctx := errgroup.WithContext(ctx)
	workers := startWorkers(ctx, d.supervisors)
	defer workers.end()
	g.Go(func() error { return workers.firstFailure(gctx) })
	if keep := d.config.Responses.Keep; d.store != nil && keep > 0 {
		g.Go(func() error { expire(gctx, d.store, keep, d.logger); return nil })
	}
	g.Go(func() error { return serveHTTP(gctx, d.config, l, d.server, d.logger, workers.stop) })
	return g.Wait()
}
