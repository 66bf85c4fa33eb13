package extproc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	service "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// Options are what a Processor needs.
type Options struct {
	// Router is the base of the daemon that decides, Key its API key; empty for none.
	Router, Key string
	// Instruct and Thinking are what the pools of both weights call their model; where one is empty it is the
	// request's model and -instruct or -thinking.
	Instruct, Thinking string
	// Patience is how long a decision may take; BodyBytes bounds a request.
	Patience  time.Duration
	BodyBytes int
	// Transport asks the daemon. Logger may be nil.
	Transport http.RoundTripper
	Logger    *slog.Logger
}

// Processor is the service that Envoy asks. It is safe for concurrent use.
type Processor struct {
	service.UnimplementedExternalProcessorServer

	o Options
	// names are those of the weights in their pools, by variant.
	names map[string]string
}

var _ service.ExternalProcessorServer = (*Processor)(nil)

// New returns a Processor.
func New(o Options) (*Processor, error) {
	switch {
	case o.Router == "":
		return nil, errors.New("extproc: no daemon is named that decides")
	case o.Patience <= 0 || o.BodyBytes <= 0:
		return nil, errors.New("extproc: bounds must be positive")
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Processor{o: o, names: map[string]string{"instruct": o.Instruct, "thinking": o.Thinking}}, nil
}

// lastStreams is how long requests that Envoy has begun may take once the server is to end.
const lastStreams = 5 * time.Second

// Serve answers on l, which it closes, until ctx is done. It tells its health by gRPC's own service.
func (p *Processor) Serve(ctx context.Context, l net.Listener) error {
	const frame = 64 << 10 // what gRPC adds to a body
	s := grpc.NewServer(grpc.MaxRecvMsgSize(p.o.BodyBytes + frame))
	service.RegisterExternalProcessorServer(s, p)
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		late := time.AfterFunc(lastStreams, s.Stop)
		defer late.Stop()
		s.GracefulStop()
	})
	err := s.Serve(l)
	if !stop() {
		<-ended
	}
	if err != nil {
		return fmt.Errorf("serve external processing: %w", err)
	}
	return nil
}
