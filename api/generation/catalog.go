package generation

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/qwenvld/qwenvld/api/backlog"
	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// ModelAuto is an alias of the first pair's id.
const ModelAuto = "auto"

// qualityMark stands between the id of a pair and a quality: "auto:quality=7".
const qualityMark = ":quality="

// Pair is a model: one or two sets of weights behind one id, of which the router chooses. Each set also has an id of
// its own.
type Pair struct {
	// ID is the routed model id; the variants append -instruct and -thinking.
	ID       string
	backends map[router.Variant]Backend
	// lines are of those weights that this daemon has.
	lines map[router.Variant]*backlog.Backlog
}

// Catalog are the models that are served. It does not change.
type Catalog struct{ pairs []*Pair }

// Pairs lists the models.
func (c *Catalog) Pairs() []*Pair { return c.pairs }

// Variants lists the pair's variants in a fixed order.
func (p *Pair) Variants() []router.Variant {
	var out []router.Variant
	for _, v := range []router.Variant{router.Instruct, router.Thinking} {
		if p.backends[v] != nil {
			out = append(out, v)
		}
	}
	return out
}

// ModelID is the id of one of the pair's sets of weights.
func (p *Pair) ModelID(v router.Variant) string { return p.ID + "-" + string(v) }

// named is what a model id asks for.
type named struct {
	pair *Pair
	// variant is that of an id of one set of weights, "" for a routed id.
	variant router.Variant
	// quality is what a routed id may end with.
	quality *float64
}

// find reads a model id. No id at all stands for the first pair.
func (c *Catalog) find(id string) (named, error) {
	name, quality, graded := strings.Cut(id, qualityMark)
	for i, p := range c.pairs {
		if name == p.ID || i == 0 && (name == ModelAuto || id == "") {
			if !graded {
				return named{pair: p}, nil
			}
			q, err := strconv.ParseFloat(quality, 64)
			if err != nil || !(q >= 0 && q <= 10) {
				return named{}, fault.Field("model", fault.CodeInvalidValue, "quality must be a number from 0 to 10")
			}
			return named{pair: p, quality: &q}, nil
		}
		for _, v := range p.Variants() {
			if id == p.ModelID(v) {
				return named{pair: p, variant: v}, nil
			}
		}
	}
	return named{}, ModelNotFound(id)
}

// Listed is the id of the model that a name stands for, as lists have it: without a quality, and not auto.
func (c *Core) Listed(name string) (string, error) {
	n, err := c.catalog.find(name)
	switch {
	case err != nil:
		return "", err
	case n.variant != "":
		return n.pair.ModelID(n.variant), nil
	}
	return n.pair.ID, nil
}

// ModelNotFound refuses the id of a model that is not served.
func ModelNotFound(id string) error {
	return fault.NotFound("model", fault.CodeModelNotFound, "The model %q does not exist.", jsonbody.Abbreviate(id))
}

// Standing is where the weights of a variant stand.
type Standing struct {
	// Info is what is known of them: while they are not loaded what the headers of their files tell, if anything.
	Info engine.Info
	// Down is nil for those that are ready.
	Down *engine.UnavailableError
	// OnDemand says that they are not loaded because nobody asks for them: whoever does has them loaded. Memory is what
	// they take then, in bytes, by device.
	OnDemand bool
	Memory   map[string]int64
}

// Standing tells where a variant's weights stand.
func (p *Pair) Standing(ctx context.Context, v router.Variant) Standing {
	b := p.backends[v]
	info, err := b.Info(ctx)
	s := Standing{Info: info}.with(err)
	if od := onDemand(b); od != nil {
		o := od.Outlook()
		s.Down, s.Memory = o.Down, o.Memory
		s.OnDemand = o.Down != nil && !o.Hopeless && !o.Starting && o.Down.State != engine.StateDownloading
		if err != nil {
			s.Info = o.About
		}
	}
	return s
}

// with is the standing of weights whose Info failed with err.
func (s Standing) with(err error) Standing {
	if errors.As(err, &s.Down); err != nil && s.Down == nil {
		s.Down = &engine.UnavailableError{State: engine.StateRestarting}
	}
	return s
}

// nothingLoaded refuses a request that none of the pair's weights can answer.
func (p *Pair) nothingLoaded(ctx context.Context) error {
	first := router.ErrNothingLoaded
	for _, v := range p.Variants() {
		if err := p.Standing(ctx, v).err(); err != nil {
			first = err
			break
		}
	}
	return fault.NotLoaded("The model", first)
}

// State is the standing in a word.
func (s Standing) State() engine.State {
	if s.Down == nil {
		return engine.StateReady
	}
	return s.Down.State
}

// err is why the weights are not ready, nil for those that are.
func (s Standing) err() error {
	if s.Down == nil {
		return nil
	}
	return s.Down
}
