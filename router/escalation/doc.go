// Package escalation says, by what the instruct weights answer, whether the thinking weights had better answer instead.
// Two things are judged: the probabilities of the first tokens, before anything is sent to the client, and a whole
// answer by how it ended, how likely its tokens were and whether it has the form that was asked for.
//
// It is handed numbers and text. It must not run a model, send anything, or know of HTTP. It does not decide about
// requests whose client chose a variant: its callers leave those out.
package escalation
