// Package admission shares a bounded number of places among clients. Who finds none free waits for a bounded time in a
// bounded queue, from which the client that holds the fewest places is served first, so that nobody's requests can keep
// everybody else out.
//
// It knows clients by a name only. It must not know what is done in a place, and never takes one back.
package admission

import (
	"context"
	"errors"
	"sync"
	"time"
)

var (
	// ErrFull means that as many wait for a place as may.
	ErrFull = errors.New("too many wait for a place")
	// ErrPatience means that no place became free in time.
	ErrPatience = errors.New("no place became free in time")
)

// Options size a Gate.
type Options struct {
	// Places are there in all.
	Places int
	// PerClient bounds those of one client; 0 is no bound.
	PerClient int
	// Waiting bounds how many may wait, Patience how long each does.
	Waiting  int
	Patience time.Duration
	// Now is the clock, time.Now by default.
	Now func() time.Time
}

// Gate hands out places. It is safe for concurrent use.
type Gate struct {
	o Options

	mu      sync.Mutex
	free    int
	inside  map[*Pass]struct{}
	held    map[string]int // places of each client that has any
	waiting []*waiter      // in the order of their arrival
	// stay is how long a place is held, as a moving average.
	stay time.Duration
}

// Bounds are those of Options that Resize changes.
type Bounds struct {
	Places, PerClient, Waiting int
	Patience                   time.Duration
}

// Resize gives the gate other bounds. Who is inside stays, also where that is more than may be now. Those who wait go
// on waiting as long as they were to.
func (g *Gate) Resize(b Bounds) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.free += b.Places - g.o.Places
	g.o.Places, g.o.PerClient, g.o.Waiting, g.o.Patience = b.Places, b.PerClient, b.Waiting, b.Patience
	if g.o.PerClient == 0 {
		g.o.PerClient = b.Places
	}
	for _, w := range g.waiting { // who asked for more than one client may have gets that
		w.places = max(1, min(w.places, g.o.PerClient))
	}
	g.serve()
}

// Pass is some places that a client holds.
type Pass struct {
	gate   *Gate
	client string
	places int
	since  time.Time
}

// waiter is a request in the queue.
type waiter struct {
	client string
	places int
	answer chan answer // holds one
}

// answer is a pass, or why there is none.
type answer struct {
	pass *Pass
	err  error
}

// New returns a Gate with all its places free.
func New(o Options) *Gate {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.PerClient == 0 {
		o.PerClient = o.Places
	}
	return &Gate{o: o, free: o.Places, inside: map[*Pass]struct{}{}, held: map[string]int{}}
}

// Enter takes n places, which are at most as many as one client may hold, and waits for them if need be. It fails with
// ErrFull, ErrPatience or the cause of ctx's end.
func (g *Gate) Enter(ctx context.Context, client string, n int) (*Pass, error) {
	g.mu.Lock()
	n = max(1, min(n, g.o.PerClient))
	patience := time.NewTimer(g.o.Patience)
	defer patience.Stop()
	w := &waiter{client: client, places: n, answer: make(chan answer, 1)}
	g.waiting = append(g.waiting, w)
	g.serve()
	g.turnAway(w)
	g.mu.Unlock()

	var err error
	select {
	case a := <-w.answer:
		return a.pass, a.err
	case <-patience.C:
		err = ErrPatience
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case a := <-w.answer: // which came at the same moment
		return a.pass, a.err
	default:
	}
	g.drop(w)
	g.serve() // a smaller wish may fit where this one did not
	return nil, err
}

// Leave gives the places back. Calling it again, or on nil, does nothing.
func (p *Pass) Leave() {
	if p == nil {
		return
	}
	g := p.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.inside[p]; !ok {
		return
	}
	delete(g.inside, p)
	g.free += p.places
	if g.held[p.client] -= p.places; g.held[p.client] == 0 {
		delete(g.held, p.client)
	}
	const weight = 8 // of what was, against what is new
	stayed := g.o.Now().Sub(p.since)
	if g.stay == 0 {
		g.stay = stayed
	}
	g.stay += (stayed - g.stay) / weight
	g.serve()
}

// Places is how many were taken.
func (p *Pass) Places() int { return p.places }

// serve lets in those who wait for as long as there is room.
func (g *Gate) serve() {
	for {
		next := g.next()
		if next == nil || next.places > g.free {
			return
		}
		g.drop(next)
		p := &Pass{gate: g, client: next.client, places: next.places, since: g.o.Now()}
		g.inside[p] = struct{}{}
		g.free -= p.places
		g.held[p.client] += p.places
		next.answer <- answer{pass: p}
	}
}

// next is who is to be let in: of the clients that may have more, the one with the fewest places; its oldest request.
func (g *Gate) next() *waiter {
	var best *waiter
	for _, w := range g.waiting {
		if g.held[w.client]+w.places > g.o.PerClient {
			continue
		}
		if best == nil || g.held[w.client] < g.held[best.client] {
			best = w
		}
	}
	return best
}

// turnAway refuses one request where more wait than may. It is the newest request of the client that has the most
// waiting. newcomer itself is refused only where no other client has more waiting than its own.
func (g *Gate) turnAway(newcomer *waiter) {
	if len(g.waiting) <= g.o.Waiting {
		return
	}
	count := map[string]int{}
	for _, w := range g.waiting {
		count[w.client]++
	}
	victim := newcomer
	for _, w := range g.waiting {
		if more := count[w.client] - count[victim.client]; more > 0 || more == 0 && w.client == victim.client {
			victim = w
		}
	}
	g.drop(victim)
	victim.answer <- answer{err: ErrFull}
}

func (g *Gate) drop(w *waiter) {
	for i, other := range g.waiting {
		if other == w {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			return
		}
	}
}

// Waiting is how many wait.
func (g *Gate) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting)
}

// Expected is how long a request that came now would probably wait for a place. How long a place is held is known from
// those that are held now and those given back lately; where there were none yet, Expected is unknown. While one place
// is held that long, all places together come free once each, and those who wait already go first.
func (g *Gate) Expected(unknown time.Duration) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.free > 0 && len(g.waiting) == 0 {
		return 0
	}
	now, stay := g.o.Now(), g.stay
	if len(g.inside) > 0 {
		var age time.Duration
		for p := range g.inside {
			age += now.Sub(p.since)
		}
		stay = max(stay, age/time.Duration(len(g.inside)))
	}
	if stay == 0 {
		return unknown
	}
	before := 1
	for _, w := range g.waiting {
		before += w.places
	}
	return stay * time.Duration(before) / time.Duration(g.o.Places)
}
