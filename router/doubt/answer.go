package doubt

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Cause is why an answer had better be given again by the thinking weights.
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
	// Cut says that it ended by length, Misformed that it does not have the form that was asked for.
	Cut, Misformed bool
	// MeanLogprob is that of its tokens, NaN if unknown.
	MeanLogprob float64
	// Kind is what the request was about.
	Kind string
}

const (
	// usual is how many answers of a kind are remembered, and settled how many there must be before one can be unusual.
	usual, settled = 512, 100
	// unusualShare is the share of a kind's answers whose mean log-probability is too low.
	unusualShare = 0.05
)

// Watch finds answers that had better be given again. What is unlikely is learnt from the answers that it has seen, for each kind of
// request apart. It is safe for concurrent use.
type Watch struct {
	causes []Cause

	mu     sync.Mutex
	byKind map[string]*usualAnswers
}

// usualAnswers are the mean log-probabilities of a kind's latest answers, the oldest overwritten first.
type usualAnswers struct {
	means []float64
	next  int
}

// NewWatch returns a Watch for the given causes.
func NewWatch(causes []Cause) *Watch {
	return &Watch{causes: causes, byKind: map[string]*usualAnswers{}}
}

// Needs says whether answers are judged by c.
func (w *Watch) Needs(c Cause) bool { return slices.Contains(w.causes, c) }

// Judge returns the surest cause to answer again, "" if there is none, and remembers how likely the answer was.
func (w *Watch) Judge(a *Answer) Cause {
	unlikely := w.unlikely(a)
	for _, c := range Causes() {
		if !w.Needs(c) {
			continue
		}
		switch {
		case c == CauseForm && a.Misformed, c == CauseLoop && Loops(a.Text), c == CauseLength && a.Cut, c == CauseLogprob && unlikely:
			return c
		}
	}
	return ""
}

func (w *Watch) unlikely(a *Answer) bool {
	if a.MeanLogprob != a.MeanLogprob {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	u := w.byKind[a.Kind]
	if u == nil {
		u = &usualAnswers{}
		w.byKind[a.Kind] = u
	}
	below := 0
	for _, m := range u.means {
		if m <= a.MeanLogprob {
			below++
		}
	}
	unlikely := len(u.means) >= settled && float64(below) < unusualShare*float64(len(u.means))
	if len(u.means) < usual {
		u.means = append(u.means, a.MeanLogprob)
	} else {
		u.means[u.next] = a.MeanLogprob
		u.next = (u.next + 1) % usual
	}
	return unlikely
}

const (
	// loopBytes and loopTimes are the least that repetitions take together, and their least number: shorter ones are tables and lists.
	loopBytes, loopTimes = 300, 6
	// loopPeriod is the longest repetition that is found, in bytes.
	loopPeriod = 512
)

// Loops reports whether the end of text only repeats itself.
func Loops(text string) bool {
	text = strings.TrimRight(text, " \n")
	for period := 1; period <= loopPeriod; period++ {
		length := max(loopBytes, loopTimes*period)
		if length > len(text) {
			return false
		}
		end := text[len(text)-length:]
		if end[period:] == end[:length-period] {
			return true
		}
	}
	return false
}
