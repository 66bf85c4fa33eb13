// Package difficulty is the learned part of the router: a hashed linear model that says of a prompt how likely each
// variant is to answer it rightly, how many tokens thinking would take, and what the prompt is about, in microseconds
// and without allocations.
//
// Weights are trained by router/train and embedded. This package must not decide anything: what the client asked for,
// what is loaded and what thinking may cost is router's business.
package difficulty
