// Package e2e runs the built binary as a user does: over HTTP with curl-like requests and OpenAI's own SDK, with
// signals and kills. It is a module of its own so that the daemon's go.mod does not carry the SDK; it must not import
// the daemon's packages.
package e2e
