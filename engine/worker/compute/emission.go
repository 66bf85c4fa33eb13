package compute

import "github.com/qwenvld/qwenvld/engine"

// emission sends events, each with the log-probabilities of the tokens whose text has been shown with it.
type emission struct {
	out       *mailbox
	generated int // bytes of all tokens so far
	// withheld are tokens whose bytes have not all been shown, ends the number of bytes after each.
	withheld []engine.Token
	ends     []int
	// timing goes with the next event, nil where that was told.
	timing *engine.Timing
}

// withhold keeps the log-probabilities of the token that was generated last, whose bytes are b, and of the others that
// could have been.
func (e *emission) withhold(token int32, b []byte, own float64, others []engine.TopToken, v Vocabulary) {
	for i := range others {
		others[i].Bytes = v.Bytes(others[i].ID)
	}
	e.withheld = append(e.withheld, engine.Token{ID: token, Bytes: b, Logprob: own, Top: others})
	e.ends = append(e.ends, e.generated)
}

// send sends ev with the tokens that end within the first shown bytes, unless there is nothing to say.
func (e *emission) send(ev engine.Event, shown int) {
	n := 0
	for n < len(e.ends) && e.ends[n] <= shown {
		n++
	}
	if ev.Text == "" && n == 0 && ev.Result == nil {
		return
	}
	ev.Timing, e.timing = e.timing, nil
	ev.Tokens = e.withheld[:n:n]
	e.withheld, e.ends = e.withheld[n:], e.ends[n:]
	e.out.put(ev)
}
