// Package doubt says by the instruct weights' own probabilities whether the thinking ones had better answer: by the distributions
// of the first tokens, before anything is sent, and by how a whole answer ended, how likely its tokens were and whether it has its form.
//
// It reads numbers and text that others hand it. It must not ask a model, send anything or know of HTTP, and it decides nothing about
// requests whose client chose.
package doubt
