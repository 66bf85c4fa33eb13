package backlog

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// machine is a clock, and a Backlog that reads it.
type machine struct {
	at time.Time
	*Backlog
}

func newMachine() *machine {
	m := &machine{at: time.Unix(1e9, 0)}
	m.Backlog = New(func() time.Time { return m.at })
	return m
}

func (m *machine) pass(d time.Duration) { m.at = m.at.Add(d) }

func enter(t *testing.T, m *machine, client string, w Work) *Item {
	t.Helper()
	it, err := m.Enter(client, w, Bounds{Most: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return it
}

// taught knows that a request takes a second for a hundred tokens of text and five for a picture.
func taught(t *testing.T) *machine {
	t.Helper()
	m := newMachine()
	for i := range 200 {
		w := Work{Text: float64(100 + 50*(i%5)), Images: float64(i % 3)}
		it := enter(t, m, "a", w)
		it.Begin()
		m.pass(time.Duration((w.Text/100 + 5*w.Images) * float64(time.Second)))
		it.End(&w)
	}
	return m
}

func near(a, b time.Duration) bool {
	return math.Abs(float64(a-b)) < 0.05*float64(b)+float64(time.Millisecond)
}

func TestRequestsTakeWhatTheirPartsTook(t *testing.T) {
	m := taught(t)
	waiting := enter(t, m, "a", Work{Text: 300, Images: 2})
	if got := m.Wait(); !near(got, 13*time.Second) {
		t.Errorf("%v", got)
	}
	second := enter(t, m, "b", Work{Text: 200})
	waiting.Begin()
	second.Begin()
	m.pass(2 * time.Second) // of which each has one
	if got := m.Wait(); !near(got, 13*time.Second) {
		t.Errorf("%v of 13 and 2 s are left after 2 s", got)
	}
	m.pass(30 * time.Second)
	if got := m.Wait(); got <= 0 || got > 3*time.Second {
		t.Errorf("%v are left of what takes longer than was thought", got)
	}
	waiting.End(nil)
	waiting.End(&Work{Text: 1}) // which does nothing
	second.End(nil)
	if got := m.Wait(); got != 0 {
		t.Errorf("%v are left of nothing", got)
	}
}

func TestOneTooManyIsRefusedWithTheTimeThatItTakes(t *testing.T) {
	m := taught(t)
	const most = 40 * time.Second
	var there []*Item
	var full *FullError
	for {
		it, err := m.Enter("a", Work{Images: 2}, Bounds{Most: most})
		if err != nil {
			if !errors.As(err, &full) {
				t.Fatal(err)
			}
			break
		}
		there = append(there, it)
	}
	if len(there) != 4 && len(there) != 3 || !near(full.Wait, time.Duration(len(there))*10*time.Second) {
		t.Fatalf("%d requests of 10 s within 40 s, %+v", len(there), full)
	}
	if _, err := m.Enter("b", Work{Images: 1}, Bounds{Most: most}); err != nil {
		t.Errorf("somebody who has nothing there: %v", err)
	}
	for _, it := range there {
		it.Begin()
	}
	m.pass(full.RetryIn + 6*time.Second) // the other one's work came between
	if _, err := m.Enter("a", Work{Images: 2}, Bounds{Most: most}); err != nil {
		t.Errorf("after the time that was told: %v", err)
	}
}

func TestNothingIsRefusedByGuess(t *testing.T) {
	m := newMachine()
	for range 100 {
		it := enter(t, m, "a", Work{Text: 1e6, Images: 50})
		it.Begin()
		m.pass(time.Hour)
		if _, err := m.Enter("a", Work{Text: 1e6}, Bounds{Most: 1, First: 1}); err != nil {
			t.Fatal("it is not known what anything costs")
		}
	}
	m = taught(t)
	if _, err := m.Enter("a", Work{Images: 1000}, Bounds{Most: time.Second, First: time.Second}); err != nil {
		t.Errorf("alone: %v", err)
	}
}

func TestAnswersAreAsLongAsTheyWereUnlessTheyAreBounded(t *testing.T) {
	m := newMachine()
	for range 20 {
		it := enter(t, m, "a", Work{})
		it.Begin()
		m.pass(10 * time.Second)
		it.End(&Work{Answer: 200})
	}
	for bound, want := range map[float64]time.Duration{0: 10 * time.Second, 5000: 10 * time.Second, 100: 5 * time.Second} {
		it := enter(t, m, "a", Work{Answer: bound})
		if got := m.Wait(); !near(got, want) {
			t.Errorf("at most %g: %v", bound, got)
		}
		it.End(nil)
	}
}

// A picture takes as long as its size says where that is known, and otherwise as long as pictures took.
func TestPicturesTakeByTheirSize(t *testing.T) {
	m := newMachine()
	for i := range 200 {
		w := Work{Text: float64(100 * (i % 3)), Images: 2, Sized: 2, ImageTokens: float64(500 + 1000*(i%4))}
		it := enter(t, m, "a", w)
		it.Begin()
		m.pass(time.Duration((w.Text/100 + w.ImageTokens/500) * float64(time.Second)))
		it.End(&w)
	}
	for name, c := range map[string]struct {
		w           Work
		least, most time.Duration
	}{
		"small":        {Work{Images: 1, Sized: 1, ImageTokens: 250}, 300 * time.Millisecond, 900 * time.Millisecond},
		"large":        {Work{Images: 1, Sized: 1, ImageTokens: 8000}, 12 * time.Second, 20 * time.Second},
		"unknown":      {Work{Images: 2}, 3 * time.Second, 6 * time.Second}, // as two that were about 1,000 each
		"one of three": {Work{Images: 3, Sized: 1, ImageTokens: 8000}, 15 * time.Second, 27 * time.Second},
	} {
		it := enter(t, m, "a", c.w)
		if got := m.Wait(); got < c.least || got > c.most {
			t.Errorf("%s: %v", name, got)
		}
		it.End(nil)
	}
}

// Whatever comes and goes, the parts of requests get as much time as has passed, and predictions come to add up to it.
func TestTimeIsGivenOutOnce(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		m := newMachine()
		type running struct {
			it    *Item
			w     Work
			needs float64
		}
		var all []*running
		predicted, busy := 0.0, 0.0
		for step := range 4000 {
			if len(all) < 6 && rng.IntN(3) == 0 {
				w := Work{Text: float64(rng.IntN(2000)), Images: float64(rng.IntN(3)), Answer: float64(1 + rng.IntN(300)), Cached: float64(rng.IntN(2)) / 2}
				r := &running{it: enter(t, m, "a", w), w: w, needs: (1-w.Cached)*(w.Text/500+3*w.Images) + w.Answer/50}
				r.it.Begin()
				all = append(all, r)
				if step > 2000 {
					predicted += r.it.takes.Seconds()
				}
			}
			if len(all) == 0 {
				m.pass(time.Second)
				continue
			}
			m.pass(100 * time.Millisecond)
			if step > 2000 {
				busy += 0.1
			}
			rest := all[:0]
			for _, r := range all {
				if r.needs -= 0.1 / float64(len(all)); r.needs > 0 {
					rest = append(rest, r)
				} else {
					r.it.End(&r.w)
				}
			}
			all = rest
		}
		if ratio := predicted / busy; ratio < 0.7 || ratio > 1.4 {
			t.Errorf("seed %d: %.0f s were predicted, %.0f s taken", seed, predicted, busy)
		}
	}
}
