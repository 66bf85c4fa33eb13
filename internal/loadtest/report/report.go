// Package report writes what a run of scenarios came to: as tables, as JSON, and as pictures.
//
// It must not measure or ask anybody; it is handed figures.
package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/qwenvld/qwenvld/internal/loadtest/measure"
)

// Report is everything that is known of a run.
type Report struct {
	// Began is the time of day, Machine what it ran on.
	Began   time.Time `json:"began"`
	Machine string    `json:"machine"`
	// Seed of texts and pictures; Busy processes beside the servers.
	Seed uint64 `json:"seed"`
	Busy int    `json:"busy"`
	// Targets are the servers in their order, Base the one that the others are compared with.
	Targets   []Target    `json:"targets"`
	Base      string      `json:"base"`
	Scenarios []*Scenario `json:"scenarios"`
}

// Target is a server.
type Target struct {
	Name  string `json:"name"`
	URL   string `json:"url"`
	Model string `json:"model"`
}

// Scenario is what one kind of load came to.
type Scenario struct {
	Name  string `json:"name"`
	About string `json:"about"`
	// Show are the figures that tell most.
	Show []string `json:"show"`
	// Rounds are the figures of every round, by the servers' names.
	Rounds map[string][]measure.Figures `json:"rounds"`
	// Faults is why an answer failed, the first one of each server, by the servers' names.
	Faults map[string]string `json:"faults,omitempty"`
	// Summary and Ratios are made of them: by the servers' names, then by the figures'.
	Summary map[string]map[string]measure.Spread `json:"summary"`
	Ratios  map[string]map[string]measure.Spread `json:"ratios"`
	// Notes are what a reader has to know to trust the figures.
	Notes []string `json:"notes,omitempty"`
	Goals []Met    `json:"goals,omitempty"`
}

// Met is a goal with what came of it.
type Met struct {
	Goal
	Value float64 `json:"value"`
	Met   bool    `json:"met"`
}

// Add takes a scenario of which all rounds are there, makes its summary, ratios and notes, and finds out what
// became of goals.
func (r *Report) Add(s *Scenario, goals []Goal) {
	s.Summary, s.Ratios = map[string]map[string]measure.Spread{}, map[string]map[string]measure.Spread{}
	for _, t := range r.Targets {
		rounds := s.Rounds[t.Name]
		s.Summary[t.Name], s.Ratios[t.Name] = map[string]measure.Spread{}, map[string]measure.Spread{}
		for _, name := range namesOf(rounds) {
			if spread, ok := measure.SpreadOf(measure.Collect(rounds, name)); ok {
				s.Summary[t.Name][name] = spread
			}
			if ratio, ok := measure.Ratio(rounds, s.Rounds[r.Base], name); ok && t.Name != r.Base {
				s.Ratios[t.Name][name] = ratio
			}
		}
	}
	s.Show = slices.DeleteFunc(append(slices.Clone(s.Show), measure.Resident), func(name string) bool { return !r.has(s, name) })
	s.Notes = r.notes(s)
	s.Goals = r.met(s, goals)
	r.Scenarios = append(r.Scenarios, s)
}

func namesOf(rounds []measure.Figures) []string {
	var names []string
	for _, f := range rounds {
		for name := range f {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

func (r *Report) has(s *Scenario, name string) bool {
	return slices.ContainsFunc(r.Targets, func(t Target) bool { _, ok := s.Summary[t.Name][name]; return ok })
}

// notes tell of answers that did not come as they were asked for, and of prompts that servers count differently.
func (r *Report) notes(s *Scenario) []string {
	var notes []string
	const most = 0.01 // of the tokens of a prompt, by which servers may differ
	for _, t := range r.Targets {
		for _, name := range namesOf(s.Rounds[t.Name]) {
			role, kind, _ := strings.Cut(name, ".")
			spread := s.Summary[t.Name][name]
			switch base, ok := s.Summary[r.Base][name]; {
			case kind == measure.Failures && spread.Most > 0:
				notes = append(notes, fmt.Sprintf("%s: up to %.0f answers of %q failed in a round: %s",
					t.Name, spread.Most, role, cmp.Or(s.Faults[t.Name], "for no reason that was told")))
			case kind == measure.EndedEarly && spread.Most > 0:
				notes = append(notes, fmt.Sprintf("%s: the model ended up to %.0f answers of %q before they had their tokens",
					t.Name, spread.Most, role))
			case kind == measure.PromptTokens && ok && math.Abs(spread.Median-base.Median) > most*base.Median:
				notes = append(notes, fmt.Sprintf("prompts of %q are %.0f tokens long to %s and %.0f to %s",
					role, spread.Median, t.Name, base.Median, r.Base))
			}
		}
	}
	return notes
}
