package schedule

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/engine/worker/cost"
	"github.com/qwenvld/qwenvld/engine/worker/prefix"
)

// coming enqueues a request of so many rows of text.
func coming(s *Scheduler, r Request, rows int) *Sequence {
	r.Prompt, r.MaxTokens = []Segment{{Rows: rows}}, 1
	q := NewSequence(r)
	s.Enqueue(q)
	return q
}

func TestWhoComesFirst(t *testing.T) {
	for name, c := range map[string]struct {
		requests []Request
		rows     []int
		after    []time.Duration // the work that is done before each comes
		first    int
	}{
		"the shorter of two": {
			requests: []Request{{}, {}}, rows: []int{500, 20}, first: 1,
		},
		"the one that came first of two alike": {
			requests: []Request{{}, {}}, rows: []int{50, 50}, first: 0,
		},
		"one that has waited for as long as it takes": {
			requests: []Request{{}, {}}, rows: []int{500, 20}, after: []time.Duration{0, 5 * time.Second}, first: 0,
		},
		"one with more weight": {
			requests: []Request{{}, {Weight: 8}}, rows: []int{50, 350}, first: 1,
		},
		"one with less weight does not": {
			requests: []Request{{}, {Weight: 0.25}}, rows: []int{100, 50}, first: 0,
		},
		"whose tenant had less work done": {
			requests: []Request{{Tenant: "busy"}, {Tenant: "new"}}, rows: []int{20, 500}, first: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(Limits{Cells: 10_000, Sequences: 8, BatchRows: 512, PrefillRows: 512})
			other := coming(s, Request{Tenant: "busy"}, 1)
			s.Admit()
			coming(s, Request{Tenant: "new"}, 1)
			s.Admit()
			s.Took([]Part{{Sequence: other, Decode: true, Rows: 1}}, 3*turn)
			var all []*Sequence
			for i, r := range c.requests {
				if c.after != nil {
					s.worked += c.after[i]
				}
				all = append(all, coming(s, r, c.rows[i]))
			}
			s.slots = s.slots[:1]
			if got := s.Admit(); len(got) != 1 || got[0] != all[c.first] {
				t.Errorf("not the request %d", c.first)
			}
		})
	}
}

// words are the items of so many rows of text, the same for all.
func words(n int) (out []prefix.Item) {
	for i := range n {
		out = append(out, prefix.Item{Token: int32(i)})
	}
	return out
}

// A sequence is late when not even a machine that does nothing else could compute its prompt in time.
func TestWhoCannotBeginInTimeIsLate(t *testing.T) {
	const left = time.Second
	for name, c := range map[string]struct {
		rows, image int
		learnt      bool
		admitted    bool
		computed    int // of its first rows, by others, since it came
		late        bool
	}{
		"in time":                {rows: 90, learnt: true},
		"late":                   {rows: 110, learnt: true, late: true},
		"a picture is encoded":   {rows: 10, image: 40, learnt: true, late: true},
		"nothing is known":       {rows: 500},
		"it has begun":           {rows: 110, learnt: true, admitted: true},
		"others computed a part": {rows: 110, learnt: true, computed: 60},
	} {
		s := New(Limits{Cells: 10_000, Sequences: 2, BatchRows: 512, PrefillRows: 512, ParkedCells: 1000, Branches: 9})
		if c.learnt { // 10 ms a row, and 20 ms to encode one
			s.costs.Took(cost.Batch{Rows: 64, Depth: 32}, 640*time.Millisecond)
			s.costs.EncodeTook(64, 1280*time.Millisecond)
		}
		prompt := []Segment{{Rows: c.rows, Items: words(c.rows)}}
		if c.image > 0 {
			prompt = append(prompt, Segment{Rows: c.image, Image: true, Items: []prefix.Item{{Image: &prefix.Image{Rows: c.image}}}})
		}
		q := NewSequence(Request{Prompt: prompt, MaxTokens: 1})
		s.Enqueue(q)
		if c.admitted {
			s.Admit()
		}
		if c.computed > 0 {
			other := NewSequence(Request{Prompt: []Segment{{Rows: c.computed + 1, Items: words(c.computed + 1)}}, MaxTokens: 1})
			s.Enqueue(other)
			s.Admit()
			for _, p := range s.TokenBatch() {
				if p.Sequence == other {
					s.Computed(p)
				}
			}
			s.Remove(other)
		}
		if got := s.Late(q, left); got != c.late {
			t.Errorf("%s: late %v", name, got)
		}
	}
}

// A newcomer has no claim on time that it did not use before, and owes nothing of what others used.
func TestANewTenantBeginsWhereTheOthersAre(t *testing.T) {
	s := New(Limits{Cells: 1000, Sequences: 8, BatchRows: 64, PrefillRows: 64})
	a, b := coming(s, Request{Tenant: "a"}, 1), coming(s, Request{Tenant: "b"}, 1)
	a.charge(100 * time.Second)
	b.charge(60 * time.Second)
	if c := coming(s, Request{Tenant: "c"}, 1); c.tenant.used != 60*time.Second {
		t.Errorf("it begins with %v", c.tenant.used)
	}
	for _, q := range append(s.Active(), s.Queued()...) {
		s.Remove(q)
	}
	if len(s.tenants) != 0 {
		t.Errorf("%d tenants are left", len(s.tenants))
	}
}

// However many short requests keep coming, a long one has its turn.
func TestALongPromptIsNotStarvedByShortOnes(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 3))
		s := New(Limits{Cells: 2000, Sequences: 2, BatchRows: 64, PrefillRows: 64})
		long := coming(s, Request{Weight: []float64{0.25, 1, 4}[rng.IntN(3)]}, 900)
		steps := 0
		for ; long.Phase() == Queued || long.Phase() == Prefilling; steps++ {
			if steps > 3000 {
				t.Fatalf("seed %d: %d of its rows are computed", seed, long.cached)
			}
			for range 1 + rng.IntN(3) {
				coming(s, Request{Tenant: []string{"", "other"}[rng.IntN(2)]}, 20+rng.IntN(40))
			}
			s.Admit()
			s.MakeRoom()
			batch := s.TokenBatch()
			s.Took(batch, time.Duration(len(batch))*20*time.Millisecond)
			for _, p := range batch {
				s.Computed(p)
				switch {
				case p.Draw && p.Sequence == long:
					long.Drawn(1)
				case p.Draw:
					s.Remove(p.Sequence)
				}
			}
		}
	}
}
