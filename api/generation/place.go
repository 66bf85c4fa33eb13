package generation

import (
	"context"
	"errors"
	"time"

	"github.com/qwenvld/qwenvld/api/admission"
	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
)

const (
	// Of the places of MaxConcurrent one request may hold a quarter; generations beyond that wait for those before
	// them.
	shareOfOne = 4
	// fetchers is how many times MaxConcurrent requests may be fetching what they name by URLs.
	fetchers = 4
	// Of the places to fetch in one client may hold this share, in quarters, since fetching can be made to last.
	fetchShare = 3
)

// Caller is who asks, and what is told beside the request itself.
type Caller struct {
	// ID is the request's, for logs. Client is whom places are shared between: a key or an address. Key is the API
	// key's name.
	ID, Client, Key string
	// Session names a conversation whose requests do not carry all of its turns; Route asks for a variant.
	Session, Route string
	// Affinity names requests whose prompts likely begin alike, "" where nothing says so: those of a session, whatever
	// of it they carry.
	Affinity string
	// Passed is what servers that are asked for the answer are told too, by the names of headers: who asks, and what
	// the request is a part of.
	Passed map[string][]string
	// Endpoint is the pattern of the route that was asked, At when.
	Endpoint string
	At       time.Time
	// Background says that the answer was acknowledged before it is begun.
	Background bool
	// Waiting, unless nil, is told now and then while the weights that are to answer are loaded.
	Waiting func(engine.UnavailableError)
	// Admitted, unless nil, is called once the request has its place: what it held to be read is not needed any more.
	Admitted func()
}

// enter waits for a place among the requests that are worked on, unless draining has begun. leave must be called.
func (c *Core) enter(ctx context.Context, caller *Caller) (leave func(), err error) {
	if c.draining.Load() {
		return nil, fault.ShuttingDown(nil)
	}
	_, leave, err = c.admit(ctx, caller, 1)
	return leave, err
}

// admit waits for n of the places among those that are worked on, or for as many as one request may have, also for a
// request that came before draining began. Its body is read by then, what it names is fetched and its weights are
// loaded, so that no client's slowness takes a place. leave must be called.
func (c *Core) admit(ctx context.Context, caller *Caller, n int) (places int, leave func(), err error) {
	asked := c.now()
	pass, err := c.slots.Enter(ctx, caller.Client, min(n, max(1, c.rules.Load().maxConcurrent/shareOfOne)))
	if err != nil {
		return 0, nil, noPlace(err)
	}
	if caller.Admitted != nil {
		caller.Admitted()
	}
	c.meter.Admitted(ctx, c.now().Sub(asked))
	return pass.Places(), func() {
		pass.Leave()
		c.meter.Released()
	}, nil
}

// fetching takes a place for a request that names media by URLs, for as long as they are fetched: until done is called.
func (c *Core) fetching(ctx context.Context, caller *Caller, req *request.Request) (done func(), err error) {
	if !req.NeedsFetching() {
		return func() {}, nil
	}
	pass, err := c.fetches.Enter(ctx, caller.Client, 1)
	if err != nil {
		return nil, noPlace(err)
	}
	return pass.Leave, nil
}

// counting takes a place for a request that is counted and not answered: one to fetch in where it has to, so that a
// slow source takes none of those that are worked on.
func (c *Core) counting(ctx context.Context, caller *Caller, req *request.Request) (done func(), err error) {
	if req.NeedsFetching() {
		return c.fetching(ctx, caller, req)
	}
	return c.enter(ctx, caller)
}

func noPlace(err error) error {
	if errors.Is(err, admission.ErrFull) || errors.Is(err, admission.ErrPatience) {
		return fault.Overloaded(err)
	}
	return err
}

// RetryIn is what a client that finds no place is told to wait: the time until one is free, as far as it can be told.
func (c *Core) RetryIn() time.Duration {
	const longest = time.Minute
	return min(max(c.slots.Expected(fault.RetryAfter), time.Second), longest)
}

// Waiting counts the requests that wait for a place, to be worked on and to fetch in.
func (c *Core) Waiting() (working, fetching int) { return c.slots.Waiting(), c.fetches.Waiting() }
