package placement

import (
	"slices"
	"time"

	"github.com/qwenvld/qwenvld/engine"
)

// Unit is a set of weights and how it is to be treated. A unit is loaded as a whole, by one worker.
type Unit struct {
	ID   string
	Need Need
	// Absent says that its files are not there: they are fetched, and nothing is loaded before Arrived.
	Absent bool
	// Eager has it loaded at the start, and again after a failure, without anybody asking.
	Eager bool
	// Pinned units give way only to units of the same Turn, and requests do not change how long they are kept.
	Pinned bool
	// Turn names units of which at most one is loaded at a time; empty for those that mind no other.
	Turn string
	// KeepAlive is how long it stays loaded while nobody uses it; negative is for ever.
	KeepAlive time.Duration
}

// Ticket is somebody who wants to use a unit: a waiter until it is granted, a user from then on. Only the Plan that
// gave it changes it.
type Ticket struct {
	unit    *unit
	granted bool
	refused error
	// number is the place in the queue.
	number uint64
}

// Granted says that the unit is loaded, and stays so until the ticket is withdrawn.
func (t *Ticket) Granted() bool { return t.granted }

// Refused says why the unit will not be loaded for this ticket; nil while it may be.
func (t *Ticket) Refused() error { return t.refused }

// unit is a Unit and what has become of it.
type unit struct {
	Unit
	state engine.State
	// keep is KeepAlive, or what the last user said in its place.
	keep time.Duration
	// wanted says that it is to be loaded without a ticket.
	wanted bool
	// fetching says that its files are being fetched.
	fetching bool
	// dismissed says that somebody had it unloaded, leaving that it is to give way: no new users either way.
	dismissed, leaving bool
	waiters            []*Ticket
	users              int
	// used is when it was used last.
	used time.Time
	// Of a failed unit: why, how often in a row, and when it may be tried again.
	reason   string
	failures int
	retry    time.Time
}

// occupies says that the unit takes memory, or will in a moment.
func (u *unit) occupies() bool {
	return u.state == engine.StateLoading || u.state == engine.StateReady || u.state == engine.StateUnloading
}

// grants says that whoever asks may use the unit at once.
func (u *unit) grants() bool { return u.state == engine.StateReady && !u.leaving && !u.dismissed }

// givesWayTo says whether the unit may be unloaded for w.
func (u *unit) givesWayTo(w *unit) bool { return !u.Pinned || u.sharesTurn(w) }

func (u *unit) sharesTurn(w *unit) bool { return u.Turn != "" && u.Turn == w.Turn }

func (u *unit) grant(t *Ticket) {
	t.granted = true
	u.users++
}

// grantAll turns all waiters into users.
func (u *unit) grantAll() {
	for _, t := range u.waiters {
		u.grant(t)
	}
	u.waiters = nil
}

func (u *unit) refuseAll(why error) {
	for _, t := range u.waiters {
		t.refused = why
	}
	u.waiters = nil
}

func (u *unit) removeWaiter(t *Ticket) {
	u.waiters = slices.DeleteFunc(u.waiters, func(o *Ticket) bool { return o == t })
}

// backoff is how long a unit that failed so often in a row is left alone.
func backoff(failures int) time.Duration {
	const first, last = 30 * time.Second, 10 * time.Minute
	d := first
	for i := 1; i < failures && d < last; i++ {
		d *= 2
	}
	return min(d, last)
}
