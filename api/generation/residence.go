package generation

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// Resident is a Backend whose weights may be in memory only at times.
type Resident interface {
	Backend
	// OnDemand brings the weights in; nil where they are always there.
	OnDemand() engine.OnDemand
}

var _ Resident = (*Local)(nil)

// OnDemand is the engine, where its weights come and go.
func (l *Local) OnDemand() engine.OnDemand {
	e, _ := l.engine.(engine.OnDemand)
	return e
}

// onDemand brings in the weights of b; nil where they are always there.
func onDemand(b Backend) engine.OnDemand {
	if r, ok := b.(Resident); ok {
		return r.OnDemand()
	}
	return nil
}

// prospect is what is known of weights that can answer, at once or after a wait.
type prospect struct {
	info engine.Info
	// wait is what it costs to load them, 0 for those that are there.
	wait time.Duration
}

// prospects are the variants of the pair that can answer. Of those that are not loaded only what their files' headers
// tell is known.
func (p *Pair) prospects(ctx context.Context) map[router.Variant]prospect {
	out := make(map[router.Variant]prospect, len(p.backends))
	for v, b := range p.backends {
		info, err := b.Info(ctx)
		if err == nil {
			out[v] = prospect{info: info}
			continue
		}
		if od := onDemand(b); od != nil {
			if o := od.Outlook(); !o.Hopeless {
				out[v] = prospect{info: o.About, wait: max(o.Wait, 1)}
			}
		}
	}
	return out
}

// hold has the weights that d decides for loaded, and kept so until release is called.
func (c *Core) hold(ctx context.Context, d *Decided) (held *Decided, release func(), err error) {
	od := onDemand(d.backend)
	if od == nil {
		return d, func() {}, nil
	}
	asked := c.now()
	release, err = od.Hold(ctx, engine.Hold{KeepAlive: d.Request.KeepAlive, Waiting: d.Caller.Waiting})
	c.meter.Held(ctx, c.now().Sub(asked))
	if err != nil {
		return nil, nil, d.pair.notLoaded(d.decision.Variant, err)
	}
	out := *d
	if out.info, err = d.backend.Info(ctx); err != nil {
		release()
		return nil, nil, d.pair.notLoaded(d.decision.Variant, err)
	}
	return &out, release, nil
}

// holdLoaded is hold for weights that are there already. Those that are not are an error.
func (d *Decided) holdLoaded(ctx context.Context) (release func(), err error) {
	if od := onDemand(d.backend); od != nil {
		return od.Hold(ctx, engine.Hold{Loaded: true})
	}
	return func() {}, nil
}

// onDemand are those of the weights that n asks for which are in memory only at times.
func (n *named) onDemand() iter.Seq2[router.Variant, engine.OnDemand] {
	return func(yield func(router.Variant, engine.OnDemand) bool) {
		for _, v := range n.pair.Variants() {
			od := onDemand(n.pair.backends[v])
			if n.variant != "" && v != n.variant || od == nil {
				continue
			}
			if !yield(v, od) {
				return
			}
		}
	}
}

// notLoaded names the weights that cannot answer.
func (p *Pair) notLoaded(v router.Variant, err error) error {
	var down *engine.UnavailableError
	if errors.As(err, &down) {
		return fault.NotLoaded(fmt.Sprintf("The model %q", p.ModelID(v)), down)
	}
	return err
}

// Load has the weights of a model loaded, and kept for as long as keep says, or as is configured. A routed id stands
// for as many of its variants as need no others unloaded, but for one at least.
func (c *Core) Load(ctx context.Context, id string, keep *time.Duration) error {
	if c.draining.Load() {
		return fault.ShuttingDown(nil)
	}
	name, err := c.catalog.find(id)
	if err != nil {
		return err
	}
	ctx, _, end := c.begin(ctx)
	defer end()
	loaded := false
	for v, od := range name.onDemand() {
		if loaded && name.variant == "" && od.Outlook().Displaces {
			continue
		}
		release, err := od.Hold(ctx, engine.Hold{KeepAlive: keep})
		if err != nil {
			return because(ctx, name.pair.notLoaded(v, err))
		}
		release()
		loaded = true
	}
	return nil
}

// Release has a model unloaded that requests have had loaded, once it is not used any more. It does not wait.
func (c *Core) Release(ctx context.Context, id string) error {
	name, err := c.catalog.find(id)
	if err != nil {
		return err
	}
	for _, od := range name.onDemand() {
		if release, err := od.Hold(ctx, engine.Hold{Loaded: true, KeepAlive: new(time.Duration(0))}); err == nil {
			release()
		}
	}
	return nil
}

// Unload has the weights of a model unloaded once they are not used any more, and waits for that.
func (c *Core) Unload(ctx context.Context, id string) error {
	name, err := c.catalog.find(id)
	if err != nil {
		return err
	}
	for v, od := range name.onDemand() {
		if err := od.Unload(ctx); err != nil {
			return name.pair.notLoaded(v, err)
		}
	}
	return nil
}
