// Package enginetest tests whatever is an engine.Engine and stands in for one: Run is the suite of what the contract
// promises, Fake an engine without weights that a test can script. Fake passes Run itself.
//
// The package is for tests alone. It must not be imported by code that ships, and must not know how an engine computes.
package enginetest
