package faults

import (
	"strings"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/internal/trial/traffic"
)

func TestTheTableAddsUpAndTellsLosses(t *testing.T) {
	row := func(name, remains string, results ...traffic.Result) Row {
		var l traffic.Ledger
		for _, r := range results {
			l.Note(r)
		}
		return Row{Name: name, Counts: l.Counts(), Outage: 2 * time.Second, Remains: remains}
	}
	var out strings.Builder
	writeTable(&out, []Row{
		row("a", "", traffic.Result{Outcome: traffic.Answered}, traffic.Result{Outcome: traffic.Refused, Status: 503}),
		row("b", "9 goroutines", traffic.Result{Outcome: traffic.Lost, Reason: "cut"}, traffic.Result{Outcome: traffic.Told}),
	})
	for _, line := range []string{
		"| a | 2 | 1 | 1 (1 of 503) | 0 | 0 | 0 | 2s | nothing |\n", "| b | 2 | 0 | 0 | 1 | 0 | 1 | 2s | 9 goroutines |\n",
		"| all | 4 | 1 | 1 (1 of 503) | 1 | 0 | 1 |  |  |\n", "\nlost: cut\n",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no line %q in\n%s", line, out.String())
		}
	}
}

func TestEveryFaultHasANameOfItsOwnAndCanBeChosen(t *testing.T) {
	names := map[string]bool{}
	for _, f := range all() {
		if names[f.name] || f.run == nil {
			t.Errorf("%s is there twice, or does nothing", f.name)
		}
		names[f.name] = true
	}
	for part, want := range map[string]bool{"kill -9": true, "SIGSTOP": true, "leave": true, "full disk": true, "GGUF": true, "none": false} {
		o := &Options{Only: []string{part}}
		found := false
		for name := range names {
			found = found || o.wants(name)
		}
		if found != want {
			t.Errorf("%s: found is %t", part, found)
		}
	}
}
