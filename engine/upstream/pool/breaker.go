package pool

import "time"

// Verdict is what became of a request, as far as it tells of its server.
type Verdict int

const (
	// Unknown tells nothing: the client left before anything came.
	Unknown Verdict = iota
	// Served is an answer, or a refusal that was the request's fault.
	Served
	// Failed is a connection that broke, a status of the 500s, or an answer that could not be read.
	Failed
	// Busy is a server that works but takes no more at the moment.
	Busy
)

// Settings of breakers.
const (
	// failuresToOpen in a row open a breaker, as do half of the last window outcomes.
	failuresToOpen = 3
	window         = 20
	// firstPause is how long a breaker stays open at first; each trial that fails doubles it, up to longestPause.
	firstPause   = time.Second
	longestPause = 30 * time.Second
	// busyPause is how long a busy server is passed over where it does not say.
	busyPause   = 500 * time.Millisecond
	longestBusy = 10 * time.Second
	// probesToFail in a row say that a server is down; one that succeeds says that it is up.
	probesToFail = 2
)

// State is where a server stands.
type State string

// The states of a server.
const (
	// Up takes requests.
	Up State = "up"
	// Open takes none, because too many failed. Trial takes one, which decides.
	Open  State = "open"
	Trial State = "trial"
	// Resting takes none for a moment, because it said that it is busy.
	Resting State = "resting"
	// Down does not answer probes, or has not answered one yet.
	Down State = "down"
)

// States lists all states.
func States() []State { return []State{Up, Open, Trial, Resting, Down} }

// Breaker judges one server. The zero value has not been probed: it is down until a probe succeeds.
type Breaker struct {
	up           bool
	failedProbes int

	failures  int // in a row
	outcomes  [window]bool
	seen, bad int
	next      int // of outcomes

	open    bool
	until   time.Time // open until then, and then on trial
	pause   time.Duration
	onTrial bool // a trial is under way

	resting time.Time // until when
}

// State tells where the server stands.
func (b *Breaker) State(now time.Time) State {
	switch {
	case !b.up:
		return Down
	case b.open && (now.Before(b.until) || b.onTrial):
		return Open
	case b.open:
		return Trial
	case now.Before(b.resting):
		return Resting
	}
	return Up
}

// begin notes that a request goes to the server, which is the trial where one is due.
func (b *Breaker) begin(now time.Time) (trial bool) {
	if b.State(now) != Trial {
		return false
	}
	b.onTrial = true
	return true
}

// end notes what became of a request. trial says that it was one.
func (b *Breaker) end(now time.Time, trial bool, v Verdict, wait time.Duration) {
	if trial {
		b.onTrial = false
	}
	switch v {
	case Served:
		b.note(false)
		b.failures = 0
		if trial {
			b.reset()
		}
	case Failed:
		b.note(true)
		b.failures++
		if trial || !b.open && (b.failures >= failuresToOpen || b.seen == window && b.bad*2 >= window) {
			b.trip(now)
		}
	case Busy:
		if wait <= 0 {
			wait = busyPause
		}
		b.resting = now.Add(min(wait, longestBusy))
	case Unknown:
	}
}

func (b *Breaker) note(bad bool) {
	if b.seen == window {
		if b.outcomes[b.next] {
			b.bad--
		}
	} else {
		b.seen++
	}
	b.outcomes[b.next] = bad
	b.next = (b.next + 1) % window
	if bad {
		b.bad++
	}
}

func (b *Breaker) trip(now time.Time) {
	b.pause = min(max(2*b.pause, firstPause), longestPause)
	b.open, b.until = true, now.Add(b.pause)
}

// reset forgets all failures.
func (b *Breaker) reset() {
	b.open, b.onTrial, b.pause, b.failures, b.seen, b.bad, b.next = false, false, 0, 0, 0, 0, 0
	b.outcomes = [window]bool{}
}

// probed notes what became of a probe. It reports whether the server went down by it.
func (b *Breaker) probed(ok bool) (fell bool) {
	if ok {
		b.up, b.failedProbes = true, 0
		return false
	}
	b.failedProbes++
	if b.up && b.failedProbes >= probesToFail {
		b.up = false
		return true
	}
	return false
}
