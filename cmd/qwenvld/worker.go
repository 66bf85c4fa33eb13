package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/engine/worker"
)

// workerSocket is the descriptor on which a worker finds its listening socket (package engine/process).
const workerSocket = 3

func workerCommand(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:    "worker",
		Short:  "Run one set of weights for the daemon, which starts this itself",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			// The daemon decides when a worker ends: by closing its input.
			signal.Ignore(syscall.SIGINT, syscall.SIGTERM)
			beNamed()
			return runWorker(context.Background(), e)
		},
	}
}

func runWorker(ctx context.Context, e *environment) error {
	in := bufio.NewReader(e.stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("worker: no configuration on the standard input: %w", err)
	}
	var c worker.Config
	if err := json.Unmarshal(line, &c); err != nil {
		return fmt.Errorf("worker: configuration: %w", err)
	}
	socket := os.NewFile(workerSocket, "socket")
	listener, err := net.FileListener(socket)
	if err != nil {
		return fmt.Errorf("worker: socket: %w", err)
	}
	_ = socket.Close()
	err = worker.Run(ctx, worker.Options{
		Config: c, Listener: listener, Lifeline: in, Handshake: e.stdout,
		Logger: slog.New(slog.NewJSONHandler(e.stderr, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	var told *worker.LoadError
	if errors.As(err, &told) {
		return nil // the daemon has been told, and logs it
	}
	return err
}
