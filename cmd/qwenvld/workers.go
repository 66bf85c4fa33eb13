package main

import (
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine/worker"
)

// workerConfig is what a worker is told of the weights w.
func workerConfig(e *config.Engine, w config.Weights) worker.Config {
	return worker.Config{
		Model: w.Model, Projector: w.Projector, ContextSize: e.ContextSize, CacheTokens: e.CacheTokens, CacheType: e.CacheType,
		MaxSequences: e.MaxSequences, MaxQueue: e.MaxQueue, BatchSize: e.BatchSize, PrefillChunk: e.PrefillChunk,
		Threads: e.Threads, ImageMemory: e.ImageMemory, VisionCache: e.VisionCache, PrefixCache: e.PrefixCache,
		Speculation: e.Speculation.Most(),
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
