package generation

import (
	"context"
	"errors"
	"strconv"
	"strings"

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

// ModelNotFound refuses the id of a model that is not served.
func ModelNotFound(id string) error {
	return fault.NotFound("model", fault.CodeModelNotFound, "The model %q does not exist.", jsonbody.Abbreviate(id))
}

// loaded asks every backend of the pair what it holds; those that cannot answer are left out.
func (p *Pair) loaded(ctx context.Context) map[router.Variant]engine.Info {
	infos := make(map[router.Variant]engine.Info, len(p.backends))
	for v, b := range p.backends {
		if info, err := b.Info(ctx); err == nil {
			infos[v] = info
		}
	}
	return infos
}

// Standing is where the weights of a variant stand. Down is nil for those that are ready, of which Info tells.
type Standing struct {
	Info engine.Info
	Down *engine.UnavailableError
}

// Standing tells where a variant's weights stand.
func (p *Pair) Standing(ctx context.Context, v router.Variant) Standing {
	info, err := p.backends[v].Info(ctx)
	if err == nil {
		return Standing{Info: info}
	}
	down := &engine.UnavailableError{State: engine.StateRestarting}
	errors.As(err, &down)
	return Standing{Down: down}
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
