package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/qwenvld/qwenvld/internal/client"
)

// Vitals are what a daemon holds at a moment.
type Vitals struct {
	// Goroutines, Descriptors and TempFiles are the daemon's own, Decoders the processes that it keeps for pictures.
	// Rows of pictures that are kept on disk, within a bound, are no temporary files.
	Goroutines, Descriptors, TempFiles, Decoders int
	// LiveCells are cells of all workers' KV caches that requests hold, InFlight the places that requests hold.
	LiveCells, InFlight int
	// Restarts counts the workers that had to be started again.
	Restarts int
	// Resident are the bytes in memory of the daemon, and of its workers by variant.
	Resident int64
	Workers  map[string]int64
}

// Probe asks the daemon for its health with a key, "" where none is needed.
type Probe struct {
	d *Daemon
	c *client.Client
}

// Probe returns a Probe, which the caller must Close.
func (d *Daemon) Probe(key string) *Probe {
	return &Probe{d: d, c: client.New(client.Options{URL: d.URL, Key: key})}
}

// Close ends the probe's connections.
func (p *Probe) Close() { p.c.Close() }

// Ready tells whether all weights can answer.
func (p *Probe) Ready(ctx context.Context) bool {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, body, err := p.c.Get(ctx, "/health/ready")
	var r struct{ Status string }
	return err == nil && json.Unmarshal(body, &r) == nil && r.Status == "ready"
}

// AwaitReady waits until all weights can answer and returns how long that took.
func (p *Probe) AwaitReady(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	err := Await(ctx, 2*time.Minute, func() bool { return p.Ready(ctx) })
	if err != nil {
		err = fmt.Errorf("the daemon is not ready: %w", err)
	}
	return time.Since(began), err
}

// Vitals asks for what the daemon holds now.
func (p *Probe) Vitals(ctx context.Context) (*Vitals, error) {
	const patience = 2 * time.Minute // a machine that is busy with other things is a fair trial
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	status, body, err := p.c.Get(ctx, "/metrics")
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	const ok = 200
	if status != ok {
		return nil, fmt.Errorf("read metrics: status %d", status)
	}
	v := &Vitals{
		Goroutines: sum(body, "go_goroutines"), LiveCells: sum(body, "qwenvld_kv_cells", `state="live"`),
		InFlight: sum(body, "qwenvld_requests_in_flight"), Restarts: sum(body, "qwenvld_worker_restarts_total"),
		Descriptors: countEntries(proc(p.d.PID(), "fd/*")), Decoders: len(p.d.Decoders()),
		Resident: Resident(p.d.PID()), Workers: map[string]int64{},
	}
	for variant, pid := range p.d.Workers() {
		v.Workers[variant] = Resident(pid)
	}
	v.TempFiles = countFiles(p.d.options.TempDir())
	return v, nil
}

// keptRows is how the folder's name begins in which workers keep rows of pictures.
const keptRows = "qwenvld-rows-"

// countFiles counts the files below a folder.
func countFiles(dir string) (n int) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what disappears meanwhile does not count
		}
		if e.IsDir() && strings.HasPrefix(e.Name(), keptRows) {
			return fs.SkipDir
		}
		if !e.IsDir() {
			n++
		}
		return nil
	})
	return n
}

// sum adds the values of a metric in Prometheus' text format, of those lines that have the label.
func sum(text []byte, name string, label ...string) int {
	total := 0.0
	for line := range bytes.Lines(text) {
		rest, ok := strings.CutPrefix(string(line), name)
		if !ok || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		for _, l := range label {
			ok = ok && strings.Contains(rest, l)
		}
		fields := strings.Fields(rest)
		if n, err := strconv.ParseFloat(fields[len(fields)-1], 64); ok && err == nil {
			total += n
		}
	}
	return int(total)
}

// errLate is what did not happen in time.
var errLate = errors.New("not in time")

// Await looks every few milliseconds whether ok holds, for at most limit.
func Await(ctx context.Context, limit time.Duration, ok func() bool) error {
	const often = 10 * time.Millisecond
	late, look := time.NewTimer(limit), time.NewTicker(often)
	defer late.Stop()
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-late.C:
			return fmt.Errorf("%w (%v)", errLate, limit)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Pause waits for a time, or until ctx is done.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
