package wire

import (
	"encoding/json"
	"fmt"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/web"
)

// Messages is a stream's message that holds chunk.
func Messages(chunk any) ([]web.Message, error) {
	data, err := json.Marshal(chunk)
	if err != nil {
		return nil, fmt.Errorf("encode a chunk: %w", err)
	}
	return []web.Message{{Data: data}}, nil
}

// Done is the message that ends a stream.
func Done() web.Message { return web.Message{Data: []byte("[DONE]")} }

// Failure is the message that ends a stream with an error.
func Failure(failure *fault.Error, requestID string) []web.Message {
	data, err := json.Marshal(failure.Wire(requestID))
	if err != nil {
		return nil // texts always encode
	}
	return []web.Message{{Data: data}}
}
