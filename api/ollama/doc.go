// Package ollama is the surface for clients of Ollama's API: POST /api/chat, GET /api/tags, POST /api/show and
// GET /api/version.
//
// It decodes bodies into neutral requests and encodes the events of runs. It must not know another surface, the router,
// or engines, and it does not load, copy or delete models.
package ollama
