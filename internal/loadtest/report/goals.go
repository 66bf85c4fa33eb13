package report

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/qwenvld/qwenvld/internal/loadtest/measure"
)

// Goal is a bound of a figure of the first server, or of its ratio to the one that it is compared with.
type Goal struct {
	Scenario string  `json:"scenario"`
	Figure   string  `json:"figure"`
	Of       string  `json:"of"` // ratio or value
	AtLeast  bool    `json:"at_least"`
	Bound    float64 `json:"bound"`
}

// Bounds of what.
const (
	ofRatio = "ratio"
	ofValue = "value"
)

// String is how g is written.
func (g *Goal) String() string {
	sign := "<="
	if g.AtLeast {
		sign = ">="
	}
	return fmt.Sprintf("%s %g", sign, g.Bound)
}

// ReadGoals reads lines such as "mixed stream.gap_max ratio <= 0.15". Lines that begin with # and empty ones say
// nothing.
func ReadGoals(in io.Reader) ([]Goal, error) {
	var goals []Goal
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		g, err := readGoal(line)
		if err != nil {
			return nil, fmt.Errorf("goals, line %d: %w", n, err)
		}
		goals = append(goals, g)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read goals: %w", err)
	}
	return goals, nil
}

func readGoal(line string) (Goal, error) {
	f := strings.Fields(line)
	const words = 5
	if len(f) != words || f[2] != ofRatio && f[2] != ofValue || f[3] != "<=" && f[3] != ">=" {
		return Goal{}, fmt.Errorf("%q is not of the form SCENARIO FIGURE ratio|value <=|>= NUMBER", line)
	}
	bound, err := strconv.ParseFloat(f[4], 64)
	if err != nil {
		return Goal{}, fmt.Errorf("%q is no number", f[4])
	}
	return Goal{Scenario: f[0], Figure: f[1], Of: f[2], AtLeast: f[3] == ">=", Bound: bound}, nil
}

// met are those goals of s whose figures were measured. There are none where answers failed: who refuses a request
// has no trouble with it.
func (r *Report) met(s *Scenario, goals []Goal) []Met {
	for _, figures := range s.Summary {
		for name, spread := range figures {
			if _, kind, _ := strings.Cut(name, "."); kind == measure.Failures && spread.Most > 0 {
				return nil
			}
		}
	}
	var out []Met
	for _, g := range goals {
		from := s.Ratios
		if g.Of == ofValue {
			from = s.Summary
		}
		spread, ok := from[r.Targets[0].Name][g.Figure]
		if g.Scenario != s.Name || !ok {
			continue
		}
		m := Met{Goal: g, Value: spread.Median}
		m.Met = m.Value <= g.Bound
		if g.AtLeast {
			m.Met = m.Value >= g.Bound
		}
		out = append(out, m)
	}
	return out
}
