// Package faults does to a daemon under load what happens to daemons: its processes are killed and stand still at every
// stage of a request, its disk is full, its clients leave, stall and trickle, its machine is busy, its weights are
// damaged. It tells what became of every request, and whether the daemon is as it was afterwards.
//
// It must not excuse anything: a request that got neither an answer nor a reason is lost, and what a fault leaves
// behind is told.
package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/qwenvld/qwenvld/internal/trial/disk"
	"github.com/qwenvld/qwenvld/internal/trial/traffic"
)

// Options say what is tried, and with what.
type Options struct {
	// Binary is the program under trial.
	Binary string
	// Weights is the folder with the built-in pair's files.
	Weights string
	// Dir is a folder for everything that the trial and its daemons write.
	Dir string
	// Environ is the environment of the daemons.
	Environ []string
	// Only are parts of the names of the faults to try; all where it is empty.
	Only []string
	// Mutants is how many damaged files of weights are tried.
	Mutants int
	// Out gets the table, Progress what is tried at the moment.
	Out, Progress io.Writer
}

// fault is something that is done to a daemon.
type fault struct {
	name string
	// settings are added to the daemon's configuration. Faults with the same ones are done to the same daemon.
	settings settings
	// apart is done without any daemon that serves.
	apart bool
	run   func(ctx context.Context, s *subject) error
}

// Row is what a fault did.
type Row struct {
	Name   string
	Counts traffic.Counts
	// Outage is how long the daemon was not ready with all of its weights.
	Outage time.Duration
	// Remains is what the daemon holds afterwards that it did not hold before, "" for nothing.
	Remains string
	// Note is what else there is to tell.
	Note string
}

// errFailed says that the table has something that must not be.
var errFailed = errors.New("requests were lost, or the daemon did not come back as it was")

// Run tries all faults and writes a table. It fails where a request was lost or something remained.
func Run(ctx context.Context, o *Options) error {
	rows, err := o.rows(ctx)
	writeTable(o.Out, rows)
	if err != nil {
		return err
	}
	for i := range rows {
		if rows[i].Counts.Outcomes[traffic.Lost] > 0 || rows[i].Remains != "" {
			return errFailed
		}
	}
	return nil
}

func (o *Options) rows(ctx context.Context) (rows []Row, err error) {
	var s *subject
	defer func() {
		if s != nil {
			err = errors.Join(err, s.close(ctx))
		}
	}()
	for _, f := range all() {
		if !o.wants(f.name) {
			continue
		}
		_, _ = fmt.Fprintf(o.Progress, "%s\n", f.name)
		if s, err = o.subjectOf(ctx, s, &f); errors.Is(err, disk.ErrUnavailable) {
			rows = append(rows, Row{Name: f.name, Note: err.Error()})
			continue
		} else if err != nil {
			return rows, fmt.Errorf("%s: %w", f.name, err)
		}
		row, err := s.try(ctx, &f)
		rows = append(rows, *row)
		if err != nil {
			return rows, fmt.Errorf("%s: %w\n%s", f.name, err, s.log())
		}
	}
	return rows, nil
}

// subjectOf is s where f can be done to it, else another one, for which s is closed.
func (o *Options) subjectOf(ctx context.Context, s *subject, f *fault) (*subject, error) {
	if s != nil && s.settings == f.settings && !f.apart && !s.apart {
		return s, nil
	}
	if s != nil {
		if err := s.close(ctx); err != nil {
			return nil, err
		}
	}
	return o.open(ctx, f)
}

func (o *Options) wants(name string) bool {
	return len(o.Only) == 0 || slices.ContainsFunc(o.Only, func(part string) bool { return strings.Contains(name, part) })
}

func all() []fault {
	return slices.Concat(processFaults(), clientFaults(), machineFaults(), cellFaults(), diskFaults(), mutantFaults())
}

// writeTable writes rows in Markdown, with their sum, and after it how requests were lost.
func writeTable(w io.Writer, rows []Row) {
	if len(rows) == 0 {
		return
	}
	_, _ = fmt.Fprint(w, "| fault | sent | answered | refused with a reason | told in the stream | client left | lost ")
	_, _ = fmt.Fprint(w, "| not ready | remains |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	var sum traffic.Counts
	for i := range rows {
		r := &rows[i]
		remains := r.Remains
		if remains == "" {
			remains = "nothing"
		}
		if r.Note != "" {
			remains += "; " + r.Note
		}
		writeRow(w, r.Name, &r.Counts, r.Outage.Round(100*time.Millisecond).String(), remains)
		sum.Add(&r.Counts)
	}
	writeRow(w, "all", &sum, "", "")
	for _, loss := range sum.Losses {
		_, _ = fmt.Fprintf(w, "\nlost: %s\n", loss)
	}
}

func writeRow(w io.Writer, name string, c *traffic.Counts, ready, remains string) {
	n := &c.Outcomes
	_, _ = fmt.Fprintf(w, "| %s | %d | %d | %s | %d | %d | %d | %s | %s |\n", name, c.Sent, n[traffic.Answered], c.Refusals(),
		n[traffic.Told], n[traffic.Left], n[traffic.Lost], ready, remains)
}
