package generation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qwenvld/qwenvld/api/admission"
	"github.com/qwenvld/qwenvld/api/backlog"
	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/media"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// Decider picks the weights for a request. Its methods must be pure functions, safe for concurrent use.
type Decider interface {
	Decide(in *router.Input) (router.Decision, error)
	// DecideAt is Decide at each of several qualities, for less than it would take so often. Of the decisions only
	// variants and thresholds count.
	DecideAt(in *router.Input, qualities []float64) ([]router.Decision, error)
}

// Meter counts what the core does. It must be safe for concurrent use. Each context is that of the request.
//
//nolint:interfacebloat // one set of counters, which is implemented once
type Meter interface {
	// Routed tells when a decision was begun and how long it took; Decided and Carried what of a generation that is
	// begun.
	Routed(ctx context.Context, begun time.Time, took time.Duration)
	Decided(d *router.Decision)
	Carried(images, videos int)
	// Escalated counts a generation that the other variant answers after all, for the given cause; Abandoned tokens
	// that were produced for nothing.
	Escalated(to router.Variant, cause string)
	Abandoned(v router.Variant, tokens int)
	// Held tells how long the weights were waited for that a request needs, where they may have to be loaded. Admitted,
	// after a wait for a place, and Released count the requests that are worked on.
	Held(ctx context.Context, waited time.Duration)
	Admitted(ctx context.Context, waited time.Duration)
	Released()
	// Begin counts a generation of so many answers. What is done for it is to have the context that it returns.
	Begin(ctx context.Context, d *Decided, answers int) (context.Context, Measure)
}

// Measure measures one generation from its beginning to End.
type Measure interface {
	// Settled says who answers, and whether all was waited for before any of it was passed on.
	Settled(v router.Variant, whole bool)
	// Event notes an engine's event; answers says that some of it is no reasoning.
	Event(choice int, ev *engine.Event, answers bool)
	// FirstToken is how long the first token took, 0 before it.
	FirstToken() time.Duration
	// End says that nothing more comes; cancelled that the client did not want it.
	End(cancelled bool)
}

// Causes of escalations, for Meter.
const (
	CauseSecondLook = "second_look"
	CauseRerun      = "rerun"
)

// Model is a pair of weights.
type Model struct {
	// ID is that of the pair. Engines hold its one or two sets of weights; Backends those that lie elsewhere.
	ID       string
	Engines  map[router.Variant]engine.Engine
	Backends map[router.Variant]Backend
}

// Options are what a Core needs. Zero durations and numbers take the defaults named beside them.
type Options struct {
	// Models are those that are served, the first of them also as auto.
	Models []Model
	// Router decides where no client control does; RouterVersion names its weights.
	Router        Decider
	RouterVersion string
	Media         *media.Loader
	// SecondLook and Rerun say what may come of answers of instruct that look wrong; by default nothing.
	SecondLook SecondLook
	Rerun      Rerun
	// MaxConcurrent bounds the requests being worked on (64). MaxWaiting more (64; none if negative) may wait for a
	// place, each for Patience (5 s). The client with the fewest places comes first.
	MaxConcurrent, MaxWaiting int
	Patience                  time.Duration
	// MaxBacklog refuses requests where those before them, with their own, are likely to take longer; 0 none.
	MaxBacklog time.Duration
	// Timeout is how long a request may take, 0 for ever.
	Timeout time.Duration
	// KeyedPrefixes has only requests with the same API key share what is computed of their prompts.
	KeyedPrefixes bool

	Meter  Meter
	Logger *slog.Logger
	Now    func() time.Time
	// NewID makes the random part of ids.
	NewID func() string
}

// Core answers requests. It is safe for concurrent use.
type Core struct {
	catalog Catalog
	media   *media.Loader
	meter   Meter
	logger  *slog.Logger
	now     func() time.Time
	newID   func() string

	// rules hold for requests from their decision on, whatever rules follow.
	rules         atomic.Pointer[rules]
	conversations conversations
	paces         paces
	// fetches are the places of requests whose media are being fetched, slots those of requests that are worked on.
	fetches, slots *admission.Gate
	draining       atomic.Bool

	mu       sync.Mutex
	inFlight map[*runContext]struct{}
}

// runContext cancels a generation that is in flight.
type runContext struct{ cancel context.CancelCauseFunc }

// New returns a Core.
func New(o Options) (*Core, error) {
	if len(o.Models) == 0 || o.Router == nil {
		return nil, errors.New("api: needs a model and a router")
	}
	c := &Core{
		media: o.Media, meter: o.Meter, logger: o.Logger, now: o.Now, newID: o.NewID,
		conversations: newConversations(), inFlight: map[*runContext]struct{}{},
	}
	for i := range o.Models {
		pair, err := newPair(&o.Models[i], &o)
		if err != nil {
			return nil, err
		}
		c.catalog.pairs = append(c.catalog.pairs, pair)
	}
	c.slots, c.fetches = admission.New(admission.Options{Now: o.Now}), admission.New(admission.Options{Now: o.Now})
	return c, c.SetRules(o.rules())
}

// newPair puts engines and backends behind the id of a pair.
func newPair(m *Model, o *Options) (*Pair, error) {
	if m.ID == "" || len(m.Engines)+len(m.Backends) == 0 {
		return nil, errors.New("api: a model needs a name and at least one engine")
	}
	pair := &Pair{ID: m.ID, backends: map[router.Variant]Backend{}, lines: map[router.Variant]*backlog.Backlog{}}
	add := func(v router.Variant, b Backend) error {
		if v != router.Instruct && v != router.Thinking || pair.backends[v] != nil {
			return fmt.Errorf("api: unusable engine for variant %q", v)
		}
		pair.backends[v] = b
		return nil
	}
	for v, e := range m.Engines {
		if e == nil {
			return nil, fmt.Errorf("api: no engine for variant %q", v)
		}
		if err := add(v, NewLocal(e, LocalOptions{Media: o.Media, NewID: o.NewID, KeyedPrefixes: o.KeyedPrefixes})); err != nil {
			return nil, err
		}
		pair.lines[v] = backlog.New(o.Now)
	}
	for v, b := range m.Backends {
		if err := add(v, b); err != nil {
			return nil, err
		}
	}
	return pair, nil
}

// Catalog are the models that are served.
func (c *Core) Catalog() *Catalog { return &c.catalog }

// Drain refuses what comes from now on.
func (c *Core) Drain() { c.draining.Store(true) }

// Draining says whether new requests are refused.
func (c *Core) Draining() bool { return c.draining.Load() }

// Abort ends the generations in flight: they fail with fault.ErrShuttingDown.
func (c *Core) Abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r := range c.inFlight {
		r.cancel(fault.ErrShuttingDown)
	}
}

// InFlight counts the generations that have not let go of what they hold.
func (c *Core) InFlight() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.inFlight)
}

// begin registers a generation so that Abort reaches it. end must be called.
func (c *Core) begin(parent context.Context) (ctx context.Context, cancel context.CancelCauseFunc, end func()) {
	ctx, cancel = context.WithCancelCause(parent)
	r := &runContext{cancel: cancel}
	c.mu.Lock()
	c.inFlight[r] = struct{}{}
	c.mu.Unlock()
	return ctx, cancel, func() {
		cancel(nil)
		c.mu.Lock()
		delete(c.inFlight, r)
		c.mu.Unlock()
	}
}

// unwanted says whether a generation was ended by its client, who left or cancelled it. That it took too long, or that
// the server stops, is no wish.
func unwanted(ctx context.Context) bool {
	var own *fault.Error
	cause := context.Cause(ctx)
	return cause != nil && !errors.Is(cause, fault.ErrShuttingDown) && !errors.As(cause, &own)
}
