package placement

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/qwenvld/qwenvld/engine"
)

// Plan knows all units and where they stand. It is told what happens, and Step says what to do. It is not safe for
// concurrent use.
type Plan struct {
	budget Budget
	units  []*unit
	byID   map[string]*unit
	// tickets counts those that were given out.
	tickets uint64
}

// New returns a Plan in which nothing is loaded. Ids must differ.
func New(units []Unit, budget Budget) (*Plan, error) {
	p := &Plan{budget: budget, byID: map[string]*unit{}}
	for i := range units {
		u := &unit{Unit: units[i], state: engine.StateUnloaded, keep: units[i].KeepAlive, wanted: units[i].Eager}
		if u.Absent {
			u.state = engine.StateDownloading
		}
		if p.byID[u.ID] != nil {
			return nil, fmt.Errorf("placement: two units are called %q", u.ID)
		}
		p.byID[u.ID] = u
		p.units = append(p.units, u)
	}
	return p, nil
}

// Ask gives a ticket for a unit. It is granted, or refused, at once or later.
func (p *Plan) Ask(id string, now time.Time) *Ticket {
	u := p.byID[id]
	p.tickets++
	t := &Ticket{unit: u, number: p.tickets}
	switch {
	case u.grants():
		u.grant(t)
	case u.state == engine.StateFailed && now.Before(u.retry):
		t.refused = u.unavailable(now)
	default:
		u.waiters = append(u.waiters, t)
	}
	return t
}

// Withdraw takes a ticket back: its owner has used the unit, or does not wait any more. keep is how long the unit is to
// stay loaded from now on while nobody uses it; nil changes nothing.
func (p *Plan) Withdraw(t *Ticket, keep *time.Duration, now time.Time) {
	u := t.unit
	u.removeWaiter(t)
	if !t.granted {
		return
	}
	t.granted = false
	u.users--
	u.used = now
	if keep != nil && !u.Pinned {
		u.keep = *keep
	}
}

// Dismiss has a unit unloaded once its users are done.
func (p *Plan) Dismiss(id string) {
	u := p.byID[id]
	u.wanted = false
	u.dismissed = u.state == engine.StateReady || u.state == engine.StateLoading
}

// Arrived says that the files of a unit are there, and what it takes.
func (p *Plan) Arrived(id string, need Need) {
	u := p.byID[id]
	u.Need, u.state, u.failures = need, engine.StateUnloaded, 0
	u.Absent, u.fetching = false, false
}

// Loaded says that a unit can be used. Everybody who waits for it has it.
func (p *Plan) Loaded(id string, now time.Time) {
	u := p.byID[id]
	u.state, u.wanted, u.failures, u.reason = engine.StateReady, false, 0, ""
	u.used = now
	u.grantAll()
}

// Failed says that a unit could not be fetched or loaded, or is not there any more. Who waits for it is refused, and
// after a while it is tried again: files that are absent are then to be fetched again.
func (p *Plan) Failed(id, reason string, now time.Time) {
	u := p.byID[id]
	u.state, u.reason, u.wanted = engine.StateFailed, reason, u.Eager
	u.dismissed, u.leaving, u.fetching = false, false, false
	u.failures++
	u.retry = now.Add(backoff(u.failures))
	u.refuseAll(u.unavailable(now))
}

// Unloaded says that the memory of a unit is free.
func (p *Plan) Unloaded(id string) {
	u := p.byID[id]
	u.state, u.keep = engine.StateUnloaded, u.KeepAlive
	u.dismissed, u.leaving = false, false
}

// unavailable tells of a failed unit.
func (u *unit) unavailable(now time.Time) error {
	return &engine.UnavailableError{State: engine.StateFailed, Reason: u.reason, RetryIn: max(0, u.retry.Sub(now))}
}

// Status is where a unit stands.
type Status struct {
	State engine.State
	// Reason is why it failed.
	Reason string
	// RetryIn is when a failed unit may be tried again.
	RetryIn time.Duration
	// Users have it, Waiters want it.
	Users, Waiters int
	// Wanted says that it is to be loaded though nobody asks, Dismissed that it is to be unloaded, or is being.
	Wanted, Dismissed bool
	Need              Need
}

// Status tells where a unit stands. One that is to be unloaded as soon as its users are done is unloading.
func (p *Plan) Status(id string, now time.Time) Status {
	u := p.byID[id]
	s := Status{
		State: u.state, Reason: u.reason, Users: u.users, Waiters: len(u.waiters), Need: u.Need,
		Wanted: u.wanted && u.state != engine.StateFailed, Dismissed: u.dismissed,
	}
	if s.Wanted && u.state == engine.StateUnloaded {
		s.State = engine.StateLoading // in a moment
	}
	if u.state == engine.StateFailed {
		s.RetryIn = max(0, u.retry.Sub(now))
	}
	if u.state == engine.StateReady && !u.grants() {
		s.State = engine.StateUnloading
	}
	return s
}

// Displaces says whether loading a unit now would have others unloaded.
func (p *Plan) Displaces(id string) bool {
	u := p.byID[id]
	return !u.occupies() && !p.admits(p.occupying(u), u)
}

// Next is when Step is to be called again although nothing has happened; false where that is never.
func (p *Plan) Next() (at time.Time, ok bool) {
	for _, u := range p.units {
		var due time.Time
		switch {
		case u.state == engine.StateReady && u.users == 0 && u.keep >= 0:
			due = u.used.Add(u.keep)
		case u.state == engine.StateFailed && (u.Absent || u.wanted || len(u.waiters) > 0):
			due = u.retry
		default:
			continue
		}
		if !ok || due.Before(at) {
			at, ok = due, true
		}
	}
	return at, ok
}

// occupying are the units that take memory, w apart.
func (p *Plan) occupying(w *unit) []*unit {
	return slices.DeleteFunc(slices.Clone(p.units), func(u *unit) bool { return u == w || !u.occupies() })
}

// admits says whether w can be loaded beside the others.
func (p *Plan) admits(others []*unit, w *unit) bool {
	return !slices.ContainsFunc(others, w.sharesTurn) && p.budget.shortfall(needs(others), w.Need) == nil
}

func needs(units []*unit) []Need {
	out := make([]Need, len(units))
	for i, u := range units {
		out[i] = u.Need
	}
	return out
}

// queue are the units that are to be loaded, in the order in which they were asked for; those that nobody asked for
// come first, in the order in which they were given.
func (p *Plan) queue(now time.Time) []*unit {
	var out []*unit
	for _, u := range p.units {
		due := u.state == engine.StateUnloaded || u.state == engine.StateFailed && !u.Absent && !now.Before(u.retry)
		if due && (u.wanted || len(u.waiters) > 0) {
			out = append(out, u)
		}
	}
	place := func(u *unit) uint64 {
		if u.wanted || len(u.waiters) == 0 {
			return 0
		}
		return u.waiters[0].number
	}
	slices.SortStableFunc(out, func(a, b *unit) int { return cmp.Compare(place(a), place(b)) })
	return out
}
