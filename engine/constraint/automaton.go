package constraint

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
)

// config is one reading of the bytes so far: the node that it has reached, and the frame to return to when that node's
// rule ends.
type config struct{ node, frame int32 }

// frame is one return address; equal stacks share frames.
type frame struct{ node, parent int32 }

const noFrame int32 = -1

// State is all readings of the bytes so far. What is known of a State grows; it may be read while another goroutine
// adds to it.
type State struct {
	configs []config // nodes with byte edges, sorted
	accept  bool     // the answer may end here
	// next holds the states after a byte of each class, nil where they are not known yet.
	next      []atomic.Pointer[State]
	mask      atomic.Pointer[[]uint64] // of allowed tokens, nil where it is not known
	textLoops int8                     // whether plain text leads from here to here: 0 unknown, 1 yes, -1 no
}

// Bounds on an automaton, which grows with what is written. They are looked at before each step of the growth.
const (
	// maxConfigs bounds the readings that a state holds: constraints that are more ambiguous are refused.
	maxConfigs = 4096
	// maxStateBytes bounds the states, about.
	maxStateBytes = 32 << 20
	// maxMaskBytes bounds the masks that are kept; above it they are all forgotten.
	maxMaskBytes = 16 << 20
	// maxCost bounds the work for one mask, about in nanoseconds of one core.
	maxCost = 150_000_000
)

// What work costs, about in nanoseconds. Counting it makes bounds that do not depend on how busy a machine is.
const (
	costOfReading = 60 // a config and what leads on from it
	costOfEdge    = 2
	costOfEntry   = 4 // of a vocabulary's trie
)

// ErrTooCostly means that a constraint cannot be followed within the bounds.
var ErrTooCostly = errors.New("this form has too many readings to be enforced: repeat less inside of what may be anything")

// Automaton decides about tokens. Its states are made when they are first reached. Safe for use from several
// goroutines.
type Automaton struct {
	grammar *Grammar
	vocab   *Vocabulary
	// class of each byte: bytes of one class lead to the same places everywhere in the grammar.
	class   [256]uint8
	classes int
	first   *State
	// dead is the state from which nothing is allowed.
	dead *State

	mu     sync.Mutex
	frames []frame
	frame  map[frame]int32
	known  map[string]*State
	masks  []*State // those that have one
	bytes  int      // of states and frames, about
	cost   int      // of the mask that is being made
	key    []byte
	seen   map[config]struct{}
	todo   []config
}

// NewAutomaton joins a grammar with a vocabulary.
func NewAutomaton(g *Grammar, v *Vocabulary) (*Automaton, error) {
	a := &Automaton{
		grammar: g, vocab: v, frame: map[frame]int32{}, known: map[string]*State{}, dead: &State{}, seen: map[config]struct{}{},
	}
	a.classify()
	first, err := a.intern([]config{{g.start, noFrame}})
	if err != nil {
		return nil, err
	}
	a.first = first
	return a, nil
}

// classify finds the classes of bytes: they change where an edge begins or has ended.
func (a *Automaton) classify() {
	var border [257]bool
	for i := range a.grammar.nodes {
		for _, e := range a.grammar.nodes[i].bytes {
			border[e.low], border[int(e.high)+1] = true, true
		}
	}
	class := 0
	for c := range a.class {
		if c > 0 && border[c] {
			class++
		}
		a.class[c] = uint8(class)
	}
	a.classes = class + 1
}

// Start is the state before the first byte.
func (a *Automaton) Start() *State { return a.first }

// Size is about how many bytes the automaton takes, its masks and its grammar included.
func (a *Automaton) Size() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bytes + len(a.masks)*a.vocab.words*8 + a.grammar.Size()*nodeBytes
}

// Overgrown reports whether the automaton has grown so far that a new answer had better get one of its own.
func (a *Automaton) Overgrown() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bytes > maxStateBytes/4
}

// Accepts reports whether the answer may end in s.
func (a *Automaton) Accepts(s *State) bool { return s.accept }

// Complete reports whether the answer must end in s: it may, and no byte may follow.
func (a *Automaton) Complete(s *State) bool { return s.accept && len(s.configs) == 0 }

// Known returns the state after the bytes of a token, nil where it has not been computed yet or they are not allowed.
func (a *Automaton) Known(s *State, token []byte) *State {
	for _, c := range token {
		if s = s.next[a.class[c]].Load(); s == nil || s == a.dead {
			return nil
		}
	}
	return s
}

// Advance returns the state after the bytes of a token, nil if they are not allowed.
func (a *Automaton) Advance(s *State, token []byte) (*State, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cost = 0
	for _, c := range token {
		var err error
		if s, err = a.step(s, c); err != nil {
			return nil, err
		}
		if s == a.dead {
			return nil, nil
		}
	}
	return s, nil
}

// step requires a.mu, as all that makes states does.
func (a *Automaton) step(from *State, c byte) (*State, error) {
	if from == a.dead {
		return from, nil
	}
	to := &from.next[a.class[c]]
	if next := to.Load(); next != nil {
		return next, nil
	}
	var targets []config
	for _, at := range from.configs {
		edges := a.grammar.nodes[at.node].bytes
		a.cost += costOfReading + costOfEdge*len(edges)
		for _, e := range edges {
			if e.low <= c && c <= e.high {
				targets = append(targets, config{e.to, at.frame})
			}
		}
	}
	next, err := a.intern(targets)
	if err != nil {
		return nil, err
	}
	to.Store(next)
	return next, nil
}

func (a *Automaton) push(f frame) int32 {
	id, ok := a.frame[f]
	if !ok {
		const size = 48
		a.bytes += size
		id = int32(len(a.frames))
		a.frames = append(a.frames, f)
		a.frame[f] = id
	}
	return id
}

// intern returns the state of all configs reached from these without a byte.
func (a *Automaton) intern(from []config) (*State, error) {
	if len(from) == 0 {
		return a.dead, nil
	}
	out, accept, err := a.closure(from)
	if err != nil {
		return nil, err
	}
	if len(out) == 0 && !accept {
		return a.dead, nil
	}
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
	const overhead = 160
	size := overhead + 2*len(a.key) + 8*a.classes
	if a.bytes+size > maxStateBytes {
		return nil, ErrTooCostly
	}
	a.bytes += size
	s := &State{configs: slices.Clone(out), accept: accept, next: make([]atomic.Pointer[State], a.classes)}
	a.known[string(a.key)] = s
	return s, nil
}

// closure returns the configs with byte edges, sorted, and whether the answer may end.
func (a *Automaton) closure(from []config) (out []config, accept bool, err error) {
	clear(a.seen)
	a.todo = append(a.todo[:0], from...)
	for len(a.todo) > 0 {
		c := a.todo[len(a.todo)-1]
		a.todo = a.todo[:len(a.todo)-1]
		if _, ok := a.seen[c]; ok {
			continue
		}
		n := &a.grammar.nodes[c.node]
		a.cost += costOfReading + costOfEdge*(len(n.empty)+len(n.calls))
		if len(a.seen) >= maxConfigs || a.cost > maxCost || a.bytes > maxStateBytes {
			return nil, false, ErrTooCostly
		}
		a.seen[c] = struct{}{}
		if len(n.bytes) > 0 {
			out = append(out, c)
		}
		for _, to := range n.empty {
			a.todo = append(a.todo, config{to, c.frame})
		}
		for _, k := range n.calls {
			then := c.frame
			// A call at the very end of a rule needs no frame of its own: recursion at the end does not grow the stack.
			if r := &a.grammar.nodes[k.then]; !r.final || len(r.bytes)+len(r.empty)+len(r.calls) > 0 {
				then = a.push(frame{k.then, c.frame})
			}
			a.todo = append(a.todo, config{k.rule, then})
		}
		if n.final {
			if c.frame == noFrame {
				accept = true
			} else {
				f := a.frames[c.frame]
				a.todo = append(a.todo, config{f.node, f.parent})
			}
		}
	}
	slices.SortFunc(out, func(x, y config) int {
		if x.node != y.node {
			return int(x.node) - int(y.node)
		}
		return int(x.frame) - int(y.frame)
	})
	return out, accept, nil
}
