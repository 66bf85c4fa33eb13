// Package qwenvld holds what lies in the root of the project and is part of the binary: the description of the API, an
// example of the configuration, and examples of what to ask the built-in pair. It must not hold code.
package qwenvld

import "embed"

// OpenAPI is openapi.yaml.
//
//go:embed openapi.yaml
var OpenAPI []byte

// ConfigExample is config.example.yaml.
//
//go:embed config.example.yaml
var ConfigExample []byte

// Examples are requests to ask the built-in pair: examples/SKILL.json.
//
//go:embed examples/*.json
var Examples embed.FS
