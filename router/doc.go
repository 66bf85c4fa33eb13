// Package router decides which of a model's two sets of weights answers a request, and how many tokens
// it may think for. The policy is a pure function: client controls first, then what is loaded, then a
// Scorer's estimate of what the request gains from thinking. The same Input always gives the same Decision.
//
// It must not do input or output, read clocks or random numbers, log, or keep state between calls. It does not know of
// HTTP, of tokens or of the engine: of the project it imports only packages below itself.
package router
