// Package responses is OpenAI's Responses API: POST /v1/responses, the count of its prompts, and what can be done with
// responses that are kept: reading, streaming again, cancelling and deleting them, and going on from them.
//
// It decodes bodies into neutral requests, builds response objects from the events of runs, and owns the responses that
// are made in the background. It must not know another surface, the router, or engines, and it must not decide how long
// responses are kept.
package responses
