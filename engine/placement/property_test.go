package placement

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/engine"
)

// world drives a plan at random.
type world struct {
	bench
	random  *rand.Rand
	tickets []*Ticket
}

// TestWhateverHappensThePlanHolds checks after each of many random events that memory suffices, that nobody's weights
// are taken away, and in the end that everybody is served who can be.
func TestWhateverHappensThePlanHolds(t *testing.T) {
	for seed := range uint64(100) {
		w := newWorld(t, seed)
		for range 200 {
			w.event()
			w.decide()
		}
		w.settle()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func newWorld(t *testing.T, seed uint64) *world {
	r := rand.New(rand.NewPCG(seed, 1))
	units := turn(pinned("i", 1+r.Int64N(3)), pinned("t", 1+r.Int64N(3)))
	if r.IntN(2) == 0 {
		units = nil
	}
	if r.IntN(2) == 0 {
		units = append(units, pinned("p", 1+r.Int64N(3)))
	}
	for i := range 1 + r.IntN(5) {
		u := lazy(fmt.Sprint("l", i), r.Int64N(6))
		u.Need.Mapped = map[string]int64{fmt.Sprint("f", r.IntN(3)): 2}
		u.Absent = r.IntN(4) == 0
		u.KeepAlive = time.Duration(r.IntN(4)-1) * time.Minute
		units = append(units, u)
	}
	return &world{bench: *newBench(t, 10, units...), random: r}
}

func (w *world) event() {
	id := w.plan.units[w.random.IntN(len(w.plan.units))].ID
	switch n := w.random.IntN(12); {
	case n < 4:
		w.tickets = append(w.tickets, w.ask(id))
	case n < 7 && len(w.tickets) > 0:
		w.leaveOne(w.random.IntN(len(w.tickets)))
	case n < 9 && len(w.open) > 0:
		i := w.random.IntN(len(w.open))
		a := w.open[i]
		w.open = append(w.open[:i:i], w.open[i+1:]...)
		if a.Deed != Unload && w.random.IntN(4) == 0 {
			w.plan.Failed(a.ID, "by chance", w.now)
		} else {
			w.end(a)
		}
	case n == 9:
		w.plan.Dismiss(id)
	case n == 10 && w.state(id) == engine.StateReady && w.random.IntN(3) == 0:
		w.plan.Failed(id, "the worker is given up", w.now) // its users find out by themselves
	default:
		w.pass(time.Duration(w.random.IntN(90)) * time.Second)
	}
}

func (w *world) leaveOne(i int) {
	var keep *time.Duration
	if w.random.IntN(3) == 0 {
		keep = new(time.Duration(w.random.IntN(3)-1) * time.Minute)
	}
	w.plan.Withdraw(w.tickets[i], keep, w.now)
	w.tickets = append(w.tickets[:i:i], w.tickets[i+1:]...)
}

// decide lets the plan decide and checks what it decided.
func (w *world) decide() {
	before := map[string]Status{}
	for _, u := range w.plan.units {
		before[u.ID] = w.plan.Status(u.ID, w.now)
	}
	begun := map[string]bool{}
	for _, a := range w.open {
		begun[a.ID] = true
	}
	for _, a := range w.plan.Step(w.now) {
		if begun[a.ID] {
			w.t.Errorf("%v while something else is being done to it", a)
		}
		begun[a.ID] = true
		if s := before[a.ID]; a.Deed == Unload && s.Users > 0 {
			w.t.Errorf("%s is unloaded, %d use it", a.ID, s.Users)
		}
		w.open = append(w.open, a)
	}
	if len(w.plan.Step(w.now)) > 0 {
		w.t.Error("a second step finds more to do")
	}
	w.check()
}

func (w *world) check() {
	var loaded []*unit
	turns := 0
	for _, u := range w.plan.units {
		if !u.occupies() {
			continue
		}
		loaded = append(loaded, u)
		if u.Turn != "" {
			turns++
		}
	}
	if sum := together(needs(loaded)); sum[Host] > w.plan.budget[Host] {
		w.t.Errorf("%d of %d bytes are taken", sum[Host], w.plan.budget[Host])
	}
	if turns > 1 {
		w.t.Error("two units have their turn")
	}
	granted := map[*unit]int{}
	for _, ticket := range w.tickets {
		u := ticket.unit
		if ticket.granted {
			granted[u]++
		}
		if ticket.granted && ticket.refused != nil {
			w.t.Error("granted and refused")
		}
		if waits := !ticket.granted && ticket.refused == nil; waits && u.grants() {
			w.t.Errorf("somebody waits for %s, which is there", u.ID)
		}
	}
	for _, u := range w.plan.units {
		if u.users != granted[u] {
			w.t.Errorf("%s has %d users, %d tickets say so", u.ID, u.users, granted[u])
		}
	}
}

// settle lets all that is open end well and all users leave: then nobody waits any more.
func (w *world) settle() {
	for range 1000 {
		for i := 0; i < len(w.tickets); {
			if w.tickets[i].granted || w.tickets[i].refused != nil {
				w.leaveOne(i)
			} else {
				i++
			}
		}
		w.done()
		w.decide()
		if len(w.tickets) == 0 && len(w.open) == 0 {
			return
		}
		if at, ok := w.plan.Next(); ok && len(w.open) == 0 && at.After(w.now) {
			w.now = at
			w.decide()
		}
	}
	for _, ticket := range w.tickets {
		w.t.Errorf("somebody waits for %s for ever: %+v", ticket.unit.ID, w.plan.Status(ticket.unit.ID, w.now))
	}
}
