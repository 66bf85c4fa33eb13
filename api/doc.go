// Package api is the daemon's HTTP face: OpenAI's chat completions as JSON and server-sent events, the
// list of models, health and the router's opinion. It decodes and checks requests, brings media in,
// asks the router, renders the prompt, and turns engine events into the wire format. Errors become
// HTTP in one place, Server.refuse.
//
// It must not run model code, read configuration files or environment variables, hold package state, or
// log prompts, answers or pixels at info level or above.
package api
