package pool

import (
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
)

// ErrNone means that no server of the pool takes requests; ErrFull that all that are up have as many
// as they may, or said that they are busy.
var (
	ErrNone = errors.New("no server of the pool is up")
	ErrFull = errors.New("every server of the pool has as many requests as it may")
)

// Server is one of a pool's.
type Server struct {
	// ID names it, the same in every process: ranks follow from it.
	ID string
	// Weight is its share, 1 where it is 0.
	Weight float64
	// MaxInFlight bounds what it is given at a time, 0 for no bound.
	MaxInFlight int
}

// member is a server of the pool with what is known of it.
type member struct {
	Server

	hash     uint64
	inFlight int
	breaker  Breaker
	// fell is closed when probes say that the server went down.
	fell chan struct{}
}

func (m *member) load() float64 { return float64(m.inFlight) / m.Weight }

// lighter says whether m has less to do than o, or as much where it is ranked before it.
func (m *member) lighter(o *member, before bool) bool {
	return m.load() < o.load() || m.load() == o.load() && before
}

// takes says whether the server takes requests.
func (m *member) takes(now time.Time) bool {
	s := m.breaker.State(now)
	return s == Up || s == Trial
}

func (m *member) full() bool { return m.MaxInFlight > 0 && m.inFlight >= m.MaxInFlight }

// Pool is a set of servers. It is safe for concurrent use.
type Pool struct {
	mu      sync.Mutex
	members []*member // by ID
}

// Set replaces the servers. Of those that stay all is kept that is known; those that go get no more requests, while
// what they have been given goes on.
func (p *Pool) Set(servers []Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := map[string]*member{}
	for _, m := range p.members {
		known[m.ID] = m
	}
	p.members = nil
	for _, s := range servers {
		if !(s.Weight > 0) {
			s.Weight = 1
		}
		m := known[s.ID]
		if m == nil {
			m = &member{hash: xxhash.Sum64String(s.ID), fell: make(chan struct{})}
		}
		m.Server = s
		if !slices.ContainsFunc(p.members, func(o *member) bool { return o.ID == s.ID }) {
			p.members = append(p.members, m)
		}
	}
}

// Lease is a place at a server, until End.
type Lease struct {
	pool   *Pool
	member *member
	trial  bool
	// Spilled says that the server which the key belongs to had too much to do.
	Spilled bool
	fell    <-chan struct{}
}

// Server is where the request goes.
func (l *Lease) Server() string { return l.member.ID }

// Fell is closed when probes say that the server went down.
func (l *Lease) Fell() <-chan struct{} { return l.fell }

// End gives the place back and says what became of the request; wait is how long the server asked to be left alone.
func (l *Lease) End(now time.Time, v Verdict, wait time.Duration) {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	l.member.inFlight--
	l.member.breaker.end(now, l.trial, v, wait)
}

// spillAt is how many times its share of what is in flight a server may have before others get its keys.
const spillAt = 2

// Pick finds a server for a request with a key; an empty one asks for the least loaded. not names servers that were
// tried before.
func (p *Pool) Pick(now time.Time, key string, not ...string) (*Lease, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var (
		best, least *member
		rank, spare float64
		total       int
		weights     float64
		full        bool
	)
	hash := xxhash.Sum64String(key)
	for _, m := range p.members {
		takes := m.takes(now)
		if takes {
			total += m.inFlight
			weights += m.Weight
		}
		if !takes || m.full() || slices.Contains(not, m.ID) {
			full = full || m.busy(now, not)
			continue
		}
		r := rendezvous(hash, m)
		if best == nil || r > rank {
			best, rank = m, r
		}
		if least == nil || m.lighter(least, r > spare) {
			least, spare = m, r
		}
	}
	if best == nil {
		return nil, without(full)
	}
	chosen := best
	if share := best.Weight / weights; key == "" || float64(best.inFlight) >= math.Ceil(spillAt*float64(total+1)*share) {
		chosen = least
	}
	l := &Lease{pool: p, member: chosen, fell: chosen.fell, trial: chosen.breaker.begin(now), Spilled: key != "" && chosen != best}
	chosen.inFlight++
	return l, nil
}

// busy says whether a server that was not tried yet takes nothing because it has too much to do.
func (m *member) busy(now time.Time, not []string) bool {
	much := m.breaker.State(now) == Resting || m.takes(now) && m.full()
	return much && !slices.Contains(not, m.ID)
}

// without is why a pool has no server for a request: some are busy, or none is up.
func without(busy bool) error {
	if busy {
		return ErrFull
	}
	return ErrNone
}

// rendezvous ranks a server for a key: the logarithm makes the shares follow the weights.
func rendezvous(key uint64, m *member) float64 {
	const bits = 53
	x := mix(key ^ m.hash)
	unit := (float64(x>>(64-bits)) + 0.5) / (1 << bits)
	return -m.Weight / math.Log(unit)
}

// mix is splitmix64's finaliser: two hashes that were joined are random again.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// Probed notes what became of a probe of a server.
func (p *Pool) Probed(id string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.members {
		if m.ID == id && m.breaker.probed(ok) {
			close(m.fell)
			m.fell = make(chan struct{})
		}
	}
}

// Standing is where a server stands.
type Standing struct {
	ID       string
	State    State
	InFlight int
}

// Standings tells where the servers stand, in the order in which they were set.
func (p *Pool) Standings(now time.Time) []Standing {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Standing, len(p.members))
	for i, m := range p.members {
		out[i] = Standing{ID: m.ID, State: m.breaker.State(now), InFlight: m.inFlight}
	}
	return out
}
