package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// StatusError is a reply of a hub other than what was asked for.
type StatusError struct {
	Status int
	// Host is who replied.
	Host string
	// Reason is what the hub says in words; often empty.
	Reason string
	// After is how long the hub wants not to be asked again.
	After time.Duration
}

func newStatusError(resp *http.Response) *StatusError {
	e := &StatusError{Status: resp.StatusCode, Host: resp.Request.URL.Host, Reason: reason(resp)}
	after := resp.Header.Get("Retry-After")
	if n, err := strconv.Atoi(after); err == nil && n > 0 {
		e.After = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(after); err == nil {
		e.After = max(0, time.Until(at))
	}
	return e
}

// reason is printable and short, whatever the hub sends.
func reason(resp *http.Response) string {
	text := resp.Header.Get("X-Error-Message")
	if text == "" && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // half of it is still something
		text = string(body)
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text))
}

// Error implements error.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s answers %d %s", e.Host, e.Status, strings.ToLower(http.StatusText(e.Status)))
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		text += " (a repository that is not public needs a token in HF_TOKEN, and its terms accepted on its page)"
	case http.StatusNotFound:
		text += " (is the name right, and the repository public?)"
	}
	return text
}

// temporary says whether it makes sense to try again.
func (e *StatusError) temporary() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return e.Status >= http.StatusInternalServerError && e.Status != http.StatusNotImplemented
}

// errStalled is the end of a transfer that stood still.
var errStalled = errors.New("nothing came any more")

// finalError is what asking the hub again does not help against, such as a full disk.
type finalError struct{ err error }

func (e *finalError) Error() string { return e.err.Error() }
func (e *finalError) Unwrap() error { return e.err }

// HashError is content that is not what the hub says it should be.
type HashError struct {
	Path, Got, Want string
}

// Error implements error.
func (e *HashError) Error() string {
	return fmt.Sprintf("%s: what came has the sha256 %s, the hub says %s; it was not kept", e.Path, e.Got, e.Want)
}

const (
	firstPause = time.Second
	maxPause   = 30 * time.Second
	// maxAfter is the longest wish of a hub that is granted.
	maxAfter = 10 * time.Minute
)

// persist calls try until it succeeds, fails for good, or fails so many times in a row without progress. note is told
// why it goes on.
func (c *Client) persist(ctx context.Context, tries int, note func(string), try func() (progress bool, err error)) error {
	for failures := 0; ; {
		progress, err := try()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if progress {
			failures = 0
		}
		failures++
		pause, again := pauseAfter(err, failures)
		if !again || failures >= tries {
			return err
		}
		if note != nil {
			note(fmt.Sprintf("%v; trying again", err))
		}
		if err := c.o.Wait(ctx, pause); err != nil {
			return err
		}
	}
}

// pauseAfter says how long to wait after so many failures, and whether to go on at all.
func pauseAfter(err error, failures int) (pause time.Duration, again bool) {
	var final *finalError
	var status *StatusError
	var hash *HashError
	pause = min(maxPause, firstPause<<(failures-1))
	switch {
	case errors.As(err, &final), errors.As(err, &hash):
		return 0, false
	case errors.As(err, &status):
		return max(pause, status.After), status.temporary() && status.After <= maxAfter
	}
	return pause, true
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
