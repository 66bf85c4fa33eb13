// Package web is the HTTP side that all surfaces of the API share: request ids, the access log, bodies within their
// limits, JSON and streams as replies, deadlines of writes, and the one place where an error becomes a response.
//
// A surface hands an Edge its handlers, which return their errors, and relays what a generation gives as messages of a
// Stream. The package knows HTTP, the error of the API and the reading of bodies. It must not know what a request asks
// for, which surfaces exist, nor anything of engine, router or metrics: what they have to say reaches it through the
// interfaces Work, Counter and Source.
package web
