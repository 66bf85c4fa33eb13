package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/device"
	"github.com/qwenvld/qwenvld/engine/footprint"
	"github.com/qwenvld/qwenvld/engine/gguf"
	"github.com/qwenvld/qwenvld/engine/layout"
	"github.com/qwenvld/qwenvld/engine/placement"
	"github.com/qwenvld/qwenvld/engine/residence"
	"github.com/qwenvld/qwenvld/engine/worker"
)

// need is what the weights of a variant take.
func (p *deviceLayout) need(variant string, w config.Weights) placement.Need {
	l := p.layouts[variant]
	return needOf(l, slices.Index(l.Names(), variant), w)
}

// needOf is what the i-th weights of a layout take. What lies on several cards is as if it were spread evenly.
func needOf(l *layout.Layout, i int, w config.Weights) placement.Need {
	e := l.Needs[i]
	n := placement.Need{
		Own:    map[placement.Device]int64{placement.Host: e.Host.Total() - e.Mapped},
		Mapped: map[string]int64{w.Model: e.Mapped},
	}
	cards := l.Used()
	for _, card := range cards {
		n.Own[placement.Device(card.Name)] = (e.GPU.Total()-e.GPU.Buffers)/int64(len(cards)) + e.GPU.Buffers // each has them
	}
	return n
}

// left are the reports with what the cards have left beside a model that stays loaded. Faults have been told.
func (p *deviceLayout) left(m *config.Model) []device.Report {
	var out []device.Report
	taken := map[string]int64{}
	if m.Residency != config.ResidentLazy {
		for variant, w := range weightsOf(m) {
			for d, bytes := range p.need(string(variant), w).Own {
				if m.Residency == config.ResidentOne { // the larger of the two
					taken[string(d)] = max(taken[string(d)], bytes)
				} else {
					taken[string(d)] += bytes
				}
			}
		}
	}
	for _, r := range p.reports {
		if r.Fault != "" {
			continue
		}
		r.Devices = slices.Clone(r.Devices)
		for i := range r.Devices {
			d := &r.Devices[i]
			d.Free = max(0, d.Free-taken[d.Name])
		}
		out = append(out, r)
	}
	return out
}

// settle is what a worker is told of the weights w of m, and what their headers tell of them.
func settle(m *config.Model, w config.Weights) (worker.Config, engine.Info, error) {
	c := workerConfig(&m.Engine, w)
	file, err := gguf.ReadModel(w.Model)
	if err != nil {
		return c, engine.Info{}, err
	}
	full, err := c.WithDefaults(file.TrainedContext())
	info := engine.Info{ContextSize: full.ContextSize, MaxSequences: full.MaxSequences}
	info.Name, _ = file.Text("general.name")
	info.Architecture, _ = file.Text("general.architecture")
	if w.Projector != "" {
		info.Vision = &engine.VisionInfo{}
	}
	return c, info, err
}

// checkFits finds weights that could never be loaded, and what would change that.
func checkFits(budget placement.Budget, units []residence.Unit, sources []*source) error {
	planned := make([]placement.Unit, len(units))
	for i := range units {
		planned[i] = units[i].Unit
	}
	short := budget.Check(planned)
	var faults []error
	for _, id := range slices.Sorted(maps.Keys(short)) {
		faults = append(faults, fmt.Errorf("%s %w", id, short[id]))
	}
	if len(faults) == 0 {
		return nil
	}
	hint := "a smaller size or quantisation would"
	if fit := nearestFit(budget, sources); fit != "" {
		hint = fit + " would fit"
	}
	faults = append(faults, fmt.Errorf("%s; memory_budget: none serves what does not fit all the same", hint))
	return errors.Join(faults...)
}

// change is a setting that makes weights smaller.
type change struct {
	words string
	make  func(*config.Model)
}

// changes are those that cost least first.
func changes(context int) []change {
	cache := change{fmt.Sprintf("cache_tokens: %d", context), func(m *config.Model) { m.Engine.CacheTokens = context }}
	small := change{"cache_type: q8_0", func(m *config.Model) { m.Engine.CacheType = "q8_0" }}
	one := change{"residency: one", func(m *config.Model) { m.Residency = config.ResidentOne }}
	const least = 4096
	short := change{fmt.Sprintf("context_size: %d, cache_tokens: %d", least, least), func(m *config.Model) {
		m.Engine.ContextSize, m.Engine.CacheTokens = min(least, context), min(least, context)
	}}
	all := func(list ...change) change {
		var words []string
		for _, c := range list {
			words = append(words, c.words)
		}
		return change{strings.Join(words, ", "), func(m *config.Model) {
			for _, c := range list {
				c.make(m)
			}
		}}
	}
	return []change{
		cache, small, all(cache, small), one, all(one, cache), all(one, cache, small), all(short, small), all(one, short, small),
	}
}

// nearestFit is the first change with which all models would fit whose files are here; empty where there is none.
func nearestFit(budget placement.Budget, sources []*source) string {
	context := 0
	for _, s := range sources {
		for _, w := range weightsOf(s.model) {
			if _, info, err := settle(s.model, w); err == nil {
				context = max(context, info.ContextSize)
			}
		}
	}
	for _, c := range changes(context) {
		var units []placement.Unit
		for _, s := range sources {
			if !s.isHere() {
				continue
			}
			m := *s.model
			c.make(&m)
			own, err := hostUnits(&m)
			if err != nil {
				return ""
			}
			units = append(units, own...)
		}
		if len(budget.Check(units)) == 0 {
			return c.words
		}
	}
	return ""
}

// hostUnits are the weights of a model as they were if no card took any.
func hostUnits(m *config.Model) ([]placement.Unit, error) {
	var out []placement.Unit
	for variant, w := range weightsOf(m) {
		h, err := headers(m, string(variant), w)
		if err != nil {
			return nil, err
		}
		e, err := footprint.Of(h.Model, h.Projector, h.Sizes)
		if err != nil {
			return nil, err
		}
		u := unitOf(m, variant, true)
		u.Need = placement.Need{
			Own:    map[placement.Device]int64{placement.Host: e.Host.Total() - e.Mapped},
			Mapped: map[string]int64{w.Model: e.Mapped},
		}
		out = append(out, u)
	}
	slices.SortFunc(out, func(a, b placement.Unit) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}
