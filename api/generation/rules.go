package generation

import (
	"cmp"
	"errors"
	"time"

	"github.com/qwenvld/qwenvld/api/admission"
)

// Rules are the part of Options that can be changed while requests are answered.
type Rules struct {
	Router        Decider
	RouterVersion string
	SecondLook    SecondLook
	Rerun         Rerun
	MaxConcurrent int
	MaxWaiting    int
	Patience      time.Duration
	MaxBacklog    time.Duration
	Timeout       time.Duration
}

// rules are Rules at work.
type rules struct {
	router        Decider
	routerVersion string
	maxConcurrent int
	maxBacklog    time.Duration
	timeout       time.Duration
	escalator     escalator
}

func (o *Options) rules() *Rules {
	return &Rules{
		Router: o.Router, RouterVersion: o.RouterVersion, SecondLook: o.SecondLook, Rerun: o.Rerun,
		MaxConcurrent: o.MaxConcurrent, MaxWaiting: o.MaxWaiting, Patience: o.Patience, MaxBacklog: o.MaxBacklog, Timeout: o.Timeout,
	}
}

// bounds are those of the places to be worked on, and of those to fetch in. Zeros take the defaults of Options.
func (r *Rules) bounds() (slots, fetches admission.Bounds) {
	places := cmp.Or(r.MaxConcurrent, 64)
	slots = admission.Bounds{Places: places, Waiting: max(0, cmp.Or(r.MaxWaiting, 64)), Patience: cmp.Or(r.Patience, 5*time.Second)}
	fetches = slots
	fetches.Places, fetches.PerClient = fetchers*places, fetchers*places*fetchShare/4
	return slots, fetches
}

// SetRules has other rules hold for requests that are decided from now on.
func (c *Core) SetRules(r *Rules) error {
	if r.Router == nil {
		return errors.New("api: needs a router")
	}
	slots, fetches := r.bounds()
	c.rules.Store(&rules{
		router: r.Router, routerVersion: r.RouterVersion, maxConcurrent: slots.Places, maxBacklog: r.MaxBacklog, timeout: r.Timeout,
		escalator: newEscalator(r.SecondLook, r.Rerun),
	})
	c.slots.Resize(slots)
	c.fetches.Resize(fetches)
	return nil
}

// Timeout is how long a request may take, 0 for ever. Who serves it ends its context then, with a *fault.Error as the
// cause.
func (c *Core) Timeout() time.Duration { return c.rules.Load().timeout }
