package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/config"
)

func serveCommand(e *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve [MODEL]",
		Short: "Serve the OpenAI HTTP API; without a model, with the configured one, else the built-in demo pair",
		Long: `Serve the OpenAI HTTP API. MODEL is named as for qwenvld pull; what of it is not on this machine is fetched first. Without
one, the model of the configuration is served, and without that the built-in demo pair.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s := &settings{level: &slog.LevelVar{}, read: func() (*config.Config, *config.Places, error) {
				c, places, err := config.Trace(cmd.Flags(), e.variables)
				if err == nil && len(args) == 1 {
					if err := nameModel(c, args[0]); err != nil {
						return nil, nil, &usageError{cmd, err}
					}
				}
				return c, places, err
			}}
			given, err := s.load(nil)
			if err != nil {
				return err
			}
			logger := newLogger(given.config.Log, s.level, e.stderr)
			return serve(cmd.Context(), e, given.config, logger, e.stdout, &reloader{settings: s, logger: logger, now: given})
		},
	}
	config.AddFlags(cmd.Flags())
	return cmd
}

// newLogger writes to out what has at least the level, which it sets to c's.
func newLogger(c config.Log, level *slog.LevelVar, out io.Writer) *slog.Logger {
	level.Set(c.SlogLevel())
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(out, o))
	}
	return slog.New(slog.NewTextHandler(out, o))
}

// serve runs workers and the HTTP server until ctx is done, then drains. Whatever can be known to be wrong is found
// before anything is said to be served, the address first: a second daemon started by mistake must not first load its
// models. Without out nobody is told that it runs, and without changes its configuration stays.
func serve(ctx context.Context, e *environment, c *config.Config, logger *slog.Logger, out io.Writer, changes *reloader) error {
	listener, err := handedOver(e, os.Getpid())
	if err == nil && listener == nil {
		listener, err = listen(ctx, c)
	}
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // serving closes it, too
	operators, err := listenAdmin(ctx, c)
	if err != nil {
		return err
	}
	d, err := assemble(ctx, e, c, logger)
	if err != nil {
		if operators != nil {
			_ = operators.Close()
		}
		return err
	}
	defer d.close()
	if operators != nil {
		stop, err := d.serveAdmin(operators, func(w io.Writer) error { return changes.print(w, d.config) })
		if err != nil {
			return err
		}
		defer stop()
	}
	d.url = baseURL(c, listener.Addr(), d.certificate)
	if out != nil {
		defer d.note()()
	}
	logger.Info("serving", "address", d.url, "model", strings.Join(d.models.ids(), ", "), "version", version)
	if changes != nil {
		changes.apply = d.take
	}
	err = d.run(ctx, listener, out, changes)
	logger.Info("stopped")
	return err
}
