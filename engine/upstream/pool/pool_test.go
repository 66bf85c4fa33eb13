package pool

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func upPool(servers ...Server) *Pool {
	p := &Pool{}
	p.Set(servers)
	for _, s := range servers {
		p.Probed(s.ID, true)
	}
	return p
}

func named(n int) []Server {
	out := make([]Server, n)
	for i := range out {
		out[i].ID = fmt.Sprintf("http://replica-%d:8000", i)
	}
	return out
}

// home is where a key goes in a pool without load.
func home(t *testing.T, p *Pool, key string) string {
	t.Helper()
	l, err := p.Pick(start, key)
	if err != nil {
		t.Fatal(err)
	}
	l.End(start, Unknown, 0)
	return l.Server()
}

func TestKeysStayWhereTheyAreWhenServersComeAndGo(t *testing.T) {
	const keys = 4000
	four, five := upPool(named(4)...), upPool(named(5)...)
	moved, each := 0, map[string]int{}
	for i := range keys {
		key := fmt.Sprint("session ", i)
		was, is := home(t, four, key), home(t, five, key)
		each[is]++
		if was == is {
			continue
		}
		moved++
		if is != named(5)[4].ID {
			t.Fatalf("%s went from %s to %s, which was there before", key, was, is)
		}
	}
	if share := float64(moved) / keys; math.Abs(share-0.2) > 0.03 {
		t.Errorf("%.2f of the keys moved to the fifth server", share)
	}
	for id, n := range each {
		if math.Abs(float64(n)/keys-0.2) > 0.03 {
			t.Errorf("%s has %d of %d keys", id, n, keys)
		}
	}
}

func TestSharesFollowWeights(t *testing.T) {
	p := upPool(Server{ID: "a", Weight: 3}, Server{ID: "b"})
	n := 0
	for i := range 4000 {
		if home(t, p, fmt.Sprint(i)) == "a" {
			n++
		}
	}
	if math.Abs(float64(n)/4000-0.75) > 0.03 {
		t.Errorf("a server of weight 3 beside one of 1 has %d of 4000 keys", n)
	}
}

func TestAServerWithTwiceItsShareSpillsToTheLeastLoaded(t *testing.T) {
	p := upPool(named(4)...)
	first := home(t, p, "hot")
	spilled := map[string]int{}
	for i := range 40 {
		l, err := p.Pick(start, "hot")
		if err != nil {
			t.Fatal(err)
		}
		if l.Spilled != (l.Server() != first) {
			t.Errorf("request %d: %s, spilled: %v", i, l.Server(), l.Spilled)
		}
		spilled[l.Server()]++
	}
	if n := spilled[first]; n < 18 || n > 22 {
		t.Errorf("the key's own server has %d of 40: %v", n, spilled)
	}
	for id, n := range spilled {
		if id != first && (n < 6 || n > 8) {
			t.Errorf("what spilled is not spread evenly: %v", spilled)
		}
	}
}

func TestWithoutAKeyTheLeastLoadedIsAsked(t *testing.T) {
	p := upPool(named(3)...)
	got := map[string]int{}
	for range 30 {
		l, err := p.Pick(start, "")
		if err != nil {
			t.Fatal(err)
		}
		got[l.Server()]++
	}
	if want := map[string]int{named(3)[0].ID: 10, named(3)[1].ID: 10, named(3)[2].ID: 10}; !cmp.Equal(got, want) {
		t.Error(got)
	}
}

func TestBoundsOfServersHold(t *testing.T) {
	p := upPool(Server{ID: "a", MaxInFlight: 1}, Server{ID: "b", MaxInFlight: 2})
	for range 3 {
		if _, err := p.Pick(start, "k"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Pick(start, "k"); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
}

func TestAPoolWithoutServersThatAreUpHasNone(t *testing.T) {
	p := &Pool{}
	if _, err := p.Pick(start, "k"); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	p.Set(named(1))
	if _, err := p.Pick(start, "k"); !errors.Is(err, ErrNone) {
		t.Errorf("one that was never probed: %v", err)
	}
	p.Probed(named(1)[0].ID, true)
	if _, err := p.Pick(start, "k", named(1)[0].ID); !errors.Is(err, ErrNone) {
		t.Errorf("one that was tried: %v", err)
	}
}

func TestAServerThatFallsTellsThoseWhoWait(t *testing.T) {
	p := upPool(named(1)...)
	l, err := p.Pick(start, "k")
	if err != nil {
		t.Fatal(err)
	}
	p.Probed(l.Server(), false)
	select {
	case <-l.Fell():
		t.Fatal("one failed probe is enough")
	default:
	}
	p.Probed(l.Server(), false)
	<-l.Fell()
	if s := p.Standings(start)[0]; s.State != Down || s.InFlight != 1 {
		t.Errorf("%+v", s)
	}
	p.Probed(l.Server(), true)
	again, err := p.Pick(start, "k")
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-again.Fell():
		t.Error("it fell before it was asked")
	default:
	}
}

func TestWhatIsKnownOfAServerStays(t *testing.T) {
	p := upPool(named(2)...)
	l, err := p.Pick(start, "k")
	if err != nil {
		t.Fatal(err)
	}
	p.Set(append(named(2), named(3)[2]))
	var there, fresh State
	n := 0
	for _, s := range p.Standings(start) {
		switch s.ID {
		case l.Server():
			there, n = s.State, s.InFlight
		case named(3)[2].ID:
			fresh = s.State
		}
	}
	if there != Up || n != 1 || fresh != Down {
		t.Errorf("%s with %d in flight; the new one is %s", there, n, fresh)
	}
	p.Set(nil)
	l.End(start, Served, 0) // of one that is gone
	if got := p.Standings(start); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestBreakers(t *testing.T) {
	many := func(n int, s step) []step {
		out := make([]step, n)
		for i := range out {
			out[i] = s
		}
		return out
	}
	for name, steps := range map[string][]step{
		"three failures in a row open":         append(many(2, step{ends: Failed, state: Up}), step{ends: Failed, state: Open}),
		"an answer between them does not":      {{ends: Failed, state: Up}, {ends: Failed, state: Up}, {ends: Served, state: Up}, {ends: Failed, state: Up}},
		"clients that leave tell nothing":      {{ends: Failed, state: Up}, {ends: Failed, state: Up}, {ends: Unknown, state: Up}, {ends: Failed, state: Open}},
		"a trial that succeeds closes":         append(many(2, step{ends: Failed, state: Up}), step{ends: Failed, state: Open}, step{after: time.Second, ends: Served, state: Up}),
		"a trial that fails opens for longer":  append(many(2, step{ends: Failed, state: Up}), step{ends: Failed, state: Open}, step{after: time.Second, ends: Failed, state: Open}, step{after: 2 * time.Second, ends: Served, state: Up}),
		"half of the last twenty open":         append(alternating(20), step{ends: Failed, state: Open}),
		"who is busy rests":                    {{ends: Busy, wait: 2 * time.Second, state: Resting}, {after: 2 * time.Second, ends: Served, state: Up}},
		"who is busy without a time rests too": {{ends: Busy, state: Resting}, {after: busyPause, ends: Served, state: Up}},
		"nobody rests for long":                {{ends: Busy, wait: time.Hour, state: Resting}, {after: longestBusy, ends: Served, state: Up}},
	} {
		t.Run(name, func(t *testing.T) {
			p, now := upPool(named(1)...), start
			for i, s := range steps {
				now = now.Add(s.after)
				l, err := p.Pick(now, "k")
				if err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
				l.End(now, s.ends, s.wait)
				if got := p.Standings(now)[0].State; got != s.state {
					t.Fatalf("step %d: %s, want %s", i, got, s.state)
				}
			}
		})
	}
}

// step is what becomes of a request to the only server of a pool.
type step struct {
	after time.Duration
	ends  Verdict
	wait  time.Duration
	state State // after it
}

// alternating are failures and answers in turn.
func alternating(n int) []step {
	out := make([]step, n)
	for i := range out {
		out[i] = step{ends: Served, state: Up}
		if i%2 == 0 {
			out[i].ends = Failed
		}
	}
	return out
}

func TestOneTrialAtATime(t *testing.T) {
	p := upPool(named(1)...)
	for range failuresToOpen {
		l, err := p.Pick(start, "k")
		if err != nil {
			t.Fatal(err)
		}
		l.End(start, Failed, 0)
	}
	later := start.Add(firstPause)
	trial, err := p.Pick(later, "k")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Pick(later, "k"); !errors.Is(err, ErrNone) {
		t.Errorf("beside the trial: %v", err)
	}
	trial.End(later, Unknown, 0)
	if _, err := p.Pick(later, "k"); err != nil {
		t.Errorf("after a trial that told nothing: %v", err)
	}
}

func TestAPoolNeverPicksWhatItMustNot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, now := upPool(named(3)...), start
		var leases []*Lease
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			before := map[string]Standing{}
			for _, s := range p.Standings(now) {
				before[s.ID] = s
			}
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0, 1:
				l, err := p.Pick(now, rapid.StringMatching(`[a-d]?`).Draw(t, "key"))
				if err != nil {
					for id, s := range before {
						if s.State == Up || s.State == Trial {
							t.Fatalf("%s is %s, and yet: %v", id, s.State, err)
						}
					}
					continue
				}
				if s := before[l.Server()].State; s != Up && s != Trial {
					t.Fatalf("%s is %s", l.Server(), s)
				}
				leases = append(leases, l)
			case 2:
				if len(leases) > 0 {
					leases[0].End(now, Verdict(rapid.IntRange(0, 3).Draw(t, "verdict")), 0)
					leases = leases[1:]
				}
			default:
				p.Probed(named(3)[rapid.IntRange(0, 2).Draw(t, "server")].ID, rapid.Bool().Draw(t, "ok"))
			}
		}
		n := 0
		for _, s := range p.Standings(now) {
			n += s.InFlight
		}
		if n != len(leases) {
			t.Fatalf("%d in flight, %d leases", n, len(leases))
		}
	})
}

func BenchmarkPick(b *testing.B) {
	for _, n := range []int{4, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := upPool(named(n)...)
			for b.Loop() {
				l, err := p.Pick(start, "session 1")
				if err != nil {
					b.Fatal(err)
				}
				l.End(start, Served, 0)
			}
		})
	}
}

func TestAPoolOfBusyServersIsFull(t *testing.T) {
	var p Pool
	p.Set([]Server{{ID: "a"}, {ID: "b"}})
	p.Probed("a", true)
	lease, err := p.Pick(start, "k")
	if err != nil {
		t.Fatal(err)
	}
	lease.End(start, Busy, 0)
	if _, err := p.Pick(start, "k"); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	if _, err := p.Pick(start, "k", "a"); !errors.Is(err, ErrNone) {
		t.Errorf("where the busy one was tried: %v", err)
	}
}
