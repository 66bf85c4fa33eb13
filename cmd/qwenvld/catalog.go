package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"

	"github.com/qwenvld/qwenvld/api"
	"github.com/qwenvld/qwenvld/api/metrics"
	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/device"
	"github.com/qwenvld/qwenvld/engine/device/probe"
	"github.com/qwenvld/qwenvld/engine/placement"
	"github.com/qwenvld/qwenvld/engine/process"
	"github.com/qwenvld/qwenvld/engine/residence"
	"github.com/qwenvld/qwenvld/router"
)

// catalog is the models of a daemon, and what keeps their weights in memory.
type catalog struct {
	models []*servedModel
	keeper *residence.Keeper
	rows   *rowFolder
}

// servedModel is a model and the members of the keeper that hold its weights.
type servedModel struct {
	*config.Model
	members map[router.Variant]*residence.Member
	// clusters have the weights of the other variants.
	clusters clusters
}

var (
	_ residence.Worker = (*process.Supervisor)(nil)
	_ metrics.Worker   = (*residence.Member)(nil)
)

// newCatalog plans where the weights of all models go. What can never fit is an error. Requests to servers of others go
// through around, unless it is nil.
func newCatalog(
	ctx context.Context, e *environment, c *config.Config, sources []*source, around transportAround, logger *slog.Logger,
) (*catalog, error) {
	program, err := computes(e)
	if err != nil {
		return nil, fmt.Errorf("find this binary: %w", err)
	}
	p := &planner{environment: e, config: c, program: program, reports: findDevices(ctx, e), logger: logger, several: len(sources) > 1}
	p.rows = &rowFolder{parent: e.tempDir}
	budget := p.budget()
	out := &catalog{rows: p.rows}
	var units []residence.Unit
	for _, s := range sources {
		own, err := p.unitsOf(s)
		if err != nil {
			return nil, err
		}
		units = append(units, own...)
		elsewhere, err := newClusters(s.model, &c.Upstreams, around, logger)
		if err != nil {
			return nil, fmt.Errorf("%s.%w", s.key, err)
		}
		out.models = append(out.models, &servedModel{Model: s.model, members: map[router.Variant]*residence.Member{}, clusters: elsewhere})
	}
	if err := checkFits(budget, units, sources); err != nil {
		return nil, err
	}
	out.keeper, err = residence.New(units, residence.Options{Budget: budget, Patience: max(c.Limits.LoadTimeout, 1), Logger: logger})
	if err != nil {
		return nil, err
	}
	members := out.keeper.Members()
	for i, s := range sources {
		for _, v := range s.variants() {
			out.models[i].members[v], members = members[0], members[1:]
		}
	}
	return out, nil
}

// served are the models as the API knows them.
func (c *catalog) served() []api.Model {
	var out []api.Model
	for _, m := range c.models {
		engines := map[router.Variant]engine.Engine{}
		for v, member := range m.members {
			engines[v] = member
		}
		out = append(out, api.Model{ID: m.ID, Engines: engines, Clusters: m.clusters, RemoteContext: m.Engine.ContextSize})
	}
	return out
}

// observed are the weights as metrics know them.
func (c *catalog) observed() []metrics.Weights {
	var out []metrics.Weights
	for _, m := range c.models {
		for v, member := range m.members {
			out = append(out, metrics.Weights{Model: m.ID, Variant: v, Worker: member})
		}
	}
	return out
}

// serves says that some weights can answer, at once or when they are asked for.
func (c *catalog) serves() bool {
	if c.remote() {
		return true
	}
	for _, m := range c.keeper.Members() {
		if !m.Outlook().Hopeless {
			return true
		}
	}
	return false
}

// remote says that servers of others have some weights.
func (c *catalog) remote() bool {
	return slices.ContainsFunc(c.models, func(m *servedModel) bool { return len(m.clusters) > 0 })
}

// ids are the names of the models.
func (c *catalog) ids() []string {
	var out []string
	for _, m := range c.models {
		out = append(out, m.ID)
	}
	return out
}

// planner makes units of models.
type planner struct {
	environment *environment
	config      *config.Config
	program     string // path of the one that computes
	reports     []device.Report
	logger      *slog.Logger
	// several says that logs must name the model.
	several bool
	// rows is nil where no folder goes with the daemon.
	rows *rowFolder

	// mu is held while weights are laid out: what some take of a card, others do not have.
	mu sync.Mutex
}

// budget is what all loaded weights may take.
func (p *planner) budget() placement.Budget {
	b := placement.Budget{}
	switch p.config.MemoryBudget {
	case config.BudgetNone:
	case config.BudgetAuto, "":
		if n := availableMemory(os.DirFS("/")); n > 0 {
			b[placement.Host] = n
		}
	default:
		b[placement.Host] = p.config.Budget()
	}
	for _, card := range device.Cards(p.reports) {
		if card.Kind == device.Discrete && card.Total > 0 {
			b[placement.Device(card.Name)] = card.Free
		}
	}
	return b
}

// unitsOf are the sets of weights of a model, in the order of its variants.
func (p *planner) unitsOf(s *source) ([]residence.Unit, error) {
	var files map[router.Variant]residence.Files
	if s.isHere() && len(s.variants()) > 0 {
		var err error
		if files, err = p.filesOf(s.model); err != nil {
			return nil, err
		}
	}
	var out []residence.Unit
	for i, v := range s.variants() {
		u := residence.Unit{Unit: unitOf(s.model, v, i == 0)}
		if s.isHere() {
			u.Files = files[v]
		} else {
			u.Absent, u.Fetch = true, p.fetching(s, v)
		}
		u.Need = u.Files.Need
		out = append(out, u)
	}
	return out, nil
}

// unitOf is how the weights of a variant are to be treated.
func unitOf(m *config.Model, v router.Variant, first bool) placement.Unit {
	u := placement.Unit{ID: m.ID + "-" + string(v), KeepAlive: m.IdleTime()}
	switch m.Residency {
	case config.ResidentLazy:
	case config.ResidentOne:
		u.Pinned, u.Eager, u.Turn = true, first, m.ID
	default:
		u.Pinned, u.Eager = true, true
	}
	return u
}

// fetching fetches the files of one variant of a model, with those of the other.
func (p *planner) fetching(s *source, v router.Variant) func(context.Context, func(float32)) (residence.Files, error) {
	return func(ctx context.Context, progress func(float32)) (residence.Files, error) {
		files, err := s.fetch(ctx, p, progress)
		if err != nil {
			return residence.Files{}, err
		}
		return files[v], nil
	}
}

// filesOf lays out the weights of a model whose files are here.
func (p *planner) filesOf(m *config.Model) (map[router.Variant]residence.Files, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	where, err := place(p.reports, p.config, m, p.logger)
	if err != nil {
		return nil, err
	}
	p.reports = where.left(m)
	out := map[router.Variant]residence.Files{}
	for v, w := range weightsOf(m) {
		c, info, err := settle(m, w)
		if err != nil {
			return nil, err
		}
		p.rows.share(m, &c, p.logger)
		where.apply(string(v), &c)
		text, err := json.Marshal(c)
		if err != nil {
			return nil, fmt.Errorf("configure worker: %w", err)
		}
		logger := p.logger.With("variant", string(v))
		if p.several {
			logger = p.logger.With("model", m.ID, "variant", string(v))
		}
		env := probe.WithLibraries(workerEnvironment(p.environment.variables), c.Backends)
		out[v] = residence.Files{
			Need: where.need(string(v), w), About: info,
			Start: func() (residence.Worker, error) {
				return process.New(process.Options{
					Command: process.Command{
						Path: p.environment.running(p.program), Name: p.program, Args: []string{"worker"}, Env: env, Config: text,
					},
					Logger: logger,
				}), nil
			},
		}
	}
	return out, nil
}

// weightsOf are the files of each variant that m has.
func weightsOf(m *config.Model) map[router.Variant]config.Weights {
	out := map[router.Variant]config.Weights{router.Instruct: m.Instruct, router.Thinking: m.Thinking}
	for v, w := range out {
		if w.Model == "" {
			delete(out, v)
		}
	}
	return out
}

// errNoWeights ends a daemon that cannot answer anything. What is wrong with each of the weights has been logged.
var errNoWeights = errors.New("no weights can be served")

// untilHopeless waits until nothing can be served any more, and returns errNoWeights then, or until ctx is done. While
// one of two variants can still be served the daemon goes on, and its readiness names the one that failed. Where
// servers of others have weights there is hope.
func (c *catalog) untilHopeless(ctx context.Context) error {
	if c.remote() {
		return nil
	}
	if c.keeper.AwaitHopeless(ctx) != nil && ctx.Err() == nil {
		return errNoWeights
	}
	return nil
}

// run keeps weights in memory until stop is called, which waits until all workers have ended. It goes on when ctx is
// done, since requests in flight need them while the server drains.
func (c *catalog) run(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { c.keeper.Run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}
