package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/internal/client"
)

// withDaemon calls use with a client of the daemon that o names, or that runs on this machine. Where none runs, it
// starts one, which ends when use returns.
func withDaemon(ctx context.Context, e *environment, cmd *cobra.Command, o *askOptions, use func(*client.Client) error) error {
	if !cmd.Flags().Changed("config") {
		found, err := findDaemon(e, o.url)
		if err != nil {
			return err
		}
		c := client.New(client.Options{URL: found.URL, Key: e.variable(config.VariableKey)})
		defer c.Close()
		there := o.url != "" || e.variable(config.VariableURL) != ""
		if !there {
			if there, err = serves(ctx, c, found.URL, answerTime); err != nil {
				return err
			}
		}
		if there {
			return use(c)
		}
	}
	conf, err := config.Load(cmd.Flags(), e.variables)
	if err != nil {
		return err
	}
	newPrinter(e).aside.faint("no daemon runs: one answers for this command alone (`qwenvld serve` keeps one running)\n")
	return withOwnDaemon(ctx, e, conf, use)
}

// answerTime is how long a daemon may take to say that it lives.
const answerTime = 10 * time.Second

// serves tells whether a daemon answers that is not about to end. What listens and says nothing for so long is an
// error: it may be a busy one, and another beside it would make it no faster.
func serves(ctx context.Context, c *client.Client, url string, patience time.Duration) (bool, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	code, body, err := readiness(limited, c)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return false, fmt.Errorf("what listens at %s has not answered within %v (--url names another daemon): %w", url, patience, err)
	}
	if err != nil || code != http.StatusOK && code != http.StatusServiceUnavailable {
		return false, nil
	}
	status := statusIn(body)
	return status != "" && status != "draining", nil
}

// withOwnDaemon serves on a socket that only this user reaches while use runs.
func withOwnDaemon(ctx context.Context, e *environment, c *config.Config, use func(*client.Client) error) (err error) {
	dir, err := os.MkdirTemp("", "ask-qwenvld-")
	if err != nil {
		return fmt.Errorf("start a daemon: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	own := *c
	own.Listen = "unix:" + filepath.Join(dir, "q.sock")
	own.TLS, own.Keys, own.ShutdownTimeout, own.DrainDelay = config.TLS{}, nil, 0, 0
	own.Admin = config.Admin{}
	own.Responses.Path = config.ResponsesOff // another daemon may hold the file
	logger := slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	if err := fetchAll(ctx, e, &own, logger); err != nil {
		return err
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- serve(serving, e, &own, logger, nil, nil) }()
	asking := client.New(client.Options{URL: own.Listen})
	defer func() {
		asking.Close()
		stop()
		if failed := <-ended; err == nil {
			err = failed
		}
	}()
	if err := waitReady(ctx, asking, ended); err != nil {
		ended <- nil // it has been read
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return use(asking)
}

// waitReady waits until all weights are loaded or ctx ends. It returns why the daemon has ended, if it has.
func waitReady(ctx context.Context, c *client.Client, ended <-chan error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err == nil {
				err = errors.New("the daemon ended")
			}
			return err
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		_, body, err := c.Get(ctx, "/health/ready")
		if err == nil && statusIn(body) == "ready" {
			return nil
		}
	}
}
