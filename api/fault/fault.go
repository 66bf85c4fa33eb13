// Package fault holds the error of the API: what a client is told when its request is refused or fails, and From, the
// one place where an error from inside becomes such a one.
//
// It knows the errors of engine, router and multimodal by their types. It must not write responses, log, or choose
// between the forms that surfaces give an error.
package fault

import (
	"fmt"
	"net/http"
	"time"
)

// Error is a refusal or failure as the client sees it.
type Error struct {
	Status  int    // HTTP status
	Type    string // OpenAI's error type
	Code    string // machine-readable, one of the Code constants
	Param   string // path of the field at fault, such as messages[1].content[0].image_url.url
	Message string // safe to show to the client
	// RetryAfter is sent as a header, in whole seconds, when it is not zero.
	RetryAfter time.Duration
	// Details are for an SDK that acts on them; Anthropic's errors carry them.
	Details any
	// Cause is the error from inside. It goes to the log of server errors, never to the client.
	Cause error
	// Closes says that the connection cannot be used again.
	Closes bool
}

// Error gives the field, the message and the cause, for logs.
func (e *Error) Error() string {
	msg := e.Message
	if e.Param != "" {
		msg = e.Param + ": " + msg
	}
	if e.Cause != nil {
		msg += ": " + e.Cause.Error()
	}
	return msg
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Field is a 400 about the field at path.
func Field(path, code, format string, args ...any) *Error {
	return &Error{
		Status: http.StatusBadRequest, Type: TypeInvalidRequest, Code: code, Param: path, Message: fmt.Sprintf(format, args...),
	}
}

// NotFound is a 404. param is the field that names what does not exist, "" where the path does.
func NotFound(param, code, format string, args ...any) *Error {
	return &Error{
		Status: http.StatusNotFound, Type: TypeInvalidRequest, Code: code, Param: param, Message: fmt.Sprintf(format, args...),
	}
}

// Conflict is a 409 about param.
func Conflict(param, code, format string, args ...any) *Error {
	return &Error{
		Status: http.StatusConflict, Type: TypeInvalidRequest, Code: code, Param: param, Message: fmt.Sprintf(format, args...),
	}
}

// Unavailable is a 503 that asks to try again.
func Unavailable(code, message string, cause error) *Error {
	return &Error{
		Status: http.StatusServiceUnavailable, Type: TypeServer, Code: code, Message: message, RetryAfter: RetryAfter, Cause: cause,
	}
}

// ShuttingDown refuses a request that comes, or ends one that is there, while the server stops.
func ShuttingDown(cause error) *Error {
	return Unavailable(CodeShuttingDown, "The server is shutting down.", cause)
}

// Overloaded refuses a request that found no place to be worked on in time.
func Overloaded(cause error) *Error {
	return Unavailable(CodeOverloaded, "The server is working on as many requests as it accepts.", cause)
}

// TooLate refuses a request whose answer would begin after nobody waits for it any more. why says so in a sentence.
func TooLate(why string, retryAfter time.Duration, cause error) *Error {
	e := Unavailable(CodeDeadline, why, cause)
	e.RetryAfter = max(retryAfter, time.Second)
	return e
}

// DeadlineExceeded ends a request that was to take no longer than that. It is the cause of its cancellation.
func DeadlineExceeded(after time.Duration) *Error {
	return Unavailable(CodeDeadline, fmt.Sprintf("The answer was not there within the %v that the request was to take.", after), nil)
}

// Wire is OpenAI's body of an error, and the data of an error event in a stream.
type Wire struct {
	Error WireBody `json:"error"`
	// RequestID is the one that the response has in its header.
	RequestID string `json:"request_id"`
}

// WireBody has OpenAI's members of an error.
type WireBody struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
	Details any     `json:"details,omitempty"` // on Anthropic's surface only
}

// Wire gives the error of a request in OpenAI's form.
func (e *Error) Wire(requestID string) Wire {
	w := Wire{Error: WireBody{Message: e.Message, Type: e.Type}, RequestID: requestID}
	if e.Param != "" {
		w.Error.Param = &e.Param
	}
	if e.Code != "" {
		w.Error.Code = &e.Code
	}
	return w
}
