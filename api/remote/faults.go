package remote

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/upstream"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
)

// explain turns what became of a request at a server into what its client is told. param is the member that carries the
// prompt.
func explain(err error, param string) error {
	var (
		refusal *dialect.RefusalError
		busy    *upstream.BusyError
		late    *upstream.LateError
		failed  *upstream.FailedError
	)
	switch {
	case errors.As(err, &failed):
		return &fault.Error{
			Status: http.StatusInternalServerError, Type: fault.TypeServer, Code: fault.CodeUpstream,
			Message: "The server that has the model failed.", Cause: err,
		}
	case errors.As(err, &refusal):
		return refused(refusal, param)
	case errors.As(err, &late):
		return fault.TooLate("The server that has the model cannot begin the answer in time.", late.Wait, err)
	case errors.As(err, &busy):
		e := fault.Unavailable(fault.CodeOverloaded, "Too many requests are waiting for the model.", err)
		e.RetryAfter = max(e.RetryAfter, busy.Wait)
		return e
	}
	return err
}

// explainText turns what became of a question about a text into an engine's error, since whoever asked knows what the
// text is called in the request. field is the engine's name of it.
func explainText(err error, field string) error {
	var refusal *dialect.RefusalError
	if errors.As(err, &refusal) {
		switch refusal.Cause {
		case dialect.CauseLength:
			return &engine.ContextLengthError{Told: words(refusal)}
		case dialect.CauseRequest:
			return &engine.RequestError{Field: field, Message: words(refusal)}
		case dialect.CauseBusy, dialect.CauseLoading, dialect.CauseLate, dialect.CauseAccess, dialect.CauseServer:
		}
	}
	return explain(err, field)
}

// words are those of a refusal for whoever asked here.
func words(r *dialect.RefusalError) string {
	if r.Code != "" {
		return r.Message // a qwenvld's, which are meant for its clients
	}
	return "The server that has the model refuses the request: " + r.Message
}

func refused(r *dialect.RefusalError, param string) error {
	e := fault.Field("", fault.CodeInvalidValue, "%s", words(r))
	if r.Code != "" {
		e.Code, e.Param, e.Status = r.Code, r.Param, r.Status
	}
	if r.Cause == dialect.CauseLength {
		e.Param, e.Code = param, fault.CodeContextLength
	}
	e.Cause = fmt.Errorf("refused: %w", r)
	return e
}
