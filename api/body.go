package api

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"time"

	"github.com/qwenvld/qwenvld/api/intake"
)

// readBody reads a JSON body within its limits of size and time. What it holds is given back by the request's visit.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return nil, &Error{
			Status: http.StatusUnsupportedMediaType, Type: typeInvalidRequest, Code: codeUnsupportedType,
			Message: "Send the body as Content-Type: application/json.",
		}
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, &Error{
			Status: http.StatusUnsupportedMediaType, Type: typeInvalidRequest, Code: codeUnsupportedType,
			Message: "Compressed bodies are not accepted.",
		}
	}
	rc := http.NewResponseController(w)
	v := visitOf(r.Context())
	body, err := s.bodies.Read(&intake.Source{
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

// bodyError explains why a body was not read. A body of which nobody can tell where it ends leaves the connection of no more use.
func bodyError(err error) *Error {
	var tooLarge *intake.TooLargeError
	switch {
	case errors.As(err, &tooLarge):
		return &Error{
			Status: http.StatusRequestEntityTooLarge, Type: typeInvalidRequest, Code: codeTooLarge,
			Message: fmt.Sprintf("The body is larger than %d bytes.", tooLarge.Limit),
		}
	case errors.Is(err, intake.ErrSlow):
		return &Error{
			Status: http.StatusRequestTimeout, Type: typeInvalidRequest, Code: codeTimeout,
			Message: "The body came in too slowly.", cause: err, closes: true,
		}
	case errors.Is(err, intake.ErrCrowded):
		e := unavailable(codeOverloaded, "The server is receiving as many requests as it accepts.", err)
		e.closes = true
		return e
	default:
		return &Error{
			Status: http.StatusBadRequest, Type: typeInvalidRequest, Code: codeInvalidBody,
			Message: "The body is malformed or ended early.", cause: err, closes: true,
		}
	}
}
