// Package anthropic is the surface for clients of Anthropic's Messages API: POST /v1/messages and
// /v1/messages/count_tokens, and the form of errors at and below that path.
//
// It decodes bodies into neutral requests and encodes the events of runs. It must not know another surface, the router,
// or engines.
package anthropic
