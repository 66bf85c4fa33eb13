// Package curve draws how the quality of answers grows with what they cost, as an SVG picture: a line of routed answers
// at several settings beside points for the choices that a router competes with.
//
// It draws what it is given. It does not measure anything, and it is not a general plotting library: it knows one size,
// two axes, a line and some points.
package curve
