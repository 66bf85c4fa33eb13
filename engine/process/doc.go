// Package process runs model workers as child processes: it starts them, waits for their weights, forwards requests to
// them over a unix socket, restarts them when they die and stops them.
//
// A Supervisor is an engine.Engine. The package must not run model code, and knows nothing of HTTP clients, routing or
// prompts; what the worker reads is in engine/wire.
package process
