package backlog

import (
	"errors"
	"testing"
	"time"
)

// A prompt comes in time or not by what is before it, what it takes itself, and how many are worked on side by side.
func TestAFirstTokenThatWouldComeTooLateIsRefused(t *testing.T) {
	type there struct {
		w                Work
		begun, answering bool
	}
	waiting := func(w Work) there { return there{w: w} }
	picture, short := Work{Images: 1}, Work{Text: 100} // 5 s and 1 s
	for name, c := range map[string]struct {
		there   []there
		w       Work
		within  time.Duration
		slots   int
		before  time.Duration // -1 where it is let in
		retryIn time.Duration
	}{
		"alone":                            {w: Work{Images: 9}, within: time.Second, before: -1},
		"nobody says when":                 {there: []there{waiting(Work{Images: 9})}, w: short, before: -1},
		"in time":                          {there: []there{waiting(picture)}, w: picture, within: 11 * time.Second, before: -1},
		"late":                             {there: []there{waiting(picture)}, w: picture, within: 4 * time.Second, before: 5 * time.Second, retryIn: 5 * time.Second},
		"late for a while":                 {there: []there{waiting(picture), waiting(picture)}, w: picture, within: 8 * time.Second, before: 10 * time.Second, retryIn: 5 * time.Second},
		"it overtakes a longer one":        {there: []there{waiting(Work{Images: 9})}, w: short, within: 2 * time.Second, before: -1},
		"a prompt that is over":            {there: []there{{picture, true, true}}, w: short, within: 2 * time.Second, before: -1},
		"a prompt that is being read":      {there: []there{{short, true, false}}, w: short, within: time.Second, before: time.Second, retryIn: 750 * time.Millisecond},
		"its own prompt takes too long":    {there: []there{waiting(short)}, w: picture, within: 2 * time.Second, before: time.Second, retryIn: time.Second},
		"all slots are taken":              {there: []there{{picture, true, true}, {short, true, true}}, w: short, within: 2 * time.Second, slots: 2, before: 2 * time.Second, retryIn: 500 * time.Millisecond},
		"one slot is left":                 {there: []there{{picture, true, true}, {short, true, true}}, w: short, within: 2 * time.Second, slots: 3, before: -1},
		"all slots are taken, for a while": {there: []there{{picture, true, true}, {short, true, true}}, w: short, within: 3 * time.Second, slots: 2, before: -1},
	} {
		m := taught(t)
		m.delay = delay{} // what came before tells nothing of when first tokens come
		for _, o := range c.there {
			it := enter(t, m, "a", o.w)
			if o.begun {
				it.Begin()
			}
			it.answering = o.answering
		}
		it, err := m.Enter("a", c.w, Bounds{First: c.within, Slots: c.slots})
		var late *LateError
		switch {
		case c.before < 0:
			if err != nil || it == nil {
				t.Errorf("%s: %v", name, err)
			}
		case !errors.As(err, &late):
			t.Errorf("%s: let in, %v", name, err)
		case !near(late.Before, c.before) || late.Within != c.within || !near(late.RetryIn, c.retryIn):
			t.Errorf("%s: %+v", name, late)
		}
	}
}

// Answers go on beside prompts. By how much that holds up first tokens is learnt from those that came.
func TestFirstTokensAreExpectedAsLateAsTheyCame(t *testing.T) {
	m := taught(t)
	for range 30 {
		it := enter(t, m, "a", Work{Images: 1})
		it.Begin()
		m.pass(10 * time.Second) // twice as long as it takes
		it.First()
		it.First()
		it.End(nil)
	}
	enter(t, m, "a", Work{Images: 1})
	var late *LateError
	if _, err := m.Enter("a", Work{Images: 1}, Bounds{First: 12 * time.Second}); !errors.As(err, &late) ||
		!near(late.Before, 10*time.Second) || !near(late.Own, 10*time.Second) {
		t.Errorf("%v", err)
	}
	if _, err := m.Enter("a", Work{Images: 1}, Bounds{First: 18 * time.Second}); err != nil {
		t.Errorf("about in time: %v", err)
	}
}

// After the time that is told, it is in time.
func TestWhoComesBackWhenToldIsLetIn(t *testing.T) {
	m := taught(t)
	var there []*Item
	for range 4 {
		there = append(there, enter(t, m, "a", Work{Images: 1}))
	}
	bounds := Bounds{First: 10 * time.Second}
	_, err := m.Enter("b", Work{Images: 1}, bounds)
	var late *LateError
	if !errors.As(err, &late) {
		t.Fatal(err)
	}
	for until := m.at.Add(late.RetryIn); m.at.Before(until); there = there[1:] {
		there[0].Begin()
		m.pass(5 * time.Second)
		there[0].First()
		there[0].End(nil)
	}
	if _, err := m.Enter("b", Work{Images: 1}, bounds); err != nil {
		t.Errorf("after %v: %v", late.RetryIn, err)
	}
}

func TestAPromptMustBeBegunBeforeItsTimeIsUp(t *testing.T) {
	m := taught(t)
	m.delay = delay{}
	by := m.at.Add(time.Minute)
	if got := enter(t, m, "a", Work{Images: 1}).Latest(by); !near(by.Sub(got), 4*time.Second) { // 5 s, but for the doubt
		t.Errorf("%v before", by.Sub(got))
	}
	if got := (*Item)(nil).Latest(by); got != by {
		t.Errorf("nothing known: %v", got)
	}
}
