package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine/device/probe"
	"github.com/qwenvld/qwenvld/engine/process"
	"github.com/qwenvld/qwenvld/engine/worker"
	"github.com/qwenvld/qwenvld/router"
)

// newSupervisors makes one supervisor for each variant that is configured.
func newSupervisors(e *environment, m *config.Model, where *placement, logger *slog.Logger) (map[router.Variant]*process.Supervisor, error) {
	self, err := e.executable()
	if err != nil {
		return nil, fmt.Errorf("find this binary: %w", err)
	}
	out := map[router.Variant]*process.Supervisor{}
	for variant, w := range map[router.Variant]config.Weights{router.Instruct: m.Instruct, router.Thinking: m.Thinking} {
		if w.Model == "" {
			continue
		}
		c := workerConfig(&m.Engine, w)
		where.apply(string(variant), &c)
		wc, err := json.Marshal(c)
		if err != nil {
			return nil, fmt.Errorf("configure worker: %w", err)
		}
		out[variant] = process.New(process.Options{
			Command: process.Command{Path: self, Args: []string{"worker"}, Env: probe.WithLibraries(workerEnvironment(e.variables), c.Backends), Config: wc},
			Logger:  logger.With("variant", string(variant)),
		})
	}
	return out, nil
}

// workerConfig is what a worker is told of the weights w.
func workerConfig(e *config.Engine, w config.Weights) worker.Config {
	return worker.Config{
		Model: w.Model, Projector: w.Projector, ContextSize: e.ContextSize, CacheTokens: e.CacheTokens, CacheType: e.CacheType,
		MaxSequences: e.MaxSequences, MaxQueue: e.MaxQueue, BatchSize: e.BatchSize, PrefillChunk: e.PrefillChunk,
		Threads: e.Threads, ImageMemory: e.ImageMemory, VisionCache: e.VisionCache, PrefixCache: e.PrefixCache,
	}
}

// workerEnvironment tells OpenMP how to wait between the nodes of a graph, unless the operator has: spin briefly, then
// sleep. Threads that spin on keep a core from the very thread they wait for once there is other load, be it the other
// variant's worker (docs/CONFIGURATION.md has numbers). Traces of Go's own would bury what ggml says before it ends the
// process, and those that ggml makes with a debugger stop it for long.
func workerEnvironment(env []string) []string {
	defaults := []string{"GOTRACEBACK=none", "GGML_NO_BACKTRACE=1", "OMP_WAIT_POLICY=passive", "GOMP_SPINCOUNT=2000"}
	// An operator's waiting policy would not count beside our spin.
	if slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, "OMP_WAIT_POLICY=") }) {
		defaults = defaults[:2]
	}
	return append(defaults, env...)
}

// pool is the workers of all variants while they run.
type pool struct {
	group errgroup.Group
	stop  context.CancelFunc
}

// startWorkers runs the supervisors. They go on when ctx is done, since requests in flight need them while the server
// drains. The caller must call end.
func startWorkers(ctx context.Context, supervisors map[router.Variant]*process.Supervisor) *pool {
	workers, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := &pool{stop: stop}
	for _, s := range supervisors {
		p.group.Go(func() error { return s.Run(workers) })
	}
	return p
}

// end stops the workers and waits for them.
func (p *pool) end() {
	p.stop()
	_ = p.group.Wait() // the supervisors have logged their errors
}

// errNoWeights ends a daemon that cannot answer anything. What is wrong with each of the weights has been logged.
var errNoWeights = errors.New("no weights can be served")

// untilAllFailed waits until the workers of all variants have failed, and returns errNoWeights then, or until ctx is
// done. While one of two variants can still be served the daemon goes on, and its readiness names the one that failed.
func (p *pool) untilAllFailed(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- p.group.Wait() }()
	select {
	case err := <-failed:
		if err != nil && ctx.Err() == nil {
			return errNoWeights
		}
	case <-ctx.Done():
	}
	return nil
}
