package faults

import (
	"context"

	"github.com/qwenvld/qwenvld/internal/trial/daemon"
	"github.com/qwenvld/qwenvld/internal/trial/traffic"
)

// cellFaults ask for more than the KV cache holds.
func cellFaults() []fault {
	return []fault{{
		name: "KV cells exhausted", settings: settings{engine: "context_size: 1024, cache_tokens: 1024, max_sequences: 8"}, run: exhaust,
	}}
}

// exhaust has answers grow together to many times of what the cache has cells for, prompts that fill it come between
// them, and one that cannot fit.
func exhaust(ctx context.Context, s *subject) error {
	c := s.newCrowd(ctx)
	defer c.wait()
	const answers, prompts = 5, 3
	for _, variant := range daemon.Variants() {
		for range answers {
			c.ask(traffic.Endless(traffic.Of(variant), 600))
		}
		for range prompts {
			c.ask(traffic.Prompt(traffic.Of(variant), 300, s.next()))
		}
		c.ask(traffic.Prompt(traffic.Of(variant), 3000, s.next()))
	}
	return nil
}
