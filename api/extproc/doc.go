// Package extproc lets Envoy, and what is built on it, ask the router: an external processor that reads the body of a
// chat completion, asks a daemon's /v1/route who should answer, and tells Envoy by headers and by the body's model.
// Envoy, a gateway's InferencePool or any route by header then sends the request to the pool of those weights.
//
// It must not answer requests, nor hold one up: where the daemon cannot be asked in time, the request goes on as it
// came. It decides nothing by itself.
package extproc
