// Package arena is a daemon with the built-in pair of weights that is made ready for a trial: clients to ask it, a book
// of what becomes of their requests, and what it held before anything was done to it.
//
// It must not do anything to the daemon, nor know what is tried.
package arena

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/qwenvld/qwenvld/internal/trial/daemon"
	"github.com/qwenvld/qwenvld/internal/trial/traffic"
)

// Options say which daemon.
type Options struct {
	// Binary is the program under trial.
	Binary string
	// Weights is the folder with the built-in pair's files.
	Weights string
	// Dir is the folder of everything that the daemon writes.
	Dir string
	// Environ is the daemon's environment.
	Environ []string
	// Engine is what the configuration says of the model's engine, Config what else it says, both in YAML.
	Engine, Config string
}

// Arena is a daemon that is ready and warm.
type Arena struct {
	Daemon *daemon.Daemon
	Probe  *daemon.Probe
	Client *traffic.Client
	// Ledger gets what becomes of the requests of Load.
	Ledger *traffic.Ledger
	// Pictures are those that are asked about again and again, as data URIs.
	Pictures []string
	// Before is what the daemon held when it was warm and had nothing to do.
	Before *daemon.Vitals
}

// limits are what every daemon under trial is told: fewer places than the default, so that requests wait for them.
const limits = "drain_delay: 0s\nlimits: {max_concurrent: 32, max_waiting: 16, wait_timeout: 10s}\n"

// Open starts a daemon and asks it every kind of request, so that what it keeps from then on is there before it is
// counted. The caller must Close the Arena.
func Open(ctx context.Context, o *Options) (_ *Arena, err error) {
	a := &Arena{Ledger: &traffic.Ledger{}}
	const few = 6
	if a.Pictures, err = traffic.Pictures(few); err != nil {
		return nil, err
	}
	config, err := o.write()
	if err != nil {
		return nil, err
	}
	a.Daemon, err = daemon.Start(ctx, &daemon.Options{Binary: o.Binary, Config: config, Dir: o.Dir, Environ: o.Environ})
	if err != nil {
		return nil, err
	}
	a.Probe, a.Client = a.Daemon.Probe(""), traffic.NewClient(a.Daemon.URL, nil)
	if err := a.warm(ctx); err != nil {
		return nil, errors.Join(err, a.Close(ctx))
	}
	a.Ledger = &traffic.Ledger{}
	return a, nil
}

// write writes the configuration.
func (o *Options) write() (file string, err error) {
	text := limits + o.Config + "\n" + fmt.Sprintf("models:\n- id: %s\n", traffic.Model)
	for _, variant := range daemon.Variants() {
		text += fmt.Sprintf("  %s: {model: %s, projector: %s}\n", variant, filepath.Join(o.Weights, variant+".gguf"),
			filepath.Join(o.Weights, "projector.gguf"))
	}
	if o.Engine != "" {
		text += "  engine: {" + o.Engine + "}\n"
	}
	file = filepath.Join(o.Dir, "qwenvld.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("write the configuration: %w", err)
	}
	return file, nil
}

func (a *Arena) warm(ctx context.Context) (err error) {
	if _, err := a.Probe.AwaitReady(ctx); err != nil {
		return err
	}
	const clients, while = 4, 2 * time.Second
	stop := a.Load(ctx, clients)
	daemon.Pause(ctx, while)
	stop()
	a.Before, err = a.Settled(ctx, nil)
	return err
}

// Load has clients ask one request after the other until stop is called.
func (a *Arena) Load(ctx context.Context, clients int) (stop func()) {
	const pause = 30 * time.Millisecond
	l := &traffic.Load{Client: a.Client, Ledger: a.Ledger, Clients: clients, Next: traffic.Mixed(a.Pictures), Pause: pause}
	return l.Start(ctx)
}

// Settled waits until the daemon works on nothing and, unless before is nil, holds no more than it did then. Where it
// goes on to hold more, what it holds is returned after a while.
func (a *Arena) Settled(ctx context.Context, before *daemon.Vitals) (last *daemon.Vitals, err error) {
	// The workers' cells are told once a second, so one look is no proof. The daemon keeps idle connections to its
	// workers for a minute.
	const limit, calm = 90 * time.Second, 1500 * time.Millisecond
	var since time.Time
	late := daemon.Await(ctx, limit, func() bool {
		a.Client.Close()
		v, e := a.Probe.Vitals(ctx)
		if err = e; e != nil {
			return false
		}
		last = v
		if v.LiveCells > 0 || v.InFlight > 0 || before != nil && Remains(before, v) != "" {
			since = time.Time{}
			return false
		}
		if since.IsZero() {
			since = time.Now()
		}
		return time.Since(since) > calm
	})
	if before == nil && err == nil {
		err = late
	}
	return last, err
}

// Remains names what a daemon holds more of than before.
func Remains(before, after *daemon.Vitals) string {
	// The trial's own connection to the daemon may be a new one; a decoder is a process with two pipes.
	const few, perDecoder = 6, 3
	more := max(0, after.Decoders-before.Decoders) * perDecoder
	var out []string
	for _, c := range []struct {
		what                     string
		before, after, tolerated int
	}{
		{"live KV cells", 0, after.LiveCells, 0},
		{"requests in flight", 0, after.InFlight, 0},
		{"goroutines", before.Goroutines, after.Goroutines, few},
		{"descriptors", before.Descriptors, after.Descriptors, few + more},
		{"temporary files", before.TempFiles, after.TempFiles, 0},
	} {
		if c.after > c.before+c.tolerated {
			out = append(out, fmt.Sprintf("%d %s, before %d", c.after, c.what, c.before))
		}
	}
	return strings.Join(out, ", ")
}

// Close ends the daemon. It is an error where that takes long.
func (a *Arena) Close(ctx context.Context) error {
	a.Probe.Close()
	a.Client.Close()
	const patience = 2 * time.Minute
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := a.Daemon.Stop(limited); err != nil {
		return fmt.Errorf("end the daemon: %w\n%s", err, a.Daemon.Log())
	}
	return nil
}
