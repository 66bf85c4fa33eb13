package placement

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/engine"
)

// bench is a plan with a clock, and with what it has asked for and not been told the end of.
type bench struct {
	t    *testing.T
	plan *Plan
	now  time.Time
	open []Action
}

func newBench(t *testing.T, budget int64, units ...Unit) *bench {
	t.Helper()
	p, err := New(units, Budget{Host: budget})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, plan: p, now: time.Unix(1e9, 0)}
	return b
}

// lazy is a unit of so many bytes that is kept for a minute.
func lazy(id string, bytes int64) Unit {
	return Unit{ID: id, Need: Need{Own: map[Device]int64{Host: bytes}}, KeepAlive: time.Minute}
}

func pinned(id string, bytes int64) Unit {
	u := lazy(id, bytes)
	u.Eager, u.Pinned, u.KeepAlive = true, true, -1
	return u
}

// turn makes units take turns: the first is loaded at the start.
func turn(units ...Unit) []Unit {
	for i := range units {
		units[i].Turn, units[i].Eager = "turn", i == 0
	}
	return units
}

// step lets the plan decide and gives what is to be done, as "load a".
func (b *bench) step() []string {
	actions := b.plan.Step(b.now)
	b.open = append(b.open, actions...)
	out := []string{}
	for _, a := range actions {
		out = append(out, []string{"fetch ", "load ", "unload "}[a.Deed]+a.ID)
	}
	return out
}

func (b *bench) wants(want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.step(), cmp.Transformer("empty", func(s []string) []string { return append([]string{}, s...) })); diff != "" {
		b.t.Errorf("at %v: %s", b.now.Unix()-1e9, diff)
	}
}

// done ends everything that was asked for, well.
func (b *bench) done() {
	open := b.open
	b.open = nil
	for _, a := range open {
		b.end(a)
	}
}

func (b *bench) end(a Action) {
	switch a.Deed {
	case Fetch:
		b.plan.Arrived(a.ID, b.plan.byID[a.ID].Need)
	case Load:
		b.plan.Loaded(a.ID, b.now)
	case Unload:
		b.plan.Unloaded(a.ID)
	}
}

func (b *bench) ask(id string) *Ticket { return b.plan.Ask(id, b.now) }

func (b *bench) leave(t *Ticket) { b.plan.Withdraw(t, nil, b.now) }

func (b *bench) pass(d time.Duration) { b.now = b.now.Add(d) }

func (b *bench) state(id string) engine.State { return b.plan.Status(id, b.now).State }

// use has a unit loaded, used and left.
func (b *bench) use(id string) {
	t := b.ask(id)
	for !t.Granted() {
		if b.step(); t.Refused() != nil || len(b.open) == 0 && !t.Granted() {
			b.t.Fatalf("%s: %v, %v", id, t.Refused(), b.state(id))
		}
		b.done()
	}
	b.leave(t)
	b.pass(time.Second)
}

func TestAUnitIsLoadedOnceHoweverManyAsk(t *testing.T) {
	b := newBench(t, 10, lazy("a", 5))
	b.wants()
	tickets := []*Ticket{b.ask("a"), b.ask("a"), b.ask("a")}
	b.wants("load a")
	tickets = append(tickets, b.ask("a"))
	b.wants()
	b.done()
	for _, ticket := range tickets {
		if !ticket.Granted() {
			t.Error("somebody waits still")
		}
	}
	if late := b.ask("a"); !late.Granted() {
		t.Error("loaded weights are waited for")
	}
}

func TestIdleUnitsAreUnloadedInTime(t *testing.T) {
	b := newBench(t, 10, lazy("a", 5))
	first := b.ask("a")
	b.step()
	b.done()
	b.pass(time.Hour)
	b.wants() // it is in use
	b.leave(first)
	b.wants()
	if at, ok := b.plan.Next(); !ok || at.Sub(b.now) != time.Minute {
		t.Errorf("next at %v, %v", at.Sub(b.now), ok)
	}
	b.pass(time.Minute - 1)
	b.wants()
	b.pass(1)
	b.wants("unload a")
	b.wants()
	late := b.ask("a")
	b.wants() // one thing after the other
	b.done()
	b.wants("load a")
	b.done()
	if !late.Granted() {
		t.Error("not loaded again")
	}
}

func TestAUserSaysHowLongAUnitIsKept(t *testing.T) {
	forever, atOnce := time.Duration(-1), time.Duration(0)
	b := newBench(t, 10, lazy("a", 5))
	ticket := b.ask("a")
	b.step()
	b.done()
	b.plan.Withdraw(ticket, &forever, b.now)
	b.pass(time.Hour)
	b.wants()
	if _, ok := b.plan.Next(); ok {
		t.Error("something is to happen")
	}
	b.plan.Withdraw(b.ask("a"), &atOnce, b.now)
	b.wants("unload a")
	b.done()
	b.use("a") // what was said has been forgotten
	b.pass(30 * time.Second)
	b.wants()

	b = newBench(t, 10, pinned("p", 5))
	b.wants("load p")
	b.done()
	b.plan.Withdraw(b.ask("p"), &atOnce, b.now)
	b.wants() // pinned units are the operator's
}

func TestTheUnitUsedLongestAgoGivesWay(t *testing.T) {
	b := newBench(t, 10, lazy("a", 4), lazy("b", 4), lazy("c", 4), lazy("big", 10))
	b.use("a")
	b.use("b")
	b.use("a")
	ticket := b.ask("c")
	b.wants("unload b")
	b.wants()
	b.done()
	b.wants("load c")
	b.done()
	if !ticket.Granted() || b.state("a") != engine.StateReady {
		t.Error("c should stand beside a")
	}
	b.leave(ticket)
	b.pass(time.Second)
	b.ask("big")
	b.wants("unload a", "unload c")
	b.done()
	b.wants("load big")
}

func TestWhatIsTooSmallToMatterStays(t *testing.T) {
	b := newBench(t, 10, lazy("small", 1), lazy("large", 8), lazy("new", 9))
	b.use("small")
	b.use("large")
	b.ask("new")
	b.wants("unload large")
}

func TestUsersAreWaitedForAndNewOnesComeAfter(t *testing.T) {
	b := newBench(t, 10, lazy("a", 6), lazy("b", 6))
	user := b.ask("a")
	b.step()
	b.done()
	waiter := b.ask("b")
	b.wants()
	if s := b.state("a"); s != engine.StateUnloading {
		t.Errorf("a is %s", s)
	}
	late := b.ask("a")
	b.wants()
	if late.Granted() {
		t.Error("b would wait for ever if a went on taking users")
	}
	b.leave(user)
	b.wants("unload a")
	b.done()
	b.wants("load b")
	b.done()
	if !waiter.Granted() || late.Granted() {
		t.Error("b comes first")
	}
	b.wants() // b is in use and is to give way
	b.leave(waiter)
	b.wants("unload b")
	b.done()
	b.wants("load a")
	b.done()
	if !late.Granted() {
		t.Error("a was not loaded again")
	}
}

func TestAUnitStaysWhenWhoWantedItsPlaceHasLeft(t *testing.T) {
	b := newBench(t, 10, lazy("a", 6), lazy("b", 6))
	b.ask("a")
	b.step()
	b.done()
	gone := b.ask("b")
	b.step()
	late := b.ask("a")
	b.step()
	b.leave(gone)
	b.wants()
	if !late.Granted() || b.state("a") != engine.StateReady {
		t.Errorf("a is %s", b.state("a"))
	}
}

func TestAnIdleUnitGivesWayInPlaceOfOneInUse(t *testing.T) {
	b := newBench(t, 10, lazy("a", 5), lazy("b", 5), lazy("c", 5))
	one, two := b.ask("a"), b.ask("b")
	b.step()
	b.done()
	b.ask("c")
	b.wants()
	if b.state("a") != engine.StateUnloading || b.state("b") != engine.StateReady {
		t.Errorf("a %s, b %s", b.state("a"), b.state("b"))
	}
	b.leave(two)
	b.wants("unload b")
	if b.state("a") != engine.StateReady {
		t.Errorf("a is %s", b.state("a"))
	}
	_ = one
}

func TestVariantsTakeTurns(t *testing.T) {
	b := newBench(t, 100, turn(pinned("instruct", 6), pinned("thinking", 6))...)
	b.wants("load instruct")
	b.done()
	b.wants()
	if !b.plan.Displaces("thinking") {
		t.Error("a swap displaces")
	}
	ticket := b.ask("thinking")
	b.wants("unload instruct")
	b.done()
	b.wants("load thinking")
	b.done()
	b.leave(ticket)
	b.pass(24 * time.Hour)
	b.wants() // it stays, and instruct does not come back by itself
}

func TestPinnedUnitsGiveWayToNobodyElse(t *testing.T) {
	units := append(turn(pinned("instruct", 6), pinned("thinking", 6)), pinned("p", 2), lazy("l", 3), lazy("m", 2))
	b := newBench(t, 10, units...)
	b.wants("load instruct", "load p")
	b.done()
	refused := b.ask("l")
	b.wants()
	var down *engine.UnavailableError
	if !errors.As(refused.Refused(), &down) || !strings.Contains(down.Reason, "left beside what stays loaded") {
		t.Errorf("%v", refused.Refused())
	}
	b.use("m")
	b.ask("thinking")
	b.wants("unload instruct")
}

func TestADismissedUnitStaysAwayUntilItIsAskedFor(t *testing.T) {
	b := newBench(t, 10, pinned("p", 5))
	b.step()
	b.done()
	user := b.ask("p")
	b.plan.Dismiss("p")
	b.wants()
	late := b.ask("p")
	if b.state("p") != engine.StateUnloading || late.Granted() {
		t.Errorf("p is %s", b.state("p"))
	}
	b.leave(late)
	b.leave(user)
	b.wants("unload p")
	b.done()
	b.wants()
	b.use("p")
	b.plan.Dismiss("p")
	b.wants("unload p")
}

func TestDismissedWhileItIsLoadedAUnitServesWhoWaited(t *testing.T) {
	b := newBench(t, 10, lazy("a", 5))
	waiter := b.ask("a")
	b.step()
	b.plan.Dismiss("a")
	b.done()
	if !waiter.Granted() {
		t.Error("the waiter has nothing")
	}
	b.wants()
	b.leave(waiter)
	b.wants("unload a")
}

func TestFailuresAreTriedAgainSlowly(t *testing.T) {
	b := newBench(t, 10, lazy("a", 5), pinned("p", 5))
	ticket := b.ask("a")
	b.wants("load p", "load a")
	b.open = nil
	b.plan.Failed("a", "no such file", b.now)
	b.plan.Failed("p", "damaged", b.now)
	b.wants()
	var down *engine.UnavailableError
	if !errors.As(ticket.Refused(), &down) || down.Reason != "no such file" || down.RetryIn != 30*time.Second {
		t.Errorf("%v", ticket.Refused())
	}
	b.pass(10 * time.Second)
	if again := b.ask("a"); again.Refused() == nil {
		t.Error("what has just failed is tried at once")
	}
	if at, ok := b.plan.Next(); !ok || at.Sub(b.now) != 20*time.Second {
		t.Errorf("next in %v, %v", at.Sub(b.now), ok)
	}
	b.pass(20 * time.Second)
	b.wants("load p") // nobody asks for a
	b.open = nil
	b.plan.Failed("p", "damaged", b.now)
	b.pass(30 * time.Second)
	b.wants() // a minute this time
	late := b.ask("a")
	b.wants("load a")
	b.done()
	if !late.Granted() || b.plan.Status("a", b.now).Reason != "" {
		t.Error("a has recovered")
	}
	for range 20 {
		b.plan.Failed("p", "damaged", b.now)
	}
	if s := b.plan.Status("p", b.now); s.RetryIn != 10*time.Minute || s.State != engine.StateFailed {
		t.Errorf("%+v", s)
	}
}

func TestWhatIsFetchedIsLoadedWhenItArrives(t *testing.T) {
	absent := pinned("p", 0)
	absent.Absent = true
	lazily := lazy("a", 0)
	lazily.Absent = true
	b := newBench(t, 10, absent, lazily)
	b.wants("fetch p", "fetch a")
	waiter := b.ask("a")
	b.wants()
	if b.state("a") != engine.StateDownloading {
		t.Errorf("a is %s", b.state("a"))
	}
	b.plan.Failed("a", "the hub is away", b.now)
	b.plan.Arrived("p", Need{Own: map[Device]int64{Host: 6}})
	b.wants("load p")
	if waiter.Refused() == nil {
		t.Error("who waited was not told")
	}
	b.pass(30 * time.Second)
	b.wants("fetch a")
	waiter = b.ask("a")
	b.plan.Arrived("a", Need{Own: map[Device]int64{Host: 5}})
	b.wants()
	if waiter.Refused() == nil {
		t.Error("6 and 5 fit into 10")
	}
}

func TestMappedFilesCountOnce(t *testing.T) {
	mapped := func(id, file string) Unit {
		u := lazy(id, 1)
		u.Need.Mapped = map[string]int64{file: 6}
		return u
	}
	b := newBench(t, 10, mapped("a", "x"), mapped("b", "x"), mapped("c", "y"))
	b.use("a")
	b.use("b")
	if b.state("a") != engine.StateReady {
		t.Error("a and b have their file in common")
	}
	b.ask("c")
	b.wants("unload a", "unload b") // either alone frees little
}

func TestEachDeviceHasItsBudget(t *testing.T) {
	gpu := func(id string, host, card int64) Unit {
		u := lazy(id, host)
		u.Need.Own["gpu"] = card
		return u
	}
	p, err := New([]Unit{gpu("a", 1, 8), gpu("b", 1, 8), gpu("c", 8, 0)}, Budget{Host: 10, "gpu": 12})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, plan: p}
	b.use("a")
	b.use("c")
	b.ask("b")
	b.wants("unload a")
}

func TestWhatCanNeverFitIsTold(t *testing.T) {
	units := append(turn(pinned("instruct", 6<<20), pinned("thinking", 4<<20)), pinned("p", 2<<20), lazy("l", 3<<20), lazy("m", 2<<20))
	short := Budget{Host: 10 << 20}.Check(units)
	if len(short) != 1 || short["l"] == nil || short["l"].Error() != "needs 3 MiB of memory, 2 MiB are left beside what stays loaded" {
		t.Errorf("%v", short)
	}
	short = Budget{Host: 7 << 20}.Check(units[:3])
	if got := slices.Sorted(maps.Keys(short)); !slices.Equal(got, []string{"instruct", "p"}) {
		t.Errorf("%v", short)
	}
	if short := (Budget{}).Check(units); len(short) > 0 {
		t.Errorf("without a budget: %v", short)
	}
	if e := (&ShortError{Device: "CUDA0", Need: 1<<20 + 1, Budget: 1 << 20}).Error(); e != "needs 2 MiB of memory on CUDA0, 1 MiB are there" {
		t.Error(e)
	}
}

func TestIdsMustDiffer(t *testing.T) {
	if _, err := New([]Unit{lazy("a", 1), lazy("a", 2)}, nil); err == nil {
		t.Error("accepted")
	}
}
