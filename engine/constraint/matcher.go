package constraint

import (
	"bytes"
	"fmt"
)

// What following one answer may cost, about in nanoseconds of one core: at once, and more with each token.
const (
	startAllowance = 2_000_000_000
	tokenAllowance = 20_000_000
)

// Matcher follows one answer through an Automaton. It is not safe for concurrent use.
type Matcher struct {
	automaton *Automaton
	state     *State
	mask      []uint64
	// spent is what the answer has cost so far beyond its allowance.
	spent int
	// trigger is the text that brings the constraint into force; until then the answer is free. It is nil once the
	// constraint holds.
	trigger []byte
	tail    []byte // end of the free answer that the trigger may begin in
	joined  []byte // room for the tail and a token
	// foreseen is room for the tail of tokens that may come.
	foreseen []byte
}

// NewMatcher constrains an answer from its beginning. It may fail with ErrTooCostly.
func NewMatcher(a *Automaton) (*Matcher, error) {
	m := &Matcher{automaton: a, spent: -startAllowance}
	return m, m.enter(a.Start())
}

// NewTriggered lets the answer be anything until it writes trigger, as a special token or as ordinary text. From there
// on the constraint holds, which begins with the trigger. Free text costs nothing.
func NewTriggered(a *Automaton, trigger string) *Matcher {
	return &Matcher{automaton: a, state: a.Start(), spent: -startAllowance, trigger: []byte(trigger)}
}

// enter goes to a state and finds what is allowed there.
func (m *Matcher) enter(s *State) error {
	mask, cost, err := m.automaton.makeMask(s)
	if err != nil {
		return err
	}
	m.spent = max(m.spent-tokenAllowance, -startAllowance) + cost
	if m.spent > 0 {
		return ErrTooCostly
	}
	m.state, m.mask = s, mask
	return nil
}

// Idle reports whether the answer is free so far.
func (m *Matcher) Idle() bool { return m.trigger != nil }

// Allowed returns the tokens that may come next, one bit each; it must not be changed. While the answer is free it is
// nil.
func (m *Matcher) Allowed() []uint64 { return m.mask }

// MayEnd reports whether the answer, as it is, fulfils the constraint.
func (m *Matcher) MayEnd() bool { return m.Idle() || m.automaton.Accepts(m.state) }

// MustEnd reports whether nothing may follow.
func (m *Matcher) MustEnd() bool { return !m.Idle() && m.automaton.Complete(m.state) }

// AcceptKnown is Accept for a token whose state and mask are known already. It reports whether they are; else it does
// nothing.
func (m *Matcher) AcceptKnown(token int32) bool {
	b := m.bytes(token)
	if m.Idle() {
		if m.fromTrigger(m.tail, b) != nil {
			return false
		}
		m.tail = m.tailAfter(m.tail, b)
		return true
	}
	if len(b) == 0 {
		return false
	}
	next := m.automaton.Known(m.state, b)
	if next == nil {
		return false
	}
	mask := next.mask.Load()
	if mask == nil {
		return false
	}
	m.state, m.mask = next, *mask
	return true
}

// Follows is how many of these tokens may come next, one after the other, as far as that is known already. The last of
// them may be one whose consequences are not.
func (m *Matcher) Follows(tokens []int32) int {
	m.foreseen = append(m.foreseen[:0], m.tail...)
	state, mask := m.state, m.mask
	for i, token := range tokens {
		b := m.bytes(token)
		if m.Idle() {
			if m.fromTrigger(m.foreseen, b) != nil {
				return i + 1
			}
			m.foreseen = m.tailAfter(m.foreseen, b)
			continue
		}
		if len(b) == 0 || mask[token/64]>>(token%64)&1 == 0 {
			return i
		}
		known := (*[]uint64)(nil)
		if state = m.automaton.Known(state, b); state != nil {
			known = state.mask.Load()
		}
		if known == nil {
			return i + 1
		}
		mask = *known
	}
	return len(tokens)
}

// Accept takes note of a token. It fails if the token is not allowed, or cannot be followed further (ErrTooCostly); the
// matcher then stays where it was. It may take some tenths of a second.
func (m *Matcher) Accept(token int32) error {
	b := m.bytes(token)
	if m.Idle() {
		return m.acceptFree(b)
	}
	if len(b) > 0 {
		next, err := m.automaton.Advance(m.state, b)
		if err != nil {
			return err
		}
		if next != nil {
			return m.enter(next)
		}
	}
	return fmt.Errorf("token %d is not of the answer's form", token)
}

func (m *Matcher) bytes(token int32) []byte {
	tokens := m.automaton.vocab.tokens
	if token < 0 || int(token) >= len(tokens) {
		return nil
	}
	return tokens[token]
}

// fromTrigger is the trigger, and what comes after it, where token completes it behind tail; else nil.
func (m *Matcher) fromTrigger(tail, token []byte) []byte {
	text, special := bytes.CutPrefix(token, []byte(Special))
	switch {
	case special && bytes.Equal(text, m.trigger):
		return token
	case special:
		return nil
	}
	m.joined = append(append(m.joined[:0], tail...), token...)
	if at := bytes.Index(m.joined, m.trigger); at >= 0 {
		return m.joined[at:]
	}
	return nil
}

// tailAfter is the end of the free answer after a token that does not complete the trigger.
func (m *Matcher) tailAfter(tail, token []byte) []byte {
	if bytes.HasPrefix(token, []byte(Special)) {
		return tail[:0]
	}
	tail = append(tail, token...)
	return append(tail[:0], tail[max(0, len(tail)-len(m.trigger)+1):]...)
}

// acceptFree takes note of a token of a free answer, and brings the constraint into force when the trigger is complete.
// A token that completes the trigger as ordinary text may go on in a way that is not allowed. Then the answer stays
// free: it only holds text that looks like the trigger.
func (m *Matcher) acceptFree(token []byte) error {
	fromTrigger := m.fromTrigger(m.tail, token)
	if fromTrigger == nil {
		m.tail = m.tailAfter(m.tail, token)
		return nil
	}
	state, err := m.automaton.Advance(m.automaton.Start(), fromTrigger)
	if err != nil {
		return err
	}
	m.tail = m.tail[:0]
	if state == nil {
		return nil
	}
	m.trigger = nil
	return m.enter(state)
}
