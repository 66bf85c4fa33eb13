package worker

import (
	"context"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/wire"
	"github.com/qwenvld/qwenvld/engine/worker/compute"
	"github.com/qwenvld/qwenvld/engine/worker/endpoint"
)

// served are weights whose requests a loop computes.
type served struct {
	weights *weights
	loop    *compute.Loop
	info    engine.Info
}

var (
	_ endpoint.Model = (*served)(nil)
	_ endpoint.Job   = (*compute.Job)(nil)
)

// Info implements endpoint.Model.
func (s *served) Info() engine.Info { return s.info }

// Health implements endpoint.Model: the computations get on by their steps, and within those by the nodes of the graph.
func (s *served) Health() wire.Health {
	health := wire.Health{
		Decode: wire.Pulse(s.loop.Decoding()), Encode: wire.Pulse(s.loop.Encoding()), Cells: s.loop.Cells(),
		Guesses: s.loop.Guesses(), Pictures: s.loop.Pictures(), Resident: resident(),
	}
	health.Decode.Beats += s.weights.context.Beats()
	if s.weights.vision != nil {
		health.Encode.Beats += s.weights.vision.Beats()
	}
	return health
}

// Submit implements endpoint.Model.
func (s *served) Submit(ctx context.Context, req *engine.Request) (endpoint.Job, error) {
	spec, err := s.weights.prepare(ctx, req)
	if err != nil {
		return nil, err
	}
	job, err := s.loop.Submit(ctx, spec)
	if err != nil {
		return nil, err
	}
	return job, nil
}

// Tokenize implements endpoint.Model.
func (s *served) Tokenize(ctx context.Context, pieces []engine.Piece) ([]int32, error) {
	return s.weights.tokenize(ctx, pieces)
}

// TokenBytes implements endpoint.Model.
func (s *served) TokenBytes(_ context.Context, tokens []int32) ([][]byte, error) {
	return s.weights.tokenBytes(tokens)
}
