package compute

import (
	"time"

	"github.com/qwenvld/qwenvld/engine"
)

// timing notes what a request waits for until its first token. What happens again after a preemption does not count.
type timing struct {
	taken                time.Time
	admission            time.Time
	encodeBegin, encoded time.Time
}

// admitted notes that the first rows will be computed.
func (t *timing) admitted(now time.Time) {
	if t.admission.IsZero() {
		t.admission = now
	}
}

// encoding notes a run of pictures that one of the request's was part of.
func (t *timing) encoding(begin, end time.Time) {
	if t.encodeBegin.IsZero() {
		t.encodeBegin = begin
	}
	t.encoded = end
}

// firstToken sums up when the first token is drawn.
func (t *timing) firstToken(now time.Time) *engine.Timing {
	out := &engine.Timing{Taken: t.taken, Queued: t.admission.Sub(t.taken), FirstToken: now.Sub(t.taken)}
	if !t.encoded.IsZero() {
		// A picture that another request showed before may have been begun with before this one came.
		out.EncodeBegin, out.EncodeEnd = max(0, t.encodeBegin.Sub(t.taken)), max(1, t.encoded.Sub(t.taken))
	}
	return out
}
