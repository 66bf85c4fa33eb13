package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/qwenvld/qwenvld/internal/loadtest"
	"github.com/qwenvld/qwenvld/internal/loadtest/processes"
	loadreport "github.com/qwenvld/qwenvld/internal/loadtest/report"
	"github.com/qwenvld/qwenvld/internal/loadtest/scenario"
)

// benchmark are the options of `bench`.
type benchmark struct {
	loadtest.Options
	targets, scenarios []string
	sizes              benchSizes
	busy               int
	json, plots, goals string
	spin               bool
}

func benchCommand(e *environment) *cobra.Command {
	b := benchmark{}
	cmd := &cobra.Command{
		Use:   "bench --target NAME=URL",
		Short: "Measure servers under load, against each other",
		Long: `Play kinds of load to servers of OpenAI's chat API, this daemon or another, and tell what their users wait for.

A server is NAME=URL and, behind commas:
  pid=N                its process, of which the memory is told; while others are measured it is stopped with its children. Repeatable
  model=NAME           else the first one of its list
  other=URL, other-model=NAME   who answers as the second of both-variants
  key-variable=NAME    the environment's variable with its API key
  ignore-eos           send "ignore_eos": true, which servers take that can write on behind an answer's end

Servers are measured in turns with the same texts and pictures, which none of them has seen before. Tables are in Markdown: medians over
the rounds, the least and the most, and ratios to the last server or the one named by --base.

` + benchScenarios(),
		Example: `  qwenvld bench --target us=http://127.0.0.1:8080
  qwenvld bench --target us=http://127.0.0.1:8080,pid=123 --target rival=http://127.0.0.1:8081,pid=456 --scenario mixed,text-8`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if b.spin {
				return processes.Spin(e.stdin)
			}
			if err := b.read(e); err != nil {
				return &usageError{cmd, err}
			}
			return b.run(cmd.Context(), e)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&b.targets, "target", nil, "server: NAME=URL[,pid=N][,model=NAME]...; repeatable")
	f.StringSliceVar(&b.scenarios, "scenario", nil, "kinds of load; all that need nothing else")
	f.StringVar(&b.Base, "base", "", "server to compare with; the last one")
	f.IntVar(&b.Rounds, "rounds", 0, "how often each is played to each server; 0 for 3, or 1 with --quick")
	f.Uint64Var(&b.Seed, "seed", 0, "another seed gives other texts and pictures; 0 draws one")
	f.DurationVar(&b.Objective.FirstToken, "slo-first-token", 0, "count answers whose first token comes within this time")
	f.DurationVar(&b.Objective.Gap, "slo-gap", 0, "and 99% of whose gaps are not longer than this")
	f.DurationVar(&b.Timeout, "timeout", 15*time.Minute, "longest time of an answer")
	f.DurationVar(&b.Settle, "settle", 300*time.Millisecond, "time that a server is left alone before its turn")
	f.BoolVar(&b.Cold, "cold", false, "do not warm servers up: they were asked before")
	f.IntVar(&b.busy, "busy", 0, "processes of the lowest priority that keep processors busy meanwhile")
	f.StringVar(&b.json, "json", "", "file for all figures of all rounds")
	f.StringVar(&b.plots, "plot", "", "folder for an SVG picture of each scenario")
	f.StringVar(&b.goals, "goals", "", "file of goals, such as \"mixed stream.gap_max ratio <= 0.15\"")
	f.BoolVar(&b.spin, "spin", false, "only keep a processor busy until the standard input ends")
	_ = f.MarkHidden("spin")
	b.sizes.flags(f)
	return cmd
}

// benchScenarios lists the kinds of load.
func benchScenarios() string {
	text := "Kinds of load:\n"
	for _, s := range scenario.All() {
		text += fmt.Sprintf("  %-28s%s\n", s.Name, s.About)
	}
	return text
}

// read fills the options of the measurement.
func (b *benchmark) read(e *environment) error {
	if len(b.targets) == 0 {
		return errors.New("name a server with --target NAME=URL")
	}
	for _, text := range b.targets {
		t, err := readTarget(text, e.variable)
		if err != nil {
			return fmt.Errorf("--target %s: %w", text, err)
		}
		b.Targets = append(b.Targets, *t)
	}
	if b.Base == "" {
		b.Base = b.Targets[len(b.Targets)-1].Name
	}
	var err error
	if b.Scenarios, err = scenario.Named(b.scenarios); err != nil {
		return err
	}
	if b.Sizes, err = b.sizes.read(); err != nil {
		return err
	}
	const usual = 3
	switch {
	case b.Rounds > 0:
	case b.sizes.quick:
		b.Rounds = 1
	default:
		b.Rounds = usual
	}
	for b.Seed == 0 {
		b.Seed = rand.Uint64() >> 32 // short enough to be written down
	}
	return nil
}

// run measures and writes what came of it, also of what was measured before an error.
func (b *benchmark) run(ctx context.Context, e *environment) (err error) {
	if b.goals != "" {
		if b.Goals, err = readGoals(b.goals); err != nil {
			return err
		}
	}
	if b.busy > 0 {
		stop, err := b.startBusy(ctx, e)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	if b.plots != "" {
		if err := os.MkdirAll(b.plots, 0o755); err != nil { //nolint:gosec // pictures are no secret
			return fmt.Errorf("make the folder of pictures: %w", err)
		}
	}
	r := &loadreport.Report{Began: time.Now().UTC().Truncate(time.Second), Machine: processes.Machine(), Busy: b.busy}
	shown := newBenchProgress(e)
	b.Progress = shown.report
	var failed error
	b.Ended = func(r *loadreport.Report, s *loadreport.Scenario) {
		shown.clear()
		failed = errors.Join(failed, r.Table(e.stdout, s), b.plot(r, s))
	}
	_, _ = fmt.Fprintf(e.stdout, "%s, %s, seed %d\n\n", r.Began.Format(time.DateOnly), r.Machine, b.Seed)
	err = loadtest.Measure(ctx, &b.Options, r)
	shown.clear()
	if ctx.Err() != nil {
		err = errInterrupted
	}
	return errors.Join(err, failed, b.write(r))
}

func readGoals(name string) ([]loadreport.Goal, error) {
	file, err := os.Open(name) //nolint:gosec // the user names the file
	if err != nil {
		return nil, fmt.Errorf("read goals: %w", err)
	}
	goals, err := loadreport.ReadGoals(file)
	return goals, errors.Join(err, file.Close())
}

func (b *benchmark) startBusy(ctx context.Context, e *environment) (stop func() error, err error) {
	program, err := e.executable()
	if err != nil {
		return nil, fmt.Errorf("keep processors busy: %w", err)
	}
	busy, err := processes.StartBusy(ctx, b.busy, program, "bench", "--spin")
	if err != nil {
		return nil, err
	}
	return busy.Stop, nil
}

// plot draws a scenario into the folder of pictures.
func (b *benchmark) plot(r *loadreport.Report, s *loadreport.Scenario) error {
	if b.plots == "" {
		return nil
	}
	var svg bytes.Buffer
	if err := r.Plot(&svg, s); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.plots, s.Name+".svg"), svg.Bytes(), 0o644); err != nil { //nolint:gosec // a picture is no secret
		return fmt.Errorf("write the picture: %w", err)
	}
	return nil
}

// write keeps all figures.
func (b *benchmark) write(r *loadreport.Report) error {
	if b.json == "" {
		return nil
	}
	data, err := json.MarshalIndent(r, "", " ")
	if err == nil {
		err = os.WriteFile(filepath.Clean(b.json), append(data, '\n'), 0o644) //nolint:gosec // figures are no secret
	}
	if err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}
