package responses

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/api/web"
)

// storeRetry is how long a store that cannot be used is left alone, by those who try again and by clients.
const storeRetry = 5 * time.Second

// keep stores a response as it ended. What cannot be stored is delivered nevertheless, and says so.
func (h *Handler) keep(ctx context.Context, kept *history.Response, response *Response) {
	var err error
	if kept.Body, err = json.Marshal(response); err == nil {
		// Whoever leaves now may ask for the response later.
		err = h.o.Store.Put(context.WithoutCancel(ctx), kept)
	}
	if err != nil {
		response.Store, response.StoreError = false, whyUnstored(err)
		web.RecordOf(ctx).Unstored = true
		h.o.Meter.Unstored()
	}
}

func whyUnstored(err error) *Error {
	if errors.Is(err, history.ErrTooLarge) {
		return &Error{
			Code:    "response_too_large",
			Message: "The response was not stored: it is larger than all that this server keeps.",
		}
	}
	return &Error{Code: fault.CodeStore, Message: "The response was not stored: the server cannot write at the moment."}
}

// storeFault is what a client is told where err means that kept responses cannot be read or written. Any other error,
// and one that only follows from the end of the request, stays as it is.
func storeFault(ctx context.Context, err error) error {
	if !errors.Is(err, history.ErrUnavailable) || ctx.Err() != nil {
		return err
	}
	e := fault.Unavailable(fault.CodeStore, "Responses cannot be stored or read at the moment.", err)
	e.RetryAfter = storeRetry
	return e
}

// notFound is what a client is told of a response that is not kept, or not for it. param is the member that names it,
// empty where the path does.
func notFound(id, param string) *fault.Error {
	e := fault.Field(param, fault.CodeNotFound, "There is no response %q.", jsonbody.Abbreviate(id))
	if param == "" {
		e.Status = http.StatusNotFound
	}
	return e
}
