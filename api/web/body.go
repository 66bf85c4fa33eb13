package web

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"time"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/intake"
)

// ReadBody reads a JSON body within its limits of size and time. What it holds is given back by ReleaseBody, or when
// the request's visit ends.
func (e *Edge) ReadBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return nil, unsupported("Send the body as Content-Type: application/json.")
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, unsupported("Compressed bodies are not accepted.")
	}
	rc := http.NewResponseController(w)
	v := visitOf(r.Context())
	body, err := e.bodies.Read(&intake.Source{
		Client: v.client, Reader: r.Body, Length: r.ContentLength,
		// Writers without deadlines, as in tests, go without.
		Deadline: func(t time.Time) { _ = rc.SetReadDeadline(t) },
	})
	if err != nil {
		return nil, bodyError(err)
	}
	v.body = body
	return body.Bytes, nil
}

func unsupported(message string) *fault.Error {
	return &fault.Error{
		Status: http.StatusUnsupportedMediaType, Type: fault.TypeInvalidRequest, Code: fault.CodeUnsupportedType, Message: message,
	}
}

// bodyError explains why a body was not read. A body of which nobody can tell where it ends leaves the connection of no
// more use.
func bodyError(err error) *fault.Error {
	var tooLarge *intake.TooLargeError
	switch {
	case errors.As(err, &tooLarge):
		return &fault.Error{
			Status: http.StatusRequestEntityTooLarge, Type: fault.TypeInvalidRequest, Code: fault.CodeTooLarge,
			Message: fmt.Sprintf("The body is larger than %d bytes.", tooLarge.Limit),
		}
	case errors.Is(err, intake.ErrSlow):
		return &fault.Error{
			Status: http.StatusRequestTimeout, Type: fault.TypeInvalidRequest, Code: fault.CodeTimeout,
			Message: "The body came in too slowly.", Cause: err, Closes: true,
		}
	case errors.Is(err, intake.ErrCrowded):
		e := fault.Unavailable(fault.CodeOverloaded, "The server is receiving as many requests as it accepts.", err)
		e.Closes = true
		return e
	default:
		return &fault.Error{
			Status: http.StatusBadRequest, Type: fault.TypeInvalidRequest, Code: fault.CodeInvalidBody,
			Message: "The body is malformed or ended early.", Cause: err, Closes: true,
		}
	}
}
