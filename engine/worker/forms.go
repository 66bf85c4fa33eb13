package worker

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/constraint"
)

// maxForms is how many compiled forms are kept: clients send the same schema again and again.
const maxForms = 32

// maxStates is how far an automaton may grow, which it does with the depth of what is written, before it is made anew.
const maxStates = 20_000

// forms compiles what answers must look like and keeps the results, whose token masks are the costly part.
type forms struct {
	// tokens gives the bytes of all tokens, asked for once.
	tokens func() [][]byte

	once  sync.Once
	vocab *constraint.Vocabulary

	mu   sync.Mutex
	made map[string]*constraint.Automaton
	keys []string // oldest first
}

// matcher follows a new answer of the form. After a think block a line break or two may come first.
func (f *forms) matcher(form *engine.Form, afterThinking bool) (*constraint.Matcher, error) {
	if form.Trigger != "" && form.Then != nil {
		a, err := f.automaton(form.Then)
		if err != nil {
			return nil, err
		}
		return constraint.NewTriggered(a, form.Trigger), nil
	}
	if afterThinking {
		form = &engine.Form{Sequence: []engine.Form{{Pattern: "\n{0,2}"}, *form}}
	}
	a, err := f.automaton(form)
	if err != nil {
		return nil, err
	}
	return constraint.NewMatcher(a), nil
}

func (f *forms) automaton(form *engine.Form) (*constraint.Automaton, error) {
	data, err := json.Marshal(form)
	if err != nil {
		return nil, fmt.Errorf("form: %w", err)
	}
	f.once.Do(func() { f.vocab = constraint.NewVocabulary(f.tokens()) })
	f.mu.Lock()
	defer f.mu.Unlock()
	key := string(data)
	a, ok := f.made[key]
	if !ok || a.States() > maxStates {
		g, err := constraint.Compile(form)
		if err == nil {
			a, err = constraint.NewAutomaton(g, f.vocab)
		}
		if err != nil {
			return nil, &engine.RequestError{Field: "form", Message: err.Error()}
		}
		f.keep(key, a)
	}
	return a, nil
}

func (f *forms) keep(key string, a *constraint.Automaton) {
	if f.made == nil {
		f.made = map[string]*constraint.Automaton{}
	}
	if _, again := f.made[key]; again {
		f.made[key] = a
		return
	}
	if len(f.keys) == maxForms {
		delete(f.made, f.keys[0])
		f.keys = f.keys[1:]
	}
	f.made[key] = a
	f.keys = append(f.keys, key)
}
