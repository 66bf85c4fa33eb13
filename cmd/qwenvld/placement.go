package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine/device"
	"github.com/qwenvld/qwenvld/engine/footprint"
	"github.com/qwenvld/qwenvld/engine/gguf"
	"github.com/qwenvld/qwenvld/engine/layout"
	"github.com/qwenvld/qwenvld/engine/worker"
)

// deviceLayout is where workers are to put their weights, by the name of the variant.
type deviceLayout struct {
	reports []device.Report
	layouts map[string]*layout.Layout
}

// errNoGPU ends a start that requires a card.
var errNoGPU = errors.New("require_gpu is set, and no part of the model can run on a graphics card; `qwenvld devices` tells why")

// place decides where the weights of m go, and tells. What certainly does not fit is an error.
func place(reports []device.Report, c *config.Config, m *config.Model, logger *slog.Logger) (*deviceLayout, error) {
	p := &deviceLayout{reports: reports, layouts: map[string]*layout.Layout{}}
	for i := range p.reports {
		if r := &p.reports[i]; r.Fault != "" {
			logger.Warn("a backend for graphics cards cannot be used", "backend", r.Backend, "reason", r.Fault)
		}
	}
	plans, err := planModel(m, device.Cards(p.reports))
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", m.ID, err)
	}
	for _, plan := range plans {
		if err := plan.Check(); err != nil {
			return nil, fmt.Errorf("model %s: %w", m.ID, err)
		}
		if c.RequireGPU && !plan.OnCards() {
			return nil, errNoGPU
		}
		logger.Info("what runs where", "model", m.ID, "layout", plan.String())
		for _, name := range plan.Names() {
			p.layouts[name] = plan
		}
	}
	if l := m.Engine.GPULayers; !l.Auto() && l.Number() != 0 && len(device.Cards(p.reports)) == 0 {
		logger.Warn("gpu_layers has no effect: no graphics card that this build can use was found, and the processors compute all layers",
			"gpu_layers", string(l))
	}
	return p, nil
}

// planModel lays out all weights of m that are in memory together.
func planModel(m *config.Model, cards []device.Device) ([]*layout.Layout, error) {
	var together []layout.Weights
	for _, v := range []struct {
		name string
		config.Weights
	}{{"instruct", m.Instruct}, {"thinking", m.Thinking}} {
		if v.Model == "" {
			continue
		}
		w, err := headers(m, v.name, v.Weights)
		if err != nil {
			return nil, err
		}
		together = append(together, w)
	}
	if m.Residency != config.ResidentOne {
		plan, err := layout.Plan(wish(&m.Engine), cards, together)
		return []*layout.Layout{plan}, err
	}
	var plans []*layout.Layout
	for i := range together {
		plan, err := layout.Plan(wish(&m.Engine), cards, together[i:i+1])
		if err != nil {
			return nil, err
		}
		plans = append(plans, plan)
	}
	return plans, nil
}

// wish is what the configuration asks for.
func wish(e *config.Engine) layout.Wish {
	w := layout.Wish{Device: e.Device, Layers: e.GPULayers.Number(), Tower: e.TowerDevice}
	switch {
	case e.GPULayers.Auto():
		w.Layers = layout.AutoLayers
	case w.Layers < 0:
		w.Layers = layout.AllLayers
	}
	return w
}

// headers reads what the files of one variant say of themselves.
func headers(m *config.Model, name string, w config.Weights) (out layout.Weights, err error) {
	out.Name = name
	if out.Model, err = gguf.ReadModel(w.Model); err != nil {
		return out, err
	}
	if w.Projector != "" {
		if out.Projector, err = gguf.Read(w.Projector); err != nil {
			return out, err
		}
	}
	c, err := workerConfig(&m.Engine, w).WithDefaults(out.Model.TrainedContext())
	out.Sizes = sizes(&c)
	return out, err
}

// sizes are what a worker's memory follows from, but for what lies on cards.
func sizes(c *worker.Config) footprint.Sizes {
	return footprint.Sizes{
		CacheTokens: c.CacheTokens, CacheType: c.CacheType, BatchSize: c.BatchSize, MaxSequences: c.MaxSequences,
		ImageMemory: c.ImageMemory, VisionCache: c.VisionCache,
	}
}

// apply tells a worker where the weights of a variant go.
func (p *deviceLayout) apply(variant string, c *worker.Config) {
	if p == nil || p.layouts[variant] == nil {
		return
	}
	l := p.layouts[variant]
	c.Backends = device.Folders(p.reports, l.Used())
	for i := range l.Cards {
		c.Devices = append(c.Devices, l.Cards[i].Name)
	}
	c.GPULayers = l.Layers
	if l.Tower != nil {
		c.TowerDevice = l.Tower.Name
	}
}
