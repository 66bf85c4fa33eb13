// Package placement decides which sets of weights are in memory: what is loaded, what gives way to it, and what is
// unloaded because nobody uses it. design.md has the rules.
//
// It must not load anything, wait, or look at a clock or at the machine: package residence carries out.
package placement
