package constraint

// Matcher follows one answer through an Automaton. It is not safe for concurrent use.
type Matcher struct {
	automaton *Automaton
	state     State
}

// NewMatcher starts at the beginning of the form.
func NewMatcher(a *Automaton) *Matcher { return &Matcher{automaton: a, state: a.Start()} }

// Allowed gives the tokens that may come next, one bit each; it must not be changed.
func (m *Matcher) Allowed() []uint64 { return m.automaton.Mask(m.state) }

// MayEnd says whether the answer has the form as it is.
func (m *Matcher) MayEnd() bool { return m.automaton.Accepts(m.state) }

// MustEnd says whether nothing may follow.
func (m *Matcher) MustEnd() bool { return m.automaton.Complete(m.state) }

// Accept takes note of a token and says whether the form allows it; if not, the matcher stays where it was.
func (m *Matcher) Accept(token int32) bool {
	tokens := m.automaton.vocab.tokens
	if token < 0 || int(token) >= len(tokens) || len(tokens[token]) == 0 {
		return false
	}
	next, ok := m.automaton.Advance(m.state, tokens[token])
	if ok {
		m.state = next
	}
	return ok
}
