package constraint

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
)

// State is a place in a form, valid for one Automaton.
type State int32

// dead is the state from which nothing is allowed; unknown marks a transition not computed yet.
const (
	dead    State = -1
	unknown State = -2
)

// config is a node and the frames below it: what follows when its rule ends.
type config struct{ node, frame int32 }

// frame is one return address; equal stacks share frames.
type frame struct{ node, parent int32 }

const noFrame int32 = -1

type state struct {
	configs []config // nodes with byte edges, sorted
	accept  bool     // the form may end here
	next    [256]State
	mask    []uint64 // of allowed tokens, nil until asked for
	text    int8     // whether plain text loops here: 0 unknown, 1 yes, -1 no
}

// maxConfigs bounds a state: forms that are more ambiguous than this are refused when they are met.
const maxConfigs = 4096

// maxMasks bounds the masks an automaton keeps; above it, it forgets them all.
const maxMasks = 4096

// Automaton decides about tokens. Its states are made when they are first reached. Safe for use from several goroutines.
type Automaton struct {
	grammar *Grammar
	vocab   *Vocabulary

	mu     sync.Mutex
	frames []frame
	frame  map[frame]int32
	states []*state
	known  map[string]State
	masks  int
	first  State
	key    []byte
}

// NewAutomaton joins a form with a vocabulary.
func NewAutomaton(g *Grammar, v *Vocabulary) (*Automaton, error) {
	a := &Automaton{grammar: g, vocab: v, frame: map[frame]int32{}, known: map[string]State{}}
	first, err := a.intern([]config{{g.start, noFrame}})
	if err != nil {
		return nil, err
	}
	a.first = first
	return a, nil
}

// Start is the state before the first byte.
func (a *Automaton) Start() State { return a.first }

// States counts the states made so far; each takes about a kilobyte and its mask.
func (a *Automaton) States() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.states)
}

// Accepts says whether the form may end in s.
func (a *Automaton) Accepts(s State) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.states[s].accept
}

// Complete says whether the form must end in s: it may, and no byte may follow.
func (a *Automaton) Complete(s State) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.states[s].accept && len(a.states[s].configs) == 0
}

// Advance gives the state after the bytes of a token, and false if the form does not allow them.
func (a *Automaton) Advance(s State, token []byte) (State, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range token {
		if s = a.step(s, c); s == dead {
			return dead, false
		}
	}
	return s, true
}

func (a *Automaton) step(s State, c byte) State {
	from := a.states[s]
	if next := from.next[c]; next != unknown {
		return next
	}
	var targets []config
	for _, at := range from.configs {
		for _, e := range a.grammar.nodes[at.node].bytes {
			if e.low <= c && c <= e.high {
				targets = append(targets, config{e.to, at.frame})
			}
		}
	}
	next, err := a.intern(targets)
	if err != nil {
		next = dead
	}
	from.next[c] = next
	return next
}

func (a *Automaton) push(f frame) int32 {
	id, ok := a.frame[f]
	if !ok {
		id = int32(len(a.frames))
		a.frames = append(a.frames, f)
		a.frame[f] = id
	}
	return id
}

// intern gives the state of all configurations reached from these without a byte.
func (a *Automaton) intern(from []config) (State, error) {
	if len(from) == 0 {
		return dead, nil
	}
	seen := make(map[config]struct{}, 2*len(from))
	todo := slices.Clone(from)
	var out []config
	accept := false
	for len(todo) > 0 {
		c := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if _, ok := seen[c]; ok {
			continue
		}
		if len(seen) >= maxConfigs {
			return dead, fmt.Errorf("the form is too ambiguous: more than %d readings at once", maxConfigs)
		}
		seen[c] = struct{}{}
		n := &a.grammar.nodes[c.node]
		if len(n.bytes) > 0 {
			out = append(out, c)
		}
		for _, to := range n.empty {
			todo = append(todo, config{to, c.frame})
		}
		for _, k := range n.calls {
			then := c.frame
			// A call at the very end of a rule needs no frame of its own: recursion at the end does not grow the stack.
			if r := &a.grammar.nodes[k.then]; !r.final || len(r.bytes)+len(r.empty)+len(r.calls) > 0 {
				then = a.push(frame{k.then, c.frame})
			}
			todo = append(todo, config{k.rule, then})
		}
		if n.final {
			if c.frame == noFrame {
				accept = true
			} else {
				f := a.frames[c.frame]
				todo = append(todo, config{f.node, f.parent})
			}
		}
	}
	if len(out) == 0 && !accept {
		return dead, nil
	}
	slices.SortFunc(out, func(x, y config) int {
		if x.node != y.node {
			return int(x.node) - int(y.node)
		}
		return int(x.frame) - int(y.frame)
	})
	a.key = a.key[:0]
	if accept {
		a.key = append(a.key, 1)
	}
	for _, c := range out {
		a.key = binary.LittleEndian.AppendUint32(a.key, uint32(c.node))
		a.key = binary.LittleEndian.AppendUint32(a.key, uint32(c.frame))
	}
	if s, ok := a.known[string(a.key)]; ok {
		return s, nil
	}
	s := &state{configs: out, accept: accept}
	for i := range s.next {
		s.next[i] = unknown
	}
	id := State(len(a.states))
	a.states = append(a.states, s)
	a.known[string(a.key)] = id
	return id, nil
}
