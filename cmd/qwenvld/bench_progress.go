package main

import (
	"fmt"
	"strings"

	"github.com/qwenvld/qwenvld/internal/loadtest"
)

// benchProgress shows where a measurement stands: as a bar where somebody looks on, else as lines.
type benchProgress struct {
	out terminal
}

func newBenchProgress(e *environment) *benchProgress {
	return &benchProgress{newTerminal(e, e.stderr)}
}

func (b *benchProgress) report(p loadtest.Progress) {
	state := fmt.Sprintf("%d of %d: %s, round %d, %s", p.Done+1, p.Total, p.Scenario, p.Round, p.Target)
	if !b.out.is {
		_, _ = fmt.Fprintln(b.out.w, state)
		return
	}
	full := barWidth * p.Done / p.Total
	_, _ = fmt.Fprintf(b.out.w, "\r\x1b[2K[%s%s] %s", strings.Repeat("#", full), strings.Repeat(" ", barWidth-full), harmless(state))
}

// clear takes the bar away, so that something else can be written there.
func (b *benchProgress) clear() {
	if b.out.is {
		_, _ = fmt.Fprint(b.out.w, "\r\x1b[2K")
	}
}
