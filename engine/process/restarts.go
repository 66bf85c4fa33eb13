package process

import (
	"errors"
	"fmt"
	"time"
)

// restarts decide what follows the end of a worker.
type restarts struct {
	o        *Options
	wasReady bool // a worker has been ready once
	failed   int  // starts in a row that never became ready
	pause    time.Duration
}

// after takes the end of a worker that had been ready for served, 0 if never. It returns how long to wait before the
// next start, or why there should be none.
//
// A worker that came to serve is replaced almost at once, however it ended: what killed it was most likely one request,
// and the others wait. Only starts that fail are tried with growing pauses, and not for ever.
func (r *restarts) after(served time.Duration, err error) (pause time.Duration, hopeless error) {
	if served > 0 {
		r.wasReady, r.failed = true, 0
		if served >= r.o.StableAfter {
			r.pause = 0
		}
		return r.next(r.o.ServedBackoff), nil
	}
	r.failed++
	var load *loadError
	switch {
	case errors.As(err, &load) && !r.wasReady:
		// Nothing a restart would mend. Of weights that were fine before, the file may just be in the course of being
		// replaced.
		return 0, err
	case r.failed >= r.o.MaxStarts:
		return 0, fmt.Errorf("given up after %d starts in a row that failed, the last one because %w", r.failed, err)
	}
	return r.next(r.o.MaxBackoff), nil
}

func (r *restarts) next(most time.Duration) time.Duration {
	r.pause = min(max(2*r.pause, r.o.MinBackoff), most)
	return r.pause
}
