//go:build race

package api

// raced says that the race detector watches these tests, which takes them several times as long.
const raced = true
