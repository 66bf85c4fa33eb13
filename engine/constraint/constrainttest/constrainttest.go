// Package constrainttest tells tests which texts a constraint allows.
//
// It is for tests alone. It must not know where constraints come from, nor how tokens are drawn under them.
package constrainttest

import (
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/constraint"
)

// Accepts says whether an answer of this text follows c, as the worker judges it. Of a constraint of calls in free text
// it looks at the text from where the first call begins.
func Accepts(tb testing.TB, c *engine.Constraint, text string) bool {
	tb.Helper()
	if c.Trigger != "" {
		at := strings.Index(text, c.Trigger)
		if at < 0 {
			return true
		}
		c, text = c.Then, text[at:]
	}
	g, err := constraint.Compile(c)
	if err != nil {
		tb.Fatal(err)
	}
	a, err := constraint.NewAutomaton(g, constraint.NewVocabulary([][]byte{{'x'}}))
	if err != nil {
		tb.Fatal(err)
	}
	state, err := a.Advance(a.Start(), []byte(text))
	return err == nil && state != nil && a.Accepts(state)
}
