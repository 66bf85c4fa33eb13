// Package dialect knows how the servers that others run differ from each other: how a request is written for each kind,
// what it can do, and how its stream, its usage and its errors read.
//
// All of them speak a form of OpenAI's chat completions. What they have in common is written and read once; a file for
// each kind holds its differences.
//
// The package turns values into bytes and bytes into values. It must not send anything, fetch media, or decide what
// becomes of a request that a kind cannot take: it says what a kind can do, and the caller refuses or makes up for it.
package dialect
