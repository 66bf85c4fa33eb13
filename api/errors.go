package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// Error types and codes of the wire, as OpenAI names them.
const (
	typeInvalidRequest = "invalid_request_error"
	typeServer         = "server_error"
	typeRateLimit      = "rate_limit_error"

	codeInvalidJSON     = "invalid_json"
	codeInvalidValue    = "invalid_value"
	codeInvalidSchema   = "invalid_json_schema"
	codeMissing         = "missing_required_parameter"
	codeUnknown         = "unknown_parameter"
	codeUnsupported     = "unsupported_parameter"
	codeModelNotFound   = "model_not_found"
	codeContextLength   = "context_length_exceeded"
	codeImage           = "invalid_image"
	codeImageMemory     = "image_too_large"
	codeImageFetch      = "image_fetch_failed"
	codeImageForbidden  = "image_url_forbidden"
	codeVideo           = "invalid_video"
	codeVideoSize       = "video_too_large"
	codeVideoFetch      = "video_fetch_failed"
	codeVideoForbidden  = "video_url_forbidden"
	codeTooLarge        = "request_too_large"
	codeModelNotLoaded  = "model_unavailable"
	codeOverloaded      = "overloaded"
	codeWorkerDied      = "model_process_died"
	codeShuttingDown    = "shutting_down"
	codeInternal        = "internal_error"
	codeNotFound        = "not_found"
	codeMethod          = "method_not_allowed"
	codeUnsupportedType = "unsupported_media_type"
	codeInvalidKey      = "invalid_api_key"
	codeRateLimit       = "rate_limit_exceeded"
	codeTimeout         = "request_timeout"
	codeInvalidBody     = "invalid_body"
	codeStore           = "store_unavailable"
	codeHeader          = "header_too_large"
)

// retryAfter is what clients are told to wait when nothing better is known, as while a worker restarts.
const retryAfter = 2 * time.Second

// statusClientGone is nginx's status for a client that left; it appears in the access log only.
const statusClientGone = 499

var (
	// errShuttingDown is the cancellation cause of requests that outlive the drain deadline.
	errShuttingDown = errors.New("the server is shutting down")
	// errClientGone is the cancellation cause of requests whose client does not read any more.
	errClientGone = errors.New("the client is gone")
)

// Error is a refusal or failure as the client sees it.
type Error struct {
	Status  int    // HTTP status
	Type    string // OpenAI's error type
	Code    string // machine-readable
	Param   string // path of the field at fault, such as messages[1].content[0].image_url.url
	Message string // safe to show to the client
	// RetryAfter is sent as a header, in whole seconds, when it is not zero.
	RetryAfter time.Duration
	// Details are for an SDK that acts on them; Anthropic's errors carry them.
	Details any
	cause   error
	// closes says that the connection cannot be used again.
	closes bool
}

func (e *Error) Error() string {
	msg := e.Message
	if e.Param != "" {
		msg = e.Param + ": " + msg
	}
	if e.cause != nil {
		msg += ": " + e.cause.Error()
	}
	return msg
}

func (e *Error) Unwrap() error { return e.cause }

// badField is a 400 about the field at path.
func badField(path, code, format string, args ...any) *Error {
	return &Error{
		Status: http.StatusBadRequest, Type: typeInvalidRequest, Code: code, Param: path,
		Message: fmt.Sprintf(format, args...),
	}
}

// unavailable is a 503 that asks to try again.
func unavailable(code, message string, cause error) *Error {
	return &Error{
		Status: http.StatusServiceUnavailable, Type: typeServer, Code: code, Message: message,
		RetryAfter: retryAfter, cause: cause,
	}
}

// shuttingDown refuses what comes, or ends what is there, while the server stops.
func shuttingDown(cause error) *Error {
	return unavailable(codeShuttingDown, "The server is shutting down.", cause)
}

// wireError is the body of every error, and the data of an error event in a stream.
type wireError struct {
	Error wireErrorBody `json:"error"`
}

type wireErrorBody struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
	Details any     `json:"details,omitempty"` // on Anthropic's surface only
}

func (e *Error) wire() wireError {
	w := wireError{Error: wireErrorBody{Message: e.Message, Type: e.Type}}
	if e.Param != "" {
		w.Error.Param = &e.Param
	}
	if e.Code != "" {
		w.Error.Code = &e.Code
	}
	return w
}

// publicError converts any error to the one that the client sees. Unknown errors become a 500 whose
// message says nothing about the inside.
func publicError(ctx context.Context, err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, errShuttingDown):
		return shuttingDown(err)
	case cause != nil, errors.Is(err, errClientGone):
		return &Error{
			Status: statusClientGone, Type: typeInvalidRequest, Code: codeClientGone, Message: "The client closed the request.", cause: err,
		}
	}
	rec := recordOf(ctx)
	if e := engineError(err, cmp.Or(rec.prompt, "messages"), rec.counting); e != nil {
		return e
	}
	return &Error{
		Status: http.StatusInternalServerError, Type: typeServer, Code: codeInternal,
		Message: "The server had an error while processing the request.", cause: err,
	}
}

// engineError converts what engine, router and store refuse with; nil for any other error. prompt is the member that carries the prompt,
// counting says that no answer was asked for.
func engineError(err error, prompt string, counting bool) *Error {
	var (
		length *engine.ContextLengthError
		field  *engine.RequestError
		budget *router.BudgetError
	)
	switch {
	case errors.As(err, &length):
		e := badField(prompt, codeContextLength, "%s", contextMessage(length, counting))
		e.cause = err
		return e
	case errors.As(err, &field):
		return badField(requestField(field.Field, prompt), codeInvalidValue, "%s", field.Message)
	case errors.As(err, &budget):
		param := string(budget.Source)
		if budget.Source == router.SourceThinking {
			param = "thinking.budget_tokens"
		}
		return badField(param, codeInvalidValue, "%s", budget.Error())
	case errors.Is(err, engine.ErrUnavailable), errors.Is(err, router.ErrNothingLoaded):
		return notLoaded("The model", err)
	case errors.Is(err, history.ErrUnavailable):
		return storeFailure(err)
	case errors.Is(err, engine.ErrOverloaded):
		return unavailable(codeOverloaded, "Too many requests are waiting for the model.", err)
	case errors.Is(err, engine.ErrWorkerDied):
		return &Error{
			Status: http.StatusInternalServerError, Type: typeServer, Code: codeWorkerDied,
			Message: "The model process ended unexpectedly; it is being restarted.", cause: err,
		}
	default:
		return nil
	}
}

func contextMessage(e *engine.ContextLengthError, counting bool) string {
	if counting {
		return fmt.Sprintf("The text has %s tokens, which are too many to be counted. This model's context holds %d.",
			e.Prompt(), e.ContextSize)
	}
	return fmt.Sprintf("This model's context holds %d tokens. The prompt has %s tokens, which leaves no room for an answer.",
		e.ContextSize, e.Prompt())
}

// requestField maps a field of engine.Request to the parameter it came from.
func requestField(f, prompt string) string {
	const sampling = "sampling."
	if len(f) > len(sampling) && f[:len(sampling)] == sampling {
		return f[len(sampling):]
	}
	switch f {
	case "prompt", "pieces", "tokens":
		return prompt
	case "form": // of response_format, structured_outputs or a tool: the message says what is wrong with it
		return ""
	}
	return f
}

// imageError converts what went wrong with the image at path.
func imageError(path string, err error) error {
	var memory *engine.ImageMemoryError
	if errors.As(err, &memory) {
		return &Error{
			Status: http.StatusBadRequest, Type: typeInvalidRequest, Code: codeImageMemory, Param: path, cause: err,
			Message: fmt.Sprintf("Encoding this image needs %s of memory and %s are allowed; send a smaller image, "+
				"detail low, or a smaller mm_processor_kwargs.max_pixels.", mebibytes(memory.NeededBytes), mebibytes(memory.LimitBytes)),
		}
	}
	return mediaError(path, err)
}

func mebibytes(n int64) string {
	return strconv.FormatInt(int64(math.Ceil(float64(n)/(1<<20))), 10) + " MiB"
}

// writeJSON sends v. A failed write means that the client is gone, which the access log shows.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		// Only our own types get here, so this is a programmer's error.
		status = http.StatusInternalServerError
		body = []byte(`{"error":{"message":"encoding failed","type":"server_error","param":null,"code":null}}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
