package backlog

import (
	"fmt"
	"slices"
	"time"
)

// LateError refuses a request whose first token cannot be expected in time.
type LateError struct {
	// Before is how long it takes until its prompt would be worked on alone, Own how long its prompt takes, Within how
	// long they may take together.
	Before, Own, Within time.Duration
	// RetryIn is how long it takes until the first token would come in time, or until nothing is there any more.
	RetryIn time.Duration
}

func (e *LateError) Error() string {
	return fmt.Sprintf("the first token is expected in %v, %v of which the prompt takes, and must come within %v",
		(e.Before + e.Own).Round(time.Second), e.Own.Round(time.Second), e.Within.Round(time.Second))
}

// benefit is how much sooner than predicted a first token may come for its request to be let in.
const benefit = 1.25

// late refuses a request whose first token is predicted to come after within. One that is alone is let in: so what is
// known of prompts never keeps all of them out, however wrong it is.
func (b *Backlog) late(it *Item, within time.Duration) error {
	if within <= 0 || len(b.items) == 0 {
		return nil
	}
	before, own := b.delay.of(b.before(it)), b.delay.of(it.prompt)
	reach := time.Duration(benefit * float64(within))
	if before+own <= reach {
		return nil
	}
	total := time.Duration(0)
	for o := range b.items {
		total += b.left(o)
	}
	return &LateError{Before: before, Own: own, Within: within, RetryIn: min(total, before+own-reach)}
}

// before is how long the weights work on others, and on nothing of it, before a request's first token.
func (b *Backlog) before(it *Item) (prompts time.Duration) {
	due := it.entered.Add(it.prompt)
	working := make([]time.Duration, 0, len(b.items))
	for o := range b.items {
		if o == it {
			continue
		}
		working = append(working, b.left(o))
		if !o.answering && !o.entered.Add(o.prompt).After(due) {
			prompts += b.promptLeft(o)
		}
	}
	return max(prompts, slotFree(working, it.slots))
}

// promptLeft is how long the prompt of a request still takes whose first token has not come.
func (b *Backlog) promptLeft(it *Item) time.Duration {
	if !it.working {
		return it.prompt
	}
	return max(0, it.prompt-(b.clock-it.since))
}

// slotFree is how long it takes until fewer than slots requests are there, where all of them are worked on equally.
func slotFree(left []time.Duration, slots int) (wait time.Duration) {
	if slots <= 0 || len(left) < slots {
		return 0
	}
	slices.Sort(left)
	last := left[len(left)-slots] // which has to end, after all that are shorter
	for _, d := range left {
		wait += min(d, last)
	}
	return wait
}

// First says that the first token of the request has come. Calling it again, or on nil, does nothing.
func (it *Item) First() {
	if it == nil {
		return
	}
	b := it.backlog
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, there := b.items[it]; !there || !it.working || it.answering {
		return
	}
	b.tick()
	it.answering = true
	b.delay.learn(b.at.Sub(it.begun), it.first)
}

// Latest is when the request must be worked on at the latest for its first token to come by a time.
func (it *Item) Latest(by time.Time) time.Time {
	if it == nil {
		return by
	}
	b := it.backlog
	b.mu.Lock()
	defer b.mu.Unlock()
	own := time.Duration(float64(b.delay.of(it.prompt)) / benefit)
	return by.Add(-own)
}

// delay is by what factor first tokens come later than the work before them and their prompts take: answers go on
// beside. The zero value knows none.
type delay struct {
	factor float64
}

func (d *delay) of(work time.Duration) time.Duration {
	if d.factor == 0 {
		return work
	}
	return time.Duration(d.factor * float64(work))
}

// learn takes in when a first token came, and the work that it had been taken for.
func (d *delay) learn(took, work time.Duration) {
	const follow, surprise = 0.2, 4
	if work <= 0 {
		return
	}
	if d.factor == 0 {
		d.factor = 1
	}
	seen := min(max(float64(took)/float64(work), d.factor/surprise), d.factor*surprise)
	d.factor += follow * (seen - d.factor)
}
