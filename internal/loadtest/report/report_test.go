package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/internal/loadtest/measure"
)

var update = flag.Bool("update", false, "write the golden files anew")

// measured is a run of two servers with three rounds of one scenario and one of another.
func measured(t *testing.T) *Report {
	t.Helper()
	r := &Report{
		Began: time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC), Machine: "2 cores", Seed: 7, Base: "rival",
		Targets: []Target{{"us", "http://127.0.0.1:8080", "m"}, {"rival", "http://127.0.0.1:8081", "m"}},
	}
	scenarios := []Scenario{
		{
			Name: "mixed", About: "a picture & <three> streams", Show: []string{"stream.gap_p50", "stream.gap_max", "picture.first_token", "good"},
			Rounds: map[string][]measure.Figures{
				"us": {
					{"stream.gap_p50": 0.1, "stream.gap_max": 1, "picture.first_token": 12, "picture.prompt_tokens": 300, "resident": 5e9},
					{"stream.gap_p50": 0.2, "stream.gap_max": 1.5, "picture.first_token": 10, "picture.prompt_tokens": 300, "resident": 5e9},
					{"stream.gap_p50": 0.15, "stream.gap_max": 1.2, "picture.first_token": 14, "picture.prompt_tokens": 300, "resident": 5.1e9},
				},
				"rival": {
					{"stream.gap_p50": 0.1, "stream.gap_max": 10, "picture.first_token": 9, "picture.prompt_tokens": 340, "stream.failures": 0},
					{"stream.gap_p50": 0.1, "stream.gap_max": 8, "picture.first_token": 10, "picture.prompt_tokens": 340, "stream.failures": 0},
					{"stream.gap_p50": 0.1, "stream.gap_max": 9, "picture.first_token": 11, "picture.prompt_tokens": 340, "stream.ended_early": 2},
				},
			},
		},
		{
			Name: "cancel-100", About: "clients that leave", Show: []string{"live_cells", "cells_freed", "after.decode_rate"},
			Rounds: map[string][]measure.Figures{
				"us":    {{"live_cells": 0, "cells_freed": 0.52, "after.decode_rate": 20.4}},
				"rival": {{"after.decode_rate": 17}},
			},
		},
	}
	goals, err := ReadGoals(strings.NewReader("# goals\n\nmixed stream.gap_max ratio <= 0.15\nmixed picture.first_token ratio <= 1.1\n" +
		"cancel-100 live_cells value <= 0\ncancel-100 after.decode_rate ratio >= 1.05\nvideo total ratio <= 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range scenarios {
		r.Add(&scenarios[i], goals)
	}
	return r
}

func TestGoldenReports(t *testing.T) {
	r := measured(t)
	var tables, data bytes.Buffer
	files := map[string]*bytes.Buffer{"report.md": &tables, "report.json": &data}
	for _, s := range r.Scenarios {
		var plot bytes.Buffer
		if err := errors.Join(r.Table(&tables, s), r.Plot(&plot, s)); err != nil {
			t.Fatal(err)
		}
		files[s.Name+".svg"] = &plot
	}
	e := json.NewEncoder(&data)
	e.SetIndent("", " ")
	if err := e.Encode(r); err != nil {
		t.Fatal(err)
	}
	for name, got := range files {
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, got.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if !strings.HasSuffix(name, ".svg") {
			continue
		}
		for d := xml.NewDecoder(got); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s is no XML: %v", name, err)
			}
		}
	}
}

func TestWhereAnswersFailNoGoalIsMet(t *testing.T) {
	r := &Report{Base: "rival", Targets: []Target{{Name: "us"}, {Name: "rival"}}}
	s := &Scenario{
		Name: "mixed", Faults: map[string]string{"rival": "no room"},
		Rounds: map[string][]measure.Figures{"us": {{"total": 1}}, "rival": {{"total": 2, "a.failures": 3}}},
	}
	r.Add(s, []Goal{{Scenario: "mixed", Figure: "total", Of: ofRatio, Bound: 1}})
	want := []string{`rival: up to 3 answers of "a" failed in a round: no room`}
	if diff := cmp.Diff(want, s.Notes); diff != "" || len(s.Goals) > 0 {
		t.Errorf("%v (-want +got):\n%s", s.Goals, diff)
	}
}

func TestQuantitiesHaveTheirUnits(t *testing.T) {
	for _, c := range []struct {
		name string
		v    float64
		want string
	}{
		{"a.first_token", 0.0123, "12 ms"},
		{"a.first_token", 1, "1.00 s"},
		{"a.gap_max", 123.4, "123 s"},
		{"total", 45.67, "45.7 s"},
		{"a.decode_rate", 9.999, "10.0"},
		{"rate", 17.04, "17.0"},
		{"good", 0.5, "50%"},
		{"good_rate", 0.123, "0.12"},
		{"resident", 1.5e9, "1500 MB"},
		{"a.prompt_tokens", 512, "512"},
	} {
		if got := Quantity(c.name, c.v); got != c.want {
			t.Errorf("%s of %v: %q, want %q", c.name, c.v, got, c.want)
		}
	}
}

func TestGoalsThatCannotBeReadAreRefused(t *testing.T) {
	for _, line := range []string{"mixed total <= 1", "mixed total ratio < 1", "mixed total share <= 1", "mixed total ratio <= one"} {
		if _, err := ReadGoals(strings.NewReader("# first\n" + line)); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: %v", line, err)
		}
	}
}
