package traffic

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Outcome is what became of a request.
type Outcome int

// The outcomes. Lost is what must not be: neither an answer nor a reason why there is none.
const (
	Answered Outcome = iota // a whole answer
	Refused                 // a status with its reason
	Told                    // an answer that had begun, and ended with an error
	Left                    // the client left on purpose
	Lost
)

// Result is what became of one request.
type Result struct {
	Outcome Outcome
	// Status is that of a refusal.
	Status int
	// Reason is what the client was told, or how it was lost.
	Reason string
}

// Ledger adds up results. It is safe for concurrent use.
type Ledger struct {
	mu     sync.Mutex
	counts Counts
}

// Counts are how many requests became what.
type Counts struct {
	Sent     int
	Outcomes [Lost + 1]int
	// Statuses are how many were refused with each.
	Statuses map[int]int
	// Losses say how the first few were lost.
	Losses []string
}

// Note adds a result.
func (l *Ledger) Note(r Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Sent++
	l.counts.Outcomes[r.Outcome]++
	if r.Outcome == Refused {
		if l.counts.Statuses == nil {
			l.counts.Statuses = map[int]int{}
		}
		l.counts.Statuses[r.Status]++
	}
	const few = 5
	if r.Outcome == Lost && len(l.counts.Losses) < few {
		l.counts.Losses = append(l.counts.Losses, r.Reason)
	}
}

// Counts is what was noted so far.
func (l *Ledger) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.counts
	out.Statuses, out.Losses = maps.Clone(out.Statuses), slices.Clone(out.Losses)
	return out
}

// Add adds another ledger's counts.
func (c *Counts) Add(other *Counts) {
	c.Sent += other.Sent
	for i, n := range other.Outcomes {
		c.Outcomes[i] += n
	}
	if c.Statuses == nil {
		c.Statuses = map[int]int{}
	}
	for status, n := range other.Statuses {
		c.Statuses[status] += n
	}
	c.Losses = append(c.Losses, other.Losses...)
}

// Refusals are the refused ones with their statuses, such as "3 (2 of 503, 1 of 400)".
func (c *Counts) Refusals() string {
	n := c.Outcomes[Refused]
	if n == 0 {
		return "0"
	}
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(c.Statuses)) {
		if status == 0 {
			continue // not by HTTP
		}
		parts = append(parts, fmt.Sprintf("%d of %d", c.Statuses[status], status))
	}
	if len(parts) == 0 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%d (%s)", n, strings.Join(parts, ", "))
}
