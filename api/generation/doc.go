// Package generation answers neutral requests. It decides which weights answer, counts prompts, and runs generations
// whose events are cut into blocks once for all surfaces.
//
// The path of a request: Core.Decide asks the router and records nothing; Core.Count tells what a prompt takes;
// Core.Start takes a place among the requests that are worked on, has a Backend answer, and returns a Run. Run.Next
// gives the events Started, BlockOpen, BlockText, BlockClose, AnswerEnd and End; Run.Close waits until the engine has
// let go. An answer that looks wrong may make Start begin again with the other variant, of which a surface sees nothing
// but the decision's reasons.
//
// The package must not know HTTP, a surface, or the wire: no net/http here, and no status but inside api/fault.
package generation
