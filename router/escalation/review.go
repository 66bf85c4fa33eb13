package escalation

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/qwenvld/qwenvld/internal/repetition"
)

// Cause is why the thinking weights had better answer again.
type Cause string

// Causes, the surest first.
const (
	CauseForm    Cause = "form"    // it does not have the form that was asked for
	CauseLoop    Cause = "loop"    // it only repeats itself at its end
	CauseLength  Cause = "length"  // it was cut
	CauseLogprob Cause = "logprob" // its tokens were unlikely, for requests of its kind
)

// Causes lists all of them, the surest first.
func Causes() []Cause { return []Cause{CauseForm, CauseLoop, CauseLength, CauseLogprob} }

// ParseCauses accepts the names that Causes lists.
func ParseCauses(names []string) ([]Cause, error) {
	out := make([]Cause, 0, len(names))
	for _, n := range names {
		if !slices.Contains(Causes(), Cause(n)) {
			return nil, fmt.Errorf("%q is none of form, loop, length, logprob", n)
		}
		out = append(out, Cause(n))
	}
	return out, nil
}

// Answer is a whole answer of the instruct weights.
type Answer struct {
	Text string
	// Truncated says that the answer ended because it had reached the most tokens it may have.
	Truncated bool
	// Malformed says that the answer does not have the form that was asked for.
	Malformed bool
	// MeanLogprob is the mean log-probability of the answer's tokens, NaN if it is unknown.
	MeanLogprob float64
	// Kind is what the request is about, in the words of the router's scorer.
	Kind string
}

const (
	// historySize is how many answers of a kind are remembered.
	historySize = 512
	// minHistory is how many answers of a kind must be remembered before one of them can be called unlikely.
	minHistory = 100
	// unlikelyShare is the share of a kind's answers that count as unlikely: those with the lowest means.
	unlikelyShare = 0.05
)

// Reviewer finds answers that had better be given again. It learns what is unlikely from the answers that it has
// reviewed, apart for each kind of request. It is safe for concurrent use.
type Reviewer struct {
	causes []Cause

	mu     sync.Mutex
	byKind map[string]*history
}

// history is a ring of the mean log-probabilities of a kind's latest answers: the oldest is overwritten first.
type history struct {
	means []float64
	next  int
}

// NewReviewer returns a Reviewer that looks for the given causes.
func NewReviewer(causes []Cause) *Reviewer {
	return &Reviewer{causes: causes, byKind: map[string]*history{}}
}

// Checks reports whether the Reviewer looks for c.
func (r *Reviewer) Checks(c Cause) bool { return slices.Contains(r.causes, c) }

// Review returns the surest cause to answer again, "" if there is none, and remembers how likely the answer was.
func (r *Reviewer) Review(a *Answer) Cause {
	unlikely := r.rank(a)
	for _, c := range Causes() {
		if !r.Checks(c) {
			continue
		}
		switch {
		case c == CauseForm && a.Malformed, c == CauseLoop && Loops(a.Text), c == CauseLength && a.Truncated, c == CauseLogprob && unlikely:
			return c
		}
	}
	return ""
}

// rank adds the answer to the history of its kind, and returns whether it is among the unlikely ones of that history.
func (r *Reviewer) rank(a *Answer) (unlikely bool) {
	if math.IsNaN(a.MeanLogprob) {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.byKind[a.Kind]
	if h == nil {
		h = &history{}
		r.byKind[a.Kind] = h
	}
	below := 0
	for _, m := range h.means {
		if m <= a.MeanLogprob {
			below++
		}
	}
	unlikely = len(h.means) >= minHistory && float64(below) < unlikelyShare*float64(len(h.means))
	if len(h.means) < historySize {
		h.means = append(h.means, a.MeanLogprob)
	} else {
		h.means[h.next] = a.MeanLogprob
		h.next = (h.next + 1) % historySize
	}
	return unlikely
}

const (
	// loopBytes and loopTimes are the least that repetitions take together, and their least number: shorter ones are
	// tables and lists.
	loopBytes, loopTimes = 300, 6
	// loopPeriod is the longest repetition that is found, in bytes.
	loopPeriod = 512
)

// Loops reports whether the end of text only repeats itself.
func Loops(text string) bool {
	text = strings.TrimRight(text, " \n")
	return repetition.AtEnd([]byte(text), repetition.Rule{
		Longest: loopPeriod, Length: func(part int) int { return max(loopBytes, loopTimes*part) },
	})
}
