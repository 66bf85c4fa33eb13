package main

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/qwenvld/qwenvld/engine/upstream/pool"
)

// chooser picks the server of a request.
type chooser interface {
	name() string
	// begin prepares for so many servers.
	begin(servers []*server, r *rand.Rand)
	// choose gives the server for a conversation, and whether it is not the conversation's own. done is called when the
	// request has ended.
	choose(conversation int) (s *server, spilled bool, done func())
}

var (
	_ chooser = (*random)(nil)
	_ chooser = (*leastLoaded)(nil)
	_ chooser = (*sticky)(nil)
	_ chooser = (*spilling)(nil)
)

// random is what a plain service does.
type random struct {
	servers []*server
	r       *rand.Rand
}

func (*random) name() string                            { return "at random" }
func (c *random) begin(servers []*server, r *rand.Rand) { c.servers, c.r = servers, r }
func (c *random) choose(int) (*server, bool, func()) {
	return c.servers[c.r.IntN(len(c.servers))], false, func() {}
}

// sticky is hashing without a look at the load.
type sticky struct {
	servers []*server
	seed    maphash.Seed
}

func (*sticky) name() string { return "by key alone" }
func (c *sticky) begin(servers []*server, _ *rand.Rand) {
	c.servers, c.seed = servers, maphash.MakeSeed()
}

func (c *sticky) choose(conversation int) (*server, bool, func()) {
	h := maphash.String(c.seed, strconv.Itoa(conversation))
	return c.servers[h%uint64(len(c.servers))], false, func() {}
}

// spilling is the pool that the daemon has.
type spilling struct {
	pool    *pool.Pool
	servers map[string]*server
}

// now is the time of all choices: nothing fails here, so that it does not matter.
var now = time.Unix(0, 0)

func (*spilling) name() string { return "by key, spilling at twice the share" }
func (c *spilling) begin(servers []*server, _ *rand.Rand) {
	c.pool, c.servers = &pool.Pool{}, map[string]*server{}
	var members []pool.Server
	for i, s := range servers {
		id := fmt.Sprintf("http://vllm-%d:8000", i)
		c.servers[id] = s
		members = append(members, pool.Server{ID: id})
	}
	c.pool.Set(members)
	for id := range c.servers {
		c.pool.Probed(id, true)
	}
}

func (c *spilling) choose(conversation int) (*server, bool, func()) {
	return c.pick(strconv.Itoa(conversation))
}

func (c *spilling) pick(key string) (*server, bool, func()) {
	l, err := c.pool.Pick(now, key)
	if err != nil {
		panic(err) // all servers are up, without a bound
	}
	return c.servers[l.Server()], l.Spilled, func() { l.End(now, pool.Served, 0) }
}

// leastLoaded is the same pool without keys.
type leastLoaded struct{ spilling }

func (*leastLoaded) name() string                         { return "the least loaded" }
func (c *leastLoaded) choose(int) (*server, bool, func()) { return c.pick("") }
