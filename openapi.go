// Package qwenvld holds what lies in the root of the project and is part of the binary: the description of the API
// and an example of the configuration. It must not hold code.
package qwenvld

import _ "embed"

// OpenAPI is openapi.yaml.
//
//go:embed openapi.yaml
var OpenAPI []byte

// ConfigExample is config.example.yaml.
//
//go:embed config.example.yaml
var ConfigExample []byte
