// Package api wires the daemon's HTTP face: the routes, who may ask, health and the list of models. What it wires lies
// below it: the HTTP side in api/web, the neutral request in api/request, decision and generation in api/generation,
// and one package for each surface.
//
// It must not read requests or encode answers itself, run model code, read configuration files or environment
// variables, or hold package state.
package api
