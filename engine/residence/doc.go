// Package residence brings sets of weights into memory and out of it, as package placement decides: it fetches their
// files, starts and ends their workers, and lets requests wait for them.
//
// It must not decide what is loaded, know how a worker or a download works, or who asks.
package residence
