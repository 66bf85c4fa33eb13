package worker

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/constraint"
	"github.com/qwenvld/qwenvld/internal/bytecache"
)

// Automata are kept, since clients send the same schema again and again: so many, of about so many bytes together.
const (
	maxAutomata      = 32
	maxAutomataBytes = 128 << 20
)

// constraints compiles what answers must look like and keeps the results, whose token masks are the costly part.
type constraints struct {
	// tokens gives the bytes of all tokens, asked for once.
	tokens func() [][]byte

	once  sync.Once
	vocab *constraint.Vocabulary

	// made holds the automata by their forms as JSON.
	made *bytecache.Cache[string, *constraint.Automaton]
}

func newConstraints(tokens func() [][]byte) *constraints {
	size := func(a *constraint.Automaton) int64 { return int64(a.Size()) }
	return &constraints{tokens: tokens, made: bytecache.New[string](maxAutomata, maxAutomataBytes, size)}
}

// matcher follows a new answer of the form. After a think block a line break or two may come first. It runs on the
// request's own goroutine, and what cannot be followed within bounds is refused.
func (c *constraints) matcher(form *engine.Constraint, afterThinking bool) (m *constraint.Matcher, err error) {
	triggered := form.Trigger != "" && form.Then != nil
	trigger := form.Trigger
	switch {
	case triggered:
		form = form.Then
	case afterThinking:
		form = &engine.Constraint{Sequence: []engine.Constraint{{Pattern: "\n{0,2}"}, *form}}
	}
	a, err := c.automaton(form)
	if err == nil && !triggered {
		m, err = constraint.NewMatcher(a)
	} else if err == nil {
		m = constraint.NewTriggered(a, trigger)
	}
	if err != nil {
		return nil, &engine.RequestError{Field: "constraint", Message: err.Error()}
	}
	return m, nil
}

func (c *constraints) automaton(form *engine.Constraint) (*constraint.Automaton, error) {
	data, err := json.Marshal(form)
	if err != nil {
		return nil, fmt.Errorf("encode the form: %w", err)
	}
	c.once.Do(func() { c.vocab = constraint.NewVocabulary(c.tokens()) })
	key := string(data)
	if a, ok := c.made.Get(key); ok && !a.Overgrown() {
		return a, nil
	}
	g, err := constraint.Compile(form)
	if err != nil {
		return nil, err
	}
	a, err := constraint.NewAutomaton(g, c.vocab)
	if err != nil {
		return nil, err
	}
	c.made.Put(key, a)
	return a, nil
}
