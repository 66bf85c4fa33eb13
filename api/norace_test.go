//go:build !race

package api

// raced says that the race detector watches these tests.
const raced = false
