// Package pace decides how many threads compute the next step of decoding. Threads of a step wait for each other at
// each node of a graph, so on a machine that others use too, or for a model so small that waiting costs more than the
// work, fewer are faster.
//
// It must not measure, compute or start threads: it is told how long steps took and answers with a number.
package pace

import "time"

const (
	// mostRows is how many rows a step of decoding has at most. Those with more read a prompt: there is so much to do
	// between two waits that all threads pay.
	mostRows = 16

	// The present pace is judged by so many steps, and seconds, whichever is more: what others on the machine do shows
	// over times in which the system lets them run.
	windowSteps, windowTime = 8, 0.1
	mostSteps               = 512
	fresh                   = 4 // steps that show that something has changed; no trial begins with fewer

	// A trial of another number of threads likewise. One that takes hopeless times the usual duration ends after half
	// its steps.
	trialSteps, trialTime = 4, 0.05
	hopeless              = 1.5

	// A trial with more threads must save something to be worth a core, one with fewer need only not lose.
	gainUp, gainDown = 0.92, 0.98

	// What trials may cost, as a share of the time.
	costUp, costDown = 0.03, 0.015

	soonest, latest = 16, 1024 // steps between two trials
	following       = 8        // steps after a trial that was a success

	slower, faster = 1.3, 0.85 // times the usual duration: the machine has changed

	stale = 64 // steps of other sizes after which what is known of a size may have changed
)

// Pace chooses among numbers of threads. It is for one goroutine. What it needs to know of steps is kept for each
// number of rows, since these take different times.
type Pace struct {
	levels []int // numbers of threads, falling
	lanes  [mostRows + 1]lane
	last   int // rows of the last step of decoding
	steps  int
}

// lane is what is known of steps with one number of rows.
type lane struct {
	level  int       // index of the number of threads
	recent []float64 // seconds of the newest steps at it
	usual  float64   // mean of steps at it, which follows slowly
	since  int       // steps since the last trial
	wait   int       // steps from one trial to the next
	up     bool      // whether that one is with more threads
	trial  []float64 // steps of a trial under way
	trying bool
	seen   int // the step of all at which there was one of these
}

// New returns a Pace of at most so many threads. It begins with all of them.
func New(most int) *Pace {
	p := &Pace{}
	for n := max(1, most); ; n = max(1, n*3/4) {
		p.levels = append(p.levels, n)
		if n == 1 {
			return p
		}
	}
}

// Threads says how many a step of so many rows takes.
func (p *Pace) Threads(rows int) int {
	if rows > mostRows || rows < 1 {
		return p.levels[0]
	}
	l := &p.lanes[rows]
	switch {
	case l.seen == 0:
		l.level, l.wait = p.lanes[p.last].level, soonest
	case p.last != rows && p.steps-l.seen > stale:
		l.recent, l.trying, l.wait = l.recent[:0], false, fresh
	}
	if l.trying {
		return p.levels[p.other(l)]
	}
	return p.levels[l.level]
}

// Took tells how long a step took that was computed with as many threads as Threads said.
func (p *Pace) Took(rows int, d time.Duration) {
	if rows > mostRows || rows < 1 {
		return
	}
	l := &p.lanes[rows]
	p.steps++
	p.last, l.seen = rows, p.steps
	if l.trying {
		l.trial = append(l.trial, d.Seconds())
		p.judge(l)
		return
	}
	l.recent = append(l.recent, d.Seconds())
	for n := len(l.recent); n > mostSteps || n > windowSteps && sum(l.recent[1:]) > windowTime; n-- {
		l.recent = l.recent[1:]
	}
	p.follow(l, d.Seconds())
}

// follow sees whether it is time for a trial.
func (p *Pace) follow(l *lane, seconds float64) {
	const slowly = 1.0 / 32
	if l.usual += slowly * (seconds - l.usual); len(l.recent) < windowSteps {
		l.usual = mean(l.recent)
	}
	l.since++
	if len(p.levels) == 1 || len(l.recent) < fresh {
		return
	}
	now := mean(l.recent[len(l.recent)-fresh:])
	switch changed := l.since >= min(l.wait, max(soonest, l.wait/4)); {
	case l.since >= l.wait:
	case changed && now > slower*l.usual:
		l.up = false
	case changed && now < faster*l.usual:
		l.up = true
	default:
		return
	}
	if l.level == 0 {
		l.up = false
	} else if l.level == len(p.levels)-1 {
		l.up = true
	}
	l.trying, l.trial = true, l.trial[:0]
}

// other is the level of a trial.
func (p *Pace) other(l *lane) int {
	if l.up {
		return l.level - 1
	}
	return l.level + 1
}

// judge ends a trial that has shown enough.
func (p *Pace) judge(l *lane) {
	got, want := mean(l.trial), mean(l.recent)
	n, bad := len(l.trial), got >= hopeless*want
	if n < trialSteps/2 || !bad && n < mostSteps && (n < trialSteps || sum(l.trial) < trialTime) {
		return
	}
	gain, cost := gainDown, costDown
	if l.up {
		gain, cost = gainUp, costUp
	}
	l.trying, l.since = false, 0
	if got < gain*want {
		l.level = p.other(l)
		l.recent = append(l.recent[:0], l.trial...)
		l.usual, l.wait = got, following
		return
	}
	lost := max(0, got-want) * float64(len(l.trial))
	l.usual, l.wait = want, min(max(soonest, int(lost/(cost*want))), latest)
	l.up = !l.up
}

func mean(x []float64) float64 { return sum(x) / float64(len(x)) }

func sum(x []float64) float64 {
	total := 0.0
	for _, v := range x {
		total += v
	}
	return total
}
