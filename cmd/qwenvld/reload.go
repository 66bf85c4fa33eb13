package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/qwenvld/qwenvld/config"
)

// watchInterval is how often the files of the configuration are looked at. Looking beats being told of changes: what
// Kubernetes mounts changes by links, and network file systems tell nothing.
const watchInterval = 2 * time.Second

// loaded is a configuration and the files that it was read from, and that it names and that may change.
type loaded struct {
	config *config.Config
	files  []string
}

// reloader changes what can be changed of a daemon while it serves.
type reloader struct {
	settings *settings

	logger *slog.Logger
	// now is what holds, apply has another configuration hold, or fails and changes nothing.
	now   *loaded
	apply func(*config.Config) error
	// seen is what the files looked like when they were last read.
	seen []fileState
}

// fileState tells a file from what it was before.
type fileState struct {
	name    string
	size    int64
	changed time.Time
}

// run reloads at SIGHUP, and when a file has changed, until ctx is done.
func (r *reloader) run(ctx context.Context) {
	hangup, stop := hangups()
	defer stop()
	r.watch(ctx, hangup)
}

func (r *reloader) watch(ctx context.Context, hangup <-chan os.Signal) {
	r.seen = states(r.now.files)
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		case <-tick.C:
			if slices.Equal(r.seen, states(r.now.files)) {
				continue
			}
		}
		r.reload()
	}
}

// reload takes over a configuration that has changed, all of it or nothing.
func (r *reloader) reload() {
	r.seen = states(r.now.files)
	next, err := r.settings.load()
	if err != nil {
		r.logger.Error("the configuration stays as it was: it has mistakes", "error", err)
		return
	}
	live, fixed := config.Changes(r.now.config, next.config)
	if len(fixed) > 0 {
		r.logger.Error("the configuration stays as it was: some of what has changed needs a restart",
			"restart_for", fixed, "also_changed", live)
		return
	}
	if err := r.apply(next.config); err != nil {
		r.logger.Error("the configuration stays as it was", "error", err)
		return
	}
	r.settings.level.Set(next.config.Log.SlogLevel())
	r.now = next
	r.seen = states(next.files)
	r.logger.Info("configuration reloaded", "changed", live)
}

// states are those of the files; one that is not there has none.
func states(files []string) []fileState {
	var out []fileState
	for _, name := range files {
		if info, err := os.Stat(name); err == nil {
			out = append(out, fileState{name, info.Size(), info.ModTime()})
		}
	}
	return out
}

// settings are where the configuration of a daemon comes from.
type settings struct {
	read  func() (*config.Config, *config.Places, error)
	level *slog.LevelVar
}

// load reads the configuration anew.
func (s *settings) load() (*loaded, error) {
	c, places, err := s.read()
	if err != nil {
		return nil, err
	}
	files := places.Files()
	for _, name := range []string{c.TLS.Certificate, c.TLS.Key, c.Router.Weights} {
		if name != "" {
			files = append(files, name)
		}
	}
	return &loaded{c, files}, nil
}

// take has d serve by c from now on, as far as that can change.
func (d *daemon) take(c *config.Config) error {
	live, err := liveConfig(c)
	if err != nil {
		return err
	}
	pair, err := readCertificate(&c.TLS)
	if err != nil {
		return err
	}
	if pair != nil {
		if w := certificateWarning(pair.Leaf, time.Now()); w != "" {
			return fmt.Errorf("tls: %s", w)
		}
	}
	if err := d.server.Reload(live); err != nil {
		return err
	}
	d.pair.Store(pair)
	return nil
}
