// Package remote answers requests by asking other servers: it is the generation.Backend of weights that lie elsewhere.
//
// The servers compute, and this package places, translates and protects. Media are fetched, checked and resized here
// and sent along. What a kind of server cannot do is done here, or refused with the member that asks for it: thinking
// is bounded by counting, stop strings are looked for, a form of the answer is checked where the server does not
// enforce it, and an answer that its thoughts left no room for is asked for again.
//
// The package must not choose servers or read their wire: that is engine/upstream's. It decides nothing about routing,
// and it knows no surface.
package remote
