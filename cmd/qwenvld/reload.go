package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/qwenvld/qwenvld/config"
)

// watchInterval is how often the files of the configuration are looked at. Looking beats being told of changes: what
// Kubernetes mounts changes by links, and network file systems tell nothing.
const watchInterval = 2 * time.Second

// loaded is a configuration, and what the files looked like before they were read that it stands in, or that it names
// and that may change.
type loaded struct {
	config *config.Config
	places *config.Places
	files  fileStates
}

// reloader changes what can be changed of a daemon while it serves.
type reloader struct {
	settings *settings

	logger *slog.Logger
	// mu guards now, which is read from elsewhere, too.
	mu sync.Mutex
	// now is what holds, apply has another configuration hold, or fails and changes nothing.
	now   *loaded
	apply func(*config.Config) error
	// seen is what the files looked like before they were last read, of the configuration that was read last.
	seen fileStates
}

// fileStates is what files looked like at a time.
type fileStates struct {
	names []string
	// states are those of the files that were there.
	states []fileState
}

// fileState tells a file from what it was before.
type fileState struct {
	name    string
	size    int64
	changed time.Time
}

// print writes the configuration that holds: c where nothing can change it, which is said by a nil r.
func (r *reloader) print(w io.Writer, c *config.Config) error {
	if r == nil {
		return config.Print(w, c, nil)
	}
	r.mu.Lock()
	now := r.now
	r.mu.Unlock()
	return config.Print(w, now.config, now.places)
}

// statesOf notes what the files look like.
func statesOf(names []string) fileStates {
	out := fileStates{names: names}
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			out.states = append(out.states, fileState{name, info.Size(), info.ModTime()})
		}
	}
	return out
}

// changed says whether one of the files looks different.
func (f fileStates) changed() bool { return !slices.Equal(f.states, statesOf(f.names).states) }

// run reloads at SIGHUP, and when a file has changed, until ctx is done.
func (r *reloader) run(ctx context.Context) {
	hangup, stop := hangups()
	defer stop()
	r.watch(ctx, hangup)
}

func (r *reloader) watch(ctx context.Context, hangup <-chan os.Signal) {
	r.seen = r.now.files
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		case <-tick.C:
			if !r.seen.changed() {
				continue
			}
		}
		r.reload()
	}
}

// reload takes over a configuration that has changed, all of it or nothing.
func (r *reloader) reload() {
	before := statesOf(r.seen.names)
	next, err := r.settings.load(r.seen.names)
	if err != nil {
		r.seen = before
		r.logger.Error("the configuration stays as it was: it has mistakes", "error", err)
		return
	}
	r.seen = next.files
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
	r.mu.Lock()
	r.now = next
	r.mu.Unlock()
	r.logger.Info("configuration reloaded", "changed", live)
}

// settings are where the configuration of a daemon comes from.
type settings struct {
	read  func() (*config.Config, *config.Places, error)
	level *slog.LevelVar
}

// load reads the configuration anew. Which files it depends on is known only once it was read, so what they looked like
// before that is noted for those that are expected. Where there turn out to be others, it is read again.
func (s *settings) load(expected []string) (*loaded, error) {
	const most = 3 // files that name others each time are looked at again later
	var out *loaded
	for range most {
		before := statesOf(expected)
		c, places, err := s.read()
		if err != nil {
			return nil, err
		}
		out = &loaded{c, places, before}
		if expected = filesOf(c, places); slices.Equal(expected, before.names) {
			return out, nil
		}
	}
	return out, nil
}

// filesOf are those that a configuration stands in, and those that it names and that may change.
func filesOf(c *config.Config, places *config.Places) []string {
	files := places.Files()
	for _, name := range []string{c.TLS.Certificate, c.TLS.Key, c.Router.Weights} {
		if name != "" {
			files = append(files, name)
		}
	}
	return files
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
