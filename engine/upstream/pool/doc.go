// Package pool decides which server of a pool a request goes to, and which servers get none.
//
// A request whose key was seen before goes where that one went, so that what is cached of its prompt is found: servers
// are ranked for each key by weighted rendezvous hashing, which gives the same order in every process and moves few
// keys when a server comes or goes. A server that has twice its share of what is in flight is passed over for the least
// loaded. A Breaker for each server judges by what became of requests and by probes.
//
// The package only decides. It must not dial, start goroutines, or read the clock: times are handed to it.
package pool
