// Package upstream asks servers that others run, as one pool: it finds them, probes them, sends each request to one of
// them, and reads the stream that comes back.
//
// Before the first token has come a request that a server fails may go to one other server; after it never, since the
// client has seen a part of the answer. Whoever stops waiting for an answer ends it at its server, too.
//
// The package must not know what is asked for: bodies are written by its caller, who is given the dialect of the server
// that was chosen. It shows nobody a server's key.
package upstream
