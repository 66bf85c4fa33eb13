// Package soak keeps a daemon under an even load for a while and tells whether what it holds grows: memory of the
// daemon and of its workers, goroutines, descriptors, temporary files.
//
// It must not do anything to the daemon but ask.
package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/qwenvld/qwenvld/internal/trial/arena"
	"github.com/qwenvld/qwenvld/internal/trial/daemon"
	"github.com/qwenvld/qwenvld/internal/trial/traffic"
)

// Options say how long and with what.
type Options struct {
	// Binary, Weights, Dir and Environ are as of arena.Options.
	Binary, Weights, Dir string
	Environ              []string
	// Duration is how long clients ask.
	Duration time.Duration
	// Clients is how many do.
	Clients int
	// Out gets the table, Progress where the trial stands.
	Out, Progress io.Writer
}

// errFailed says that the table has something that must not be.
var errFailed = errors.New("something grew, or requests were lost")

// samples is how often the daemon is looked at.
const samples = 240

// Run asks for so long, looks meanwhile, and writes a table. It fails where a quantity grew or a request was lost.
func Run(ctx context.Context, o *Options) (err error) {
	// What is kept of responses is bounded, so that it has stopped growing long before the end.
	const bounded = "responses: {bytes: 2097152}\n"
	a, err := arena.Open(ctx, &arena.Options{Binary: o.Binary, Weights: o.Weights, Dir: o.Dir, Environ: o.Environ, Config: bounded})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close(ctx)) }()
	stop, leave := a.Load(ctx, o.Clients), leavers(ctx, a)
	seen, err := o.watch(ctx, a)
	leave()
	stop()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, a.Daemon.Log())
	}
	flat := o.write(seen)
	after, err := a.Settled(ctx, a.Before)
	if after == nil {
		return err
	}
	counts := a.Ledger.Counts()
	remains := arena.Remains(a.Before, after)
	o.tell(&counts, remains)
	if !flat || counts.Outcomes[traffic.Lost] > 0 || remains != "" {
		return errFailed
	}
	return nil
}

// leavers are clients that leave in the middle of long answers, one after the other until stop is called.
func leavers(ctx context.Context, a *arena.Arena) (stop func()) {
	l := &traffic.Load{
		Client: a.Client, Ledger: a.Ledger, Clients: 1, Pause: 200 * time.Millisecond, LeaveAfter: 700 * time.Millisecond,
		Next: func(n int) *traffic.Request {
			variants := daemon.Variants()
			return traffic.Endless(traffic.Of(variants[n%len(variants)]), 2000)
		},
	}
	return l.Start(ctx)
}

// watch looks at the daemon in even intervals.
func (o *Options) watch(ctx context.Context, a *arena.Arena) ([]*daemon.Vitals, error) {
	every := max(o.Duration/samples, time.Second)
	tick := time.NewTicker(every)
	defer tick.Stop()
	began := time.Now()
	var seen []*daemon.Vitals
	for last := time.Duration(0); time.Since(began) < o.Duration; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		v, err := a.Probe.Vitals(ctx)
		if err != nil {
			return nil, err
		}
		seen = append(seen, v)
		if passed := time.Since(began); passed-last > time.Minute {
			last = passed
			_, _ = fmt.Fprintf(o.Progress, "%v of %v, daemon %d MiB\n", passed.Round(time.Second), o.Duration, v.Resident>>20)
		}
	}
	const fewest = 20
	if len(seen) < fewest {
		return nil, fmt.Errorf("%d samples tell nothing: soak for longer", len(seen))
	}
	return seen, nil
}

// columns are what is looked at of all samples.
func columns(seen []*daemon.Vitals) []series {
	const mebibyte = 1 << 20
	out := []series{
		{name: "daemon, resident", unit: "MiB", tolerated: 8},
		{name: "instruct worker, resident", unit: "MiB", tolerated: 8},
		{name: "thinking worker, resident", unit: "MiB", tolerated: 8},
		{name: "goroutines", tolerated: 5},
		{name: "descriptors", tolerated: 5},
		{name: "temporary files", tolerated: 1},
	}
	for _, v := range seen {
		for i, value := range []float64{
			float64(v.Resident) / mebibyte, float64(v.Workers["instruct"]) / mebibyte, float64(v.Workers["thinking"]) / mebibyte,
			float64(v.Goroutines), float64(v.Descriptors), float64(v.TempFiles),
		} {
			out[i].values = append(out[i].values, value)
		}
	}
	return out
}

// write writes the table and tells whether all of it is flat.
func (o *Options) write(seen []*daemon.Vitals) bool {
	_, _ = fmt.Fprintf(o.Out, "| %v, %d clients | first | median | last | most | trend to the end | |\n", o.Duration, o.Clients)
	_, _ = fmt.Fprint(o.Out, "| --- | --- | --- | --- | --- | --- | --- |\n")
	flat := true
	for _, s := range columns(seen) {
		v := s.judge()
		word := "flat"
		if !v.flat {
			word, flat = "grows", false
		}
		unit := s.unit
		if unit != "" {
			unit = " " + unit
		}
		_, _ = fmt.Fprintf(o.Out, "| %s | %.1f%s | %.1f | %.1f | %.1f | %+.1f%s | %s |\n", s.name, v.first, unit, v.median, v.last, v.most,
			v.growth, unit, word)
	}
	return flat
}

// tell writes what became of the requests.
func (o *Options) tell(c *traffic.Counts, remains string) {
	n := &c.Outcomes
	if remains == "" {
		remains = "nothing"
	}
	_, _ = fmt.Fprintf(o.Out, "\n%d requests: %d answered, %s refused with a reason, %d told of an error in the stream, ",
		c.Sent, n[traffic.Answered], c.Refusals(), n[traffic.Told])
	_, _ = fmt.Fprintf(o.Out, "%d left by their clients, %d lost. Afterwards remains: %s.\n", n[traffic.Left], n[traffic.Lost], remains)
	for _, loss := range c.Losses {
		_, _ = fmt.Fprintf(o.Out, "\nlost: %s\n", loss)
	}
}
