// Package completions is OpenAI's older surface, POST /v1/completions: texts that are continued as they are, without a
// chat template.
//
// Without a template there is nothing to think in: unless the client names thinking weights, instruct continues the
// text. The package must not know another surface, the router, or engines.
package completions
