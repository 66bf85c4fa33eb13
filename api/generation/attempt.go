package generation

import (
	"context"
	"errors"
	"io"
	"math"
	"strings"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router/escalation"
)

// attempt is a variant that is to answer a request, and then does.
type attempt struct {
	decided  *Decided
	prepared Prepared
	places   int
	events   Events
	// release gives back the weights that are held for this attempt alone. It may be called more than once.
	release func()
	// now is closed when nobody wants to wait for more thoughts.
	now <-chan struct{}
	// whole is set when everything was waited for before any of it was passed on.
	whole bool
	// closed is set once nothing is held any more.
	closed bool
}

func (a *attempt) start(ctx context.Context, d Demand) *attempt {
	d.Places, d.Now = a.places, a.now
	a.events = a.prepared.Start(ctx, d)
	return a
}

// close gives back what the attempt holds. A nil attempt holds nothing, nor does one that was closed.
func (a *attempt) close() {
	switch {
	case a == nil || a.closed:
		return
	case a.events != nil:
		a.events.Close()
	default:
		a.prepared.Close()
	}
	a.release()
	a.closed = true
}

// closeBut closes those of two attempts that were not chosen; after a panic none was.
func closeBut(chosen, one, other *attempt) {
	for _, a := range []*attempt{one, other} {
		if a != chosen {
			a.close()
		}
	}
}

func (a *attempt) because(reason string) *attempt {
	a.decided = a.decided.withReason(reason)
	return a
}

// peek waits for the first n tokens of the first answer, or its end, and reads them. What has come stays to be read
// again. It reports false where an error came.
func (a *attempt) peek(n int) (first []escalation.TokenStats, ok bool) {
	var seen []Event
	var failed error
	for !ok {
		var ev Event
		if ev, failed = a.events.Next(); failed != nil {
			break
		}
		seen = append(seen, ev)
		if ev.Choice != 0 {
			continue
		}
		if ev.Kind == Progress {
			for i := range ev.Step.Tokens {
				if len(first) < n {
					first = append(first, escalation.StatsOf(candidates(&ev.Step.Tokens[i]), a.decided.decision.Options > 0))
				}
			}
		}
		ok = len(first) == n || ev.Kind == AnswerEnd
	}
	a.events = &replay{seen: seen, failed: failed, rest: a.events}
	return first, ok
}

func candidates(t *engine.Token) []escalation.Candidate {
	out := make([]escalation.Candidate, len(t.Top))
	for i := range t.Top {
		out[i] = escalation.Candidate{Text: string(t.Top[i].Bytes), Logprob: t.Top[i].Logprob}
	}
	return out
}

// readAll waits for everything, which stays to be read again.
func (a *attempt) readAll() []Event {
	a.whole = true
	r := &replay{rest: a.events}
	for {
		ev, err := a.events.Next()
		if err != nil {
			r.failed = err
			break
		}
		r.seen = append(r.seen, ev)
	}
	a.events = r
	return r.seen
}

func steps(all []Event) int {
	n := 0
	for i := range all {
		if all[i].Kind == Progress || all[i].Kind == Started {
			n++
		}
	}
	return n
}

// judged is what there is to judge of a whole answer; without a result it has failed.
func (a *attempt) judged(all []Event) (*escalation.Answer, *engine.Result) {
	if r := a.events.(*replay); !errors.Is(r.failed, io.EOF) {
		return nil, nil
	}
	var text strings.Builder
	var result *engine.Result
	sum, n := 0.0, 0
	for i := range all {
		if all[i].Kind != Progress {
			continue
		}
		s := all[i].Step
		text.WriteString(s.Text)
		for j := range s.Tokens {
			sum += s.Tokens[j].Logprob
			n++
		}
		if s.Result != nil {
			result = s.Result
		}
	}
	if result == nil {
		return nil, nil
	}
	out := &escalation.Answer{
		Text: text.String(), Truncated: result.FinishReason == engine.FinishLength, MeanLogprob: math.NaN(), Kind: a.decided.decision.Kind,
	}
	if n > 0 {
		out.MeanLogprob = sum / float64(n)
	}
	if req := a.decided.Request; req.Constrained() && result.StopString == "" {
		out.Malformed = out.Truncated || !req.Loose && CheckSchema(req.Constraint, []byte(out.Text)) != nil
	}
	return out, result
}
