package anthropic

import (
	"net/http"

	"github.com/qwenvld/qwenvld/api/fault"
)

// Error is the body of an error, and the data of an error event in a stream: Anthropic's members, and OpenAI's beside
// them.
type Error struct {
	Type string `json:"type"`
	fault.Wire
}

// ErrorBody is e in Anthropic's form, for a web.Form.
func ErrorBody(e *fault.Error, requestID string) any {
	w := e.Wire(requestID)
	w.Error.Type, w.Error.Details = errorType(e.Status), e.Details
	return Error{Type: "error", Wire: w}
}

// errorType is Anthropic's word for what a status says.
func errorType(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusServiceUnavailable:
		return "overloaded_error"
	case http.StatusInternalServerError:
		return "api_error"
	}
	return fault.TypeInvalidRequest
}
