// Package chat is OpenAI's surface for conversations: POST /v1/chat/completions, the count of its prompts, and the
// router's opinion on its requests.
//
// It decodes bodies into neutral requests and encodes the events of runs. It must not know another surface, the router,
// or engines.
package chat
