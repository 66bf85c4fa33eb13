// Package request is the neutral request: what every surface decodes its body into, and the parameters that surfaces
// have in common, read by one table and checked by one set of rules.
//
// A surface embeds a *Builder in a decoder of its own, reads its members by a Table, and calls Finish. The package
// knows JSON and the request.
//
// It must not know which surface it serves, bring media in, or ask engine or router anything.
package request
