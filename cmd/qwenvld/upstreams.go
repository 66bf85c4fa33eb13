package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/qwenvld/qwenvld/api/metrics"
	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine/upstream"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
	"github.com/qwenvld/qwenvld/engine/upstream/discover"
	"github.com/qwenvld/qwenvld/engine/upstream/pool"
	"github.com/qwenvld/qwenvld/router"
)

// clusters are the servers of others, for each variant that has its weights there.
type clusters map[router.Variant]*upstream.Cluster

// transportAround makes what requests to servers of others go through, nil for nothing.
type transportAround func(http.RoundTripper) http.RoundTripper

// newClusters makes a cluster for each variant that is configured to have one.
func newClusters(m *config.Model, timeouts *config.Upstreams, around transportAround, logger *slog.Logger) (clusters, error) {
	out := clusters{}
	for variant, w := range map[router.Variant]*config.Weights{router.Instruct: &m.Instruct, router.Thinking: &m.Thinking} {
		if !w.Remote() {
			continue
		}
		groups := make([]upstream.Group, len(w.Upstreams))
		for i := range w.Upstreams {
			var err error
			if groups[i], err = newGroup(&w.Upstreams[i]); err != nil {
				return nil, fmt.Errorf("%s.upstreams[%d]: %w", variant, i, err)
			}
		}
		c, err := upstream.New(upstream.Options{
			Groups: groups, Logger: logger.With("variant", string(variant)), Around: around,
			Timeouts: upstream.Timeouts{
				Connect: timeouts.ConnectTimeout, FirstToken: timeouts.FirstTokenTimeout, Silence: timeouts.SilenceTimeout,
				ProbeEvery: timeouts.ProbeInterval, Probe: timeouts.ProbeTimeout, DiscoverEvery: timeouts.DiscoverInterval,
			},
		})
		if err != nil {
			return nil, err
		}
		out[variant] = c
	}
	return out, nil
}

// checkSources refuses a variant of the model that at names which has both files, which were pulled, and servers.
func checkSources(m *config.Model, at string) error {
	for variant, w := range map[router.Variant]*config.Weights{router.Instruct: &m.Instruct, router.Thinking: &m.Thinking} {
		if w.Model != "" && w.Remote() {
			return fmt.Errorf("%s.%s.upstreams: %s has these weights already", at, variant, m.Pull)
		}
	}
	return nil
}

func newGroup(u *config.Upstream) (g upstream.Group, err error) {
	g = upstream.Group{Model: u.Model, Weight: u.Weight, MaxInFlight: u.MaxInFlight}
	if g.Dialect, err = dialect.For(dialect.Kind(u.Kind)); err != nil {
		return g, err
	}
	if g.Source, err = newSource(u); err != nil {
		return g, err
	}
	if u.KeyFile == "" {
		return g, nil
	}
	if err := checkFile(u.KeyFile); err != nil {
		return g, fmt.Errorf("key_file: %w", err)
	}
	key, err := os.ReadFile(u.KeyFile)
	if g.Key = strings.TrimSpace(string(key)); err == nil && (g.Key == "" || strings.ContainsAny(g.Key, "\r\n")) {
		err = fmt.Errorf("key_file: %s does not hold one key", u.KeyFile)
	}
	return g, err
}

func newSource(u *config.Upstream) (discover.Source, error) {
	if u.Discover == config.DiscoverFile {
		return discover.File{Path: u.File}, nil
	}
	base, err := discover.ParseURL(u.URL)
	if err != nil {
		return nil, err
	}
	switch u.Discover {
	case config.DiscoverHosts:
		return discover.Hosts{Base: base, Resolver: net.DefaultResolver}, nil
	case config.DiscoverServices:
		return discover.Services{Base: base, Resolver: net.DefaultResolver}, nil
	}
	return discover.Static{Server: discover.Server{URL: base.String()}}, nil
}

// start runs the clusters until ctx is done. They go on while the server drains; wait returns when they have ended.
func (c clusters) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var group errgroup.Group
	for _, cluster := range c {
		group.Go(func() error { return cluster.Run(ctx) })
	}
	return func() {
		cancel()
		_ = group.Wait() // they end with ctx alone
	}
}

// observedUpstreams are the servers of others as metrics know them.
func (c *catalog) observedUpstreams() []metrics.Upstream {
	var out []metrics.Upstream
	for _, m := range c.models {
		for v, cluster := range m.clusters {
			outcomes := map[string]map[string]int64{}
			for k, n := range cluster.Counts() {
				if outcomes[k.Server] == nil {
					outcomes[k.Server] = map[string]int64{}
				}
				outcomes[k.Server][string(k.Outcome)] = n
			}
			for _, s := range cluster.Standings() {
				out = append(out, metrics.Upstream{
					Model: m.ID, Variant: v, Server: s.ID, State: string(s.State), InFlight: s.InFlight, Outcomes: outcomes[s.ID],
				})
			}
		}
	}
	return out
}

// upstreamStates are the words for where servers of others stand.
func upstreamStates() []string {
	var out []string
	for _, s := range pool.States() {
		out = append(out, string(s))
	}
	return out
}
