package remote

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/engine/upstream"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
)

// explain turns what became of a request at a server into what its client is told. param is the member that carries the
// prompt.
func explain(err error, param string) error {
	var (
		refusal *dialect.RefusalError
		busy    *upstream.BusyError
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
	case errors.As(err, &busy):
		e := fault.Unavailable(fault.CodeOverloaded, "Too many requests are waiting for the model.", err)
		e.RetryAfter = max(e.RetryAfter, busy.Wait)
		return e
	}
	return err
}

func refused(r *dialect.RefusalError, param string) error {
	e := fault.Field("", fault.CodeInvalidValue, "The server that has the model refuses the request: %s", r.Message)
	if r.Code != "" {
		e.Message, e.Code, e.Param, e.Status = r.Message, r.Code, r.Param, r.Status
	}
	if r.Cause == dialect.CauseLength {
		e.Param, e.Code = param, fault.CodeContextLength
	}
	e.Cause = fmt.Errorf("refused: %w", r)
	return e
}
