package upstream

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
	"github.com/qwenvld/qwenvld/engine/upstream/discover"
	"github.com/qwenvld/qwenvld/engine/upstream/pool"
)

// Options are what a Cluster needs.
type Options struct {
	Groups   []Group
	Timeouts Timeouts
	Logger   *slog.Logger
	// Now is the clock, Transport sends requests; both have defaults.
	Now       func() time.Time
	Transport http.RoundTripper
	// Around, unless nil, makes what requests go through on their way to the Transport.
	Around func(http.RoundTripper) http.RoundTripper
}

// Cluster is a pool of servers. It is safe for concurrent use. It has servers while Run runs.
type Cluster struct {
	o     Options
	pool  pool.Pool
	owned *http.Transport // nil where the caller gave one

	mu sync.Mutex
	// found are the servers of each group by the last look that succeeded, targets all of them by id.
	found   [][]discover.Server
	targets map[string]*target
	counts  map[Count]int64
}

// New returns a Cluster.
func New(o Options) (*Cluster, error) {
	if len(o.Groups) == 0 {
		return nil, errors.New("upstream: no servers are named")
	}
	o.Timeouts = o.Timeouts.withDefaults()
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Cluster{o: o, found: make([][]discover.Server, len(o.Groups)), targets: map[string]*target{}, counts: map[Count]int64{}}
	if o.Transport == nil {
		c.owned = newTransport(&c.o.Timeouts)
		c.o.Transport = c.owned
	}
	if o.Around != nil {
		c.o.Transport = o.Around(c.o.Transport)
	}
	return c, nil
}

func newTransport(t *Timeouts) *http.Transport {
	const idle = 512 // connections that are kept to a server: as many as requests that may be there at a time
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: t.Connect, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: t.Connect, MaxIdleConnsPerHost: idle, IdleConnTimeout: time.Minute, DisableCompression: true,
	}
}

// Run finds and probes servers until ctx is done.
func (c *Cluster) Run(ctx context.Context) error {
	if c.owned != nil {
		defer c.owned.CloseIdleConnections()
	}
	c.look(ctx)
	c.probe(ctx, func(*target) bool { return true })
	var loops sync.WaitGroup
	defer loops.Wait()
	loops.Go(func() {
		every(ctx, c.o.Timeouts.DiscoverEvery, func() {
			if c.look(ctx) {
				c.probe(ctx, func(t *target) bool { return !t.probed.Load() })
			}
		})
	})
	every(ctx, c.o.Timeouts.ProbeEvery, func() { c.probe(ctx, func(*target) bool { return true }) })
	return nil
}

// every calls f again and again until ctx is done.
func every(ctx context.Context, period time.Duration, f func()) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f()
		}
	}
}

// look asks all sources. It reports whether the servers changed.
func (c *Cluster) look(ctx context.Context) (changed bool) {
	for i := range c.o.Groups {
		servers, err := c.o.Groups[i].Source.Servers(ctx)
		if err != nil {
			if ctx.Err() == nil {
				c.o.Logger.Warn("servers cannot be looked for; those that were found before are kept", "error", err)
			}
			continue
		}
		c.mu.Lock()
		changed = changed || !slices.Equal(c.found[i], servers)
		c.found[i] = servers
		c.mu.Unlock()
	}
	if changed {
		c.settle()
	}
	return changed
}

// settle makes targets and the pool of what was found. Of servers that stay all is kept that is known.
func (c *Cluster) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	targets := map[string]*target{}
	var members []pool.Server
	for i := range c.o.Groups {
		g := &c.o.Groups[i]
		for _, s := range c.found[i] {
			base, err := url.Parse(s.URL)
			id := s.URL
			if g.Model != "" {
				id += " " + g.Model
			}
			if err != nil || targets[id] != nil {
				continue
			}
			t := c.targets[id]
			if t == nil || t.group != g {
				t = &target{id: id, base: base, group: g}
				c.o.Logger.Info("a server joins", "server", id, "kind", string(g.Dialect.Kind))
			}
			targets[id] = t
			m := pool.Server{ID: id, Weight: s.Weight, MaxInFlight: s.MaxInFlight}
			if m.Weight == 0 {
				m.Weight = g.Weight
			}
			if m.MaxInFlight == 0 {
				m.MaxInFlight = g.MaxInFlight
			}
			members = append(members, m)
		}
	}
	for id := range c.targets {
		if targets[id] == nil {
			c.o.Logger.Info("a server leaves", "server", id)
			for k := range c.counts {
				if k.Server == id {
					delete(c.counts, k)
				}
			}
		}
	}
	c.targets = targets
	c.pool.Set(members)
}

func (c *Cluster) target(id string) *target {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.targets[id]
}

func (c *Cluster) all() []*target {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]*target, 0, len(c.targets))
	for _, t := range c.targets {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *target) int { return strings.Compare(a.id, b.id) })
	return out
}

// Standing tells of one server.
type Standing struct {
	pool.Standing

	Kind dialect.Kind
}

// Standings tells where all servers stand.
func (c *Cluster) Standings() []Standing {
	var out []Standing
	for _, s := range c.pool.Standings(c.o.Now()) {
		if t := c.target(s.ID); t != nil {
			out = append(out, Standing{s, t.group.Dialect.Kind})
		}
	}
	return out
}

// Card is what the servers that are up tell of their model: the smallest context, in tokens, and the bounds of pictures
// of the first that has some. What is 0 nobody has told.
func (c *Cluster) Card() dialect.Card {
	var out dialect.Card
	for _, s := range c.pool.Standings(c.o.Now()) {
		t := c.target(s.ID)
		if t == nil || s.State == pool.Down {
			continue
		}
		card := t.card.Load()
		if card == nil {
			continue
		}
		if card.ContextSize > 0 && (out.ContextSize == 0 || card.ContextSize < out.ContextSize) {
			out.ContextSize = card.ContextSize
		}
		out.Blind = out.Blind || card.Blind
		out.Architecture = cmp.Or(out.Architecture, card.Architecture)
		if out.MaxPixels == 0 {
			out.MinPixels, out.MaxPixels = card.MinPixels, card.MaxPixels
		}
	}
	return out
}

// Ready says whether a server takes requests.
func (c *Cluster) Ready() bool {
	for _, s := range c.pool.Standings(c.o.Now()) {
		switch s.State {
		case pool.Up, pool.Trial, pool.Resting:
			return true
		case pool.Open, pool.Down:
		}
	}
	return false
}

// Can is what every server of the cluster can do.
func (c *Cluster) Can() dialect.Capabilities {
	all := make([]dialect.Capabilities, len(c.o.Groups))
	for i := range c.o.Groups {
		all[i] = c.o.Groups[i].Dialect.Can
	}
	return dialect.Common(all...)
}

// Count names a number of requests: how many a server had of which something became.
type Count struct {
	Server  string
	Outcome Outcome
}

// Outcome is what became of a request at a server.
type Outcome string

// What becomes of requests.
const (
	Answered  Outcome = "answered"  // to its end
	Refused   Outcome = "refused"   // for a fault of the request
	Busy      Outcome = "busy"      // for want of room
	Failed    Outcome = "failed"    // before the first token or after it
	Abandoned Outcome = "abandoned" // by this daemon or its client
	// Retried counts requests that another server was asked instead of this one; Spilled those that came here because
	// the server of their key had too much to do.
	Retried Outcome = "retried"
	Spilled Outcome = "spilled"
)

func (c *Cluster) count(server string, o Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[Count{server, o}]++
}

// Counts tells what became of requests since the servers were found.
func (c *Cluster) Counts() map[Count]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[Count]int64, len(c.counts))
	for k, n := range c.counts {
		out[k] = n
	}
	return out
}
