package placement

import (
	"cmp"
	"slices"
	"time"

	"github.com/qwenvld/qwenvld/engine"
)

// Deed is what is done to a unit.
type Deed int

// Deeds. Whoever carries one out tells its end: Arrived, Loaded, Unloaded, or Failed.
const (
	// Fetch brings the files of a unit in.
	Fetch Deed = iota
	// Load starts a worker.
	Load
	// Unload ends it. Nobody uses it.
	Unload
)

// Action is a deed for a unit.
type Action struct {
	Deed Deed
	ID   string
}

// Step decides what is to be done now. What it returns counts as begun.
//
//  1. Files that are not there are fetched, and again after a while where that failed.
//  2. Units that nobody uses are unloaded when they were dismissed, or idle for long enough.
//  3. Each unit that is asked for, first come first served, is loaded where it fits beside all that is loaded.
//     Otherwise others are to give way (victims), and what it takes is reserved. Where not even that would do, who
//     asked is refused.
//  4. Those that wait for a unit that need not give way after all have it.
func (p *Plan) Step(now time.Time) []Action {
	var out []Action
	for _, u := range p.units {
		if u.Absent && !u.fetching && !now.Before(u.retry) { // (1)
			u.state, u.fetching = engine.StateDownloading, true
			out = append(out, Action{Fetch, u.ID})
		}
	}
	for _, u := range p.units {
		if u.state == engine.StateReady && u.users == 0 && (u.dismissed || u.keep >= 0 && !now.Before(u.used.Add(u.keep))) { // (2)
			out = append(out, u.unload())
		}
	}
	out = append(out, p.serveQueue(now)...) // (3)
	for _, u := range p.units {
		if u.grants() { // (4)
			u.grantAll()
		}
	}
	return out
}

func (u *unit) unload() Action {
	u.state = engine.StateUnloading
	return Action{Unload, u.ID}
}

func (p *Plan) serveQueue(now time.Time) []Action {
	var out []Action
	var reserved []*unit
	left := map[*unit]bool{}
	for _, u := range p.units {
		left[u], u.leaving = u.leaving, false
	}
	for _, w := range p.queue(now) {
		others := append(p.occupying(w), reserved...)
		if p.admits(others, w) {
			w.state = engine.StateLoading
			out = append(out, Action{Load, w.ID})
			continue
		}
		if short := p.neverFits(w); short != nil {
			p.refuse(w, short, now)
			continue
		}
		for _, v := range p.victims(w, reserved, left) {
			if v.users == 0 {
				out = append(out, v.unload())
			} else {
				v.leaving = true
			}
		}
		reserved = append(reserved, w)
	}
	return out
}

// neverFits is why w does not fit even when all others are unloaded that would give way to it; nil where it does.
func (p *Plan) neverFits(w *unit) *ShortError {
	stay := slices.DeleteFunc(p.occupying(w), func(u *unit) bool { return u.givesWayTo(w) })
	return p.budget.shortfall(needs(stay), w.Need)
}

func (p *Plan) refuse(w *unit, short *ShortError, now time.Time) {
	if w.wanted {
		p.Failed(w.ID, short.Error(), now)
		return
	}
	w.refuseAll(&engine.UnavailableError{State: engine.StateUnloaded, Reason: short.Error()})
}

// victims are the units that give way to w: those whose turn it is not any more, then those that nobody uses, then
// those that were leaving already (left), then the others, of each kind the one used longest ago first. There are none
// while w has to wait for units that cannot give way yet.
func (p *Plan) victims(w *unit, reserved []*unit, left map[*unit]bool) []*unit {
	stay, candidates := slices.Clone(reserved), []*unit{}
	for _, u := range p.occupying(w) {
		switch {
		case u.state == engine.StateReady && u.givesWayTo(w) && !u.leaving:
			candidates = append(candidates, u)
		case u.state != engine.StateUnloading && !u.leaving: // what is being unloaded is as good as gone
			stay = append(stay, u)
		}
	}
	rank := func(u *unit) int {
		switch {
		case u.sharesTurn(w):
			return 0
		case u.users == 0:
			return 1
		case left[u]:
			return 2
		}
		return 3
	}
	slices.SortStableFunc(candidates, func(a, b *unit) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.used.Compare(b.used))
	})
	n := 0
	for !p.admits(append(slices.Clone(stay), candidates[n:]...), w) {
		if n == len(candidates) {
			return nil
		}
		n++
	}
	// The last one made room. Of those before it, some may have been too small to matter.
	stay = append(stay, candidates[n:]...)
	return slices.DeleteFunc(slices.Clone(candidates[:n]), func(u *unit) bool {
		spare := p.admits(append(slices.Clone(stay), u), w)
		if spare {
			stay = append(stay, u)
		}
		return spare
	})
}
