// Command extproc lets Envoy, and what is built on it, ask the router: an external processor that reads the body of a
// chat completion, asks a daemon's /v1/route who should answer, and tells Envoy by a header and by the body's model.
// Envoy, a gateway's InferencePool or any route by header then sends the request to the pool of those weights.
//
// It must not answer requests, nor hold one up: where the daemon cannot be asked in time, the request goes on as it
// came.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	extproc "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("extproc", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:9002", "address to serve gRPC on")
	router := flags.String("router", "http://127.0.0.1:8080", "base of the daemon that decides")
	instruct := flags.String("instruct", "", "what the pool of the weights that answer directly calls its model (default: the request's model and -instruct)")
	thinking := flags.String("thinking", "", "the same for the weights that think first (default: the request's model and -thinking)")
	key := flags.String("key-file", "", "file with the daemon's API key")
	patience := flags.Duration("timeout", 50*time.Millisecond, "how long a decision may take")
	if err := flags.Parse(args); err != nil {
		return err
	}
	p := &processor{router: *router, names: map[string]string{"instruct": *instruct, "thinking": *thinking}, patience: *patience, client: http.DefaultClient, logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	if *key != "" {
		text, err := os.ReadFile(*key)
		if err != nil {
			return fmt.Errorf("key: %w", err)
		}
		p.key = string(text)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return err
	}
	return serve(ctx, l, p)
}

// serve answers on l until ctx is done, and then lets what goes on end.
func serve(ctx context.Context, l net.Listener, p *processor) error {
	s := grpc.NewServer(grpc.MaxRecvMsgSize(maxBody))
	extproc.RegisterExternalProcessorServer(s, p)
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	done := context.AfterFunc(ctx, s.GracefulStop)
	defer done()
	return s.Serve(l)
}
