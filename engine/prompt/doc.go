// Package prompt turns a conversation into the pieces of a prompt, and the text a model answers with
// into reasoning, content and tool calls.
//
// A Renderer is chosen by the text of the model's chat template (Select): the two Qwen3-VL templates have
// renderers written in Go, any other template is run by a Jinja interpreter in a closed environment. Both
// keep template text apart from text that came from outside, so that only the template's own special
// tokens become control tokens.
//
// The package must not tokenise (only the worker has the vocabulary), fetch or decode media, know
// OpenAI's wire types, or correct a conversation: what a template cannot show is an error that names the
// message, and the caller decides. Show is the one exception: it finds a place for system messages.
package prompt
