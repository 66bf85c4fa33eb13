// Package loadtest measures servers of OpenAI's chat API against each other: it plays scenarios to them in turns,
// so that what else happens on the machine hits all of them alike, and stops those whose turn it is not.
//
// It must not write to a terminal or to files, and it favours none of the servers: all get the same requests.
package loadtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qwenvld/qwenvld/internal/loadtest/drive"
	"github.com/qwenvld/qwenvld/internal/loadtest/measure"
	"github.com/qwenvld/qwenvld/internal/loadtest/processes"
	"github.com/qwenvld/qwenvld/internal/loadtest/report"
	"github.com/qwenvld/qwenvld/internal/loadtest/scenario"
)

// Target is a server, with the process that is stopped while others are measured.
type Target struct {
	drive.Target
	// PIDs are its processes; children need not be named. Without any it goes on all the time, and its memory is
	// not known.
	PIDs []int
}

// Options say what is measured. The zero value of each that is not described as needed is taken as it is.
type Options struct {
	// Targets are needed. The one named Base is what the others are compared with.
	Targets []Target
	Base    string
	// Scenarios are needed, and Sizes.
	Scenarios []scenario.Scenario
	Sizes     scenario.Sizes
	// Rounds is how often each is played to each server, at least once.
	Rounds int
	Seed   uint64
	// Objective is what an answer has to keep to be counted as a good one.
	Objective measure.Objective
	// Timeout bounds an answer; it is needed.
	Timeout time.Duration
	// Settle is how long a server is left alone before it is played to, so that it finishes what it was left with.
	Settle time.Duration
	// Cold leaves out the short questions by which servers are warmed up.
	Cold  bool
	Goals []report.Goal
	// Progress is told before each run. Ended gets each scenario when it is done. Both may be nil.
	Progress func(Progress)
	Ended    func(*report.Report, *report.Scenario)
}

// Progress is where a measurement stands.
type Progress struct {
	Scenario, Target string
	Round            int
	// Done of Total runs are over.
	Done, Total int
}

// Measure plays everything and fills r, of which it sets the servers. What was measured before an error is in it.
func Measure(ctx context.Context, o *Options, r *report.Report) (err error) {
	m := &measurement{Options: o, report: r}
	if err := m.find(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.resumeAll()) }()
	for i := range m.Targets {
		if m.Cold {
			break
		}
		if err := m.warmUp(ctx, i); err != nil {
			return err
		}
	}
	for i := range o.Scenarios {
		if err := m.scenario(ctx, &o.Scenarios[i]); err != nil {
			return err
		}
	}
	return nil
}

// measurement is one on its way.
type measurement struct {
	*Options
	report *report.Report
	trees  [][]*processes.Tree // by target
	runs   int
}

// find looks for models and processes.
func (m *measurement) find(ctx context.Context) error {
	if !slices.ContainsFunc(m.Targets, func(t Target) bool { return t.Name == m.Base }) {
		return fmt.Errorf("there is no server %q to compare with", m.Base)
	}
	m.report.Seed, m.report.Base = m.Seed, m.Base
	for i := range m.Targets {
		t := &m.Targets[i]
		var trees []*processes.Tree
		for _, pid := range t.PIDs {
			tree, err := processes.NewTree(pid)
			if err != nil {
				return fmt.Errorf("server %s: %w", t.Name, err)
			}
			trees = append(trees, tree)
		}
		m.trees = append(m.trees, trees)
		if err := t.FindModel(ctx); err != nil {
			return err
		}
		m.report.Targets = append(m.report.Targets, report.Target{Name: t.Name, URL: t.URL, Model: t.Model})
	}
	return nil
}

// turnOf stops all servers but one and waits until that has settled.
func (m *measurement) turnOf(ctx context.Context, target int) error {
	for i, trees := range m.trees {
		if i == target {
			continue
		}
		for _, t := range trees {
			if err := t.Pause(ctx); err != nil {
				return fmt.Errorf("server %s: %w", m.Targets[i].Name, err)
			}
		}
	}
	for _, t := range m.trees[target] {
		if err := t.Resume(); err != nil {
			return fmt.Errorf("server %s: %w", m.Targets[target].Name, err)
		}
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(m.Settle):
		return nil
	}
}

func (m *measurement) resumeAll() error {
	var errs []error
	for _, trees := range m.trees {
		for _, t := range trees {
			errs = append(errs, t.Resume())
		}
	}
	return errors.Join(errs...)
}

// warmUp has a server answer a short question, so that no figure holds what only a first one costs. A server that
// cannot is not measured.
func (m *measurement) warmUp(ctx context.Context, target int) error {
	if err := m.turnOf(ctx, target); err != nil {
		return err
	}
	sizes := m.Sizes
	sizes.Prompt, sizes.Answer, sizes.Short, sizes.Picture.Width, sizes.Picture.Height = 64, 8, 4, 128, 128
	// Who sees no pictures can still read, and who has no other model answers as itself.
	for _, name := range []string{"text-1", "image-new", "both-variants"} {
		found, err := scenario.Named([]string{name})
		if err != nil {
			return err
		}
		run, err := m.play(ctx, target, &found[0], &sizes, ^m.Seed)
		if err != nil {
			return err
		}
		if failure := run.Traces[0].Failure; failure != "" && name == "text-1" {
			return fmt.Errorf("server %s does not answer: %s", m.Targets[target].Name, failure)
		}
	}
	return nil
}

func (m *measurement) play(ctx context.Context, target int, s *scenario.Scenario, z *scenario.Sizes, seed uint64) (*measure.Run, error) {
	stages, err := s.Plan(z, seed)
	if err != nil {
		return nil, err
	}
	d := drive.Driver{Timeout: m.Timeout}
	return d.Play(ctx, &m.Targets[target].Target, stages)
}

func (m *measurement) scenario(ctx context.Context, s *scenario.Scenario) error {
	out := &report.Scenario{Name: s.Name, About: s.About, Show: s.Show, Rounds: map[string][]measure.Figures{}, Faults: map[string]string{}}
	for round := range max(1, m.Rounds) {
		for turn := range m.Targets {
			target := turn
			if round%2 == 1 { // whoever was last goes first, so that nobody always follows the same one
				target = len(m.Targets) - 1 - turn
			}
			run, err := m.round(ctx, s, target, round)
			if err != nil {
				return err
			}
			name := m.Targets[target].Name
			out.Rounds[name] = append(out.Rounds[name], measure.Of(run, m.Objective))
			if failure := run.Failure(); failure != "" && out.Faults[name] == "" {
				out.Faults[name] = failure
			}
		}
	}
	m.report.Add(out, m.Goals)
	if m.Ended != nil {
		m.Ended(m.report, out)
	}
	return nil
}

// round plays the scenario once to one server. In a round all of them get the same texts and pictures.
func (m *measurement) round(ctx context.Context, s *scenario.Scenario, target, round int) (*measure.Run, error) {
	if m.Progress != nil {
		m.Progress(Progress{
			Scenario: s.Name, Target: m.Targets[target].Name, Round: round + 1,
			Done: m.runs, Total: len(m.Scenarios) * len(m.Targets) * max(1, m.Rounds),
		})
	}
	m.runs++
	if err := m.turnOf(ctx, target); err != nil {
		return nil, err
	}
	run, err := m.play(ctx, target, s, &m.Sizes, m.Seed+uint64(round))
	if err != nil {
		return nil, err
	}
	run.Extra = measure.Figures{}
	if s.FreesCells {
		if live, took, ok := m.Targets[target].AwaitFreeCells(ctx); ok {
			run.Extra[measure.LiveCells], run.Extra[measure.CellsFreed] = live, took.Seconds()
		}
	}
	for _, tree := range m.trees[target] {
		bytes, err := tree.Resident()
		if err != nil {
			return nil, fmt.Errorf("server %s: %w", m.Targets[target].Name, err)
		}
		run.Extra[measure.Resident] += float64(bytes)
	}
	return run, nil
}
