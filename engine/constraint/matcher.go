package constraint

import "bytes"

// Matcher follows one answer through an Automaton. It is not safe for concurrent use.
type Matcher struct {
	automaton *Automaton
	state     State
	// trigger is what brings the form into force; until then the answer is free. It is nil once the form holds.
	trigger []byte
	tail    []byte // end of the free answer that the trigger may begin in
}

// NewMatcher starts at the beginning of the form.
func NewMatcher(a *Automaton) *Matcher { return &Matcher{automaton: a, state: a.Start()} }

// NewTriggered lets the answer be anything until it writes trigger, as a special token or spelled out. From there on the form holds,
// which begins with the trigger. Free text costs nothing.
func NewTriggered(a *Automaton, trigger string) *Matcher {
	m := NewMatcher(a)
	m.trigger = []byte(trigger)
	return m
}

// Idle says whether the answer is free so far.
func (m *Matcher) Idle() bool { return m.trigger != nil }

// Allowed gives the tokens that may come next, one bit each; it must not be changed. While the answer is free it is nil.
func (m *Matcher) Allowed() []uint64 {
	if m.Idle() {
		return nil
	}
	return m.automaton.Mask(m.state)
}

// MayEnd says whether the answer has the form as it is.
func (m *Matcher) MayEnd() bool { return m.Idle() || m.automaton.Accepts(m.state) }

// MustEnd says whether nothing may follow.
func (m *Matcher) MustEnd() bool { return !m.Idle() && m.automaton.Complete(m.state) }

// Accept takes note of a token and says whether the form allows it; if not, the matcher stays where it was.
func (m *Matcher) Accept(token int32) bool {
	tokens := m.automaton.vocab.tokens
	if token < 0 || int(token) >= len(tokens) {
		return false
	}
	if m.Idle() {
		m.listen(tokens[token])
		return true
	}
	if len(tokens[token]) == 0 {
		return false
	}
	next, ok := m.automaton.Advance(m.state, tokens[token])
	if ok {
		m.state = next
	}
	return ok
}

// listen brings the form into force when the trigger is written. Where the token that ends a spelled trigger goes on in a way that
// the form does not allow, the answer stays free: it is no more than text that looks like the trigger.
func (m *Matcher) listen(token []byte) {
	text, special := bytes.CutPrefix(token, []byte(Special))
	var written []byte
	switch {
	case special && bytes.Equal(text, m.trigger):
		written = token
	case special:
		m.tail = m.tail[:0]
		return
	default:
		m.tail = append(m.tail, token...)
		at := bytes.Index(m.tail, m.trigger)
		if at < 0 {
			m.tail = m.tail[max(0, len(m.tail)-len(m.trigger)+1):]
			return
		}
		written = m.tail[at:]
	}
	if state, ok := m.automaton.Advance(m.automaton.Start(), written); ok {
		m.state, m.trigger, m.tail = state, nil, nil
		return
	}
	m.tail = m.tail[:0]
}
