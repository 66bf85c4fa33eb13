// Package qwenvld holds what lies in the root of the project and is part of the binary: the description of the API. It
// must not hold code.
package qwenvld

import _ "embed"

// OpenAPI is openapi.yaml.
//
//go:embed openapi.yaml
var OpenAPI []byte
