package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/web"
	"github.com/qwenvld/qwenvld/engine/upstream"
)

// headerTimeout says how many milliseconds a client waits for the end of its answer.
const headerTimeout = "X-Qwenvld-Timeout-Ms"

// timed gives the context of a request its deadline: the least of what its client waits, what the proxy before this
// server waits, and what is configured.
func (s *Server) timed(h web.HandlerFunc) web.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		least := s.core.Timeout()
		for _, name := range []string{headerTimeout, upstream.HeaderDeadline} {
			after, err := timeoutOf(r.Header, name)
			if err != nil {
				return err
			}
			if after > 0 && (least == 0 || after < least) {
				least = after
			}
		}
		if least == 0 {
			return h(w, r)
		}
		ctx, cancel := context.WithTimeoutCause(r.Context(), least, fault.DeadlineExceeded(least))
		defer cancel()
		return h(w, r.WithContext(ctx))
	}
}

// timeoutOf reads a header with a number of milliseconds. 0 is for ever, as is none.
func timeoutOf(h http.Header, name string) (time.Duration, error) {
	text := h.Get(name)
	if text == "" {
		return 0, nil
	}
	const most = 1 << 40
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < 0 {
		return 0, fault.Field(name, fault.CodeInvalidValue, "must be a whole number of milliseconds, 0 for any time")
	}
	return time.Duration(min(ms, most)) * time.Millisecond, nil
}
