package schedule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// Prompts are written as numbers of rows, images in brackets: "5 [4] 2".
func prompt(t *testing.T, text string) (out []Segment) {
	t.Helper()
	for _, word := range strings.Fields(text) {
		g := Segment{Image: strings.HasPrefix(word, "[")}
		if _, err := fmt.Sscan(strings.Trim(word, "[]"), &g.Rows); err != nil {
			t.Fatal(err)
		}
		out = append(out, g)
	}
	return out
}

// enqueue queues sequences of prompts that may generate 100 tokens each.
func enqueue(t *testing.T, s *Scheduler, prompts ...string) (out []*Sequence) {
	t.Helper()
	for _, p := range prompts {
		q := NewSequence(Request{Prompt: prompt(t, p), MaxTokens: 100})
		s.Enqueue(q)
		out = append(out, q)
	}
	return out
}

// prefilled computes the whole prompt of an admitted sequence, and draws its first token.
func prefilled(s *Scheduler, q *Sequence) {
	for i, g := range q.segments {
		if g.Image {
			q.Encoded(i)
		}
		s.Computed(Part{Sequence: q, Segment: i, Rows: g.Rows})
	}
	q.Drawn(1)
}

// shown writes a batch as the index of each sequence with its rows: "0d 1:5" for a decoded token of the first and 5 rows of the second; a
// "!" follows where a token is drawn from prompt rows.
func shown(batch []Part, all []*Sequence) string {
	var out []string
	for _, p := range batch {
		i := slices.Index(all, p.Sequence)
		switch {
		case p.Decode:
			out = append(out, fmt.Sprintf("%dd", i))
		case p.Draw:
			out = append(out, fmt.Sprintf("%d:%d!", i, p.Rows))
		default:
			out = append(out, fmt.Sprintf("%d:%d", i, p.Rows))
		}
	}
	return strings.Join(out, " ")
}

func TestPhasesChangeAsTheDesignSays(t *testing.T) {
	phases := []Phase{Queued, Prefilling, Decoding, Parked, Ended}
	legal := map[Phase]string{
		Queued:     "prefilling ended",
		Prefilling: "queued decoding parked ended",
		Decoding:   "queued decoding parked ended",
		Parked:     "queued decoding ended",
		Ended:      "",
	}
	for _, from := range phases {
		var got []string
		for _, to := range phases {
			q := NewSequence(Request{Prompt: []Segment{{Rows: 1}}, MaxTokens: 1})
			q.phase = from
			func() {
				defer func() { _ = recover() }()
				q.enter(to)
				got = append(got, to.String())
			}()
		}
		if now := strings.Join(got, " "); now != legal[from] {
			t.Errorf("after %v come %q, want %q", from, now, legal[from])
		}
	}
}

func TestAdmissionKeepsTheOrderAndLeavesHeadroom(t *testing.T) {
	for name, c := range map[string]struct {
		limits   Limits
		prompts  []string
		admitted int
	}{
		"all fit":                        {Limits{Cells: 1000, Sequences: 4}, []string{"100", "100", "100"}, 3},
		"no more slots":                  {Limits{Cells: 1000, Sequences: 2}, []string{"100", "100", "100"}, 2},
		"the prompt leaves no headroom":  {Limits{Cells: 263, Sequences: 4}, []string{"100", "100"}, 1},
		"the prompt leaves headroom":     {Limits{Cells: 264, Sequences: 4}, []string{"100", "100"}, 2},
		"the first is not overtaken":     {Limits{Cells: 500, Sequences: 4}, []string{"100", "400", "401"}, 1},
		"alone it needs no headroom":     {Limits{Cells: 400, Sequences: 4}, []string{"399", "400"}, 1},
		"images take cells like text":    {Limits{Cells: 263, Sequences: 4}, []string{"50 [40] 10", "[100]"}, 1},
		"nothing waits, nothing happens": {Limits{Cells: 10, Sequences: 4}, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(c.limits)
			all := enqueue(t, s, c.prompts...)
			got := s.Admit()
			if !slices.Equal(got, all[:c.admitted]) || !slices.Equal(s.Active(), got) || !slices.Equal(s.Queued(), all[c.admitted:]) {
				t.Errorf("%d admitted of %d", len(got), len(all))
			}
			for i, q := range got {
				if q.Slot() != int32(i) || q.Phase() != Prefilling {
					t.Errorf("the sequence %d is %v in slot %d", i, q.Phase(), q.Slot())
				}
			}
		})
	}
}

func TestBatchesPutDecodingFirstAndPromptsBesideIt(t *testing.T) {
	for name, c := range map[string]struct {
		prompts  []string
		decoding int // of the first of them
		parked   int // of these
		encoded  []int
		tokens   string
		images   string
	}{
		"one prompt alone takes the batch":        {prompts: []string{"50"}, tokens: "0:16"},
		"a short prompt is drawn from":            {prompts: []string{"9"}, tokens: "0:9!"},
		"prompts share what is left":              {prompts: []string{"9", "50"}, tokens: "0:9! 1:7"},
		"beside decoding prompts get a part":      {prompts: []string{"1", "1", "50"}, decoding: 2, tokens: "0d 1d 2:5"},
		"one segment a batch":                     {prompts: []string{"3 4"}, tokens: "0:3"},
		"an image waits for its rows":             {prompts: []string{"[4] 2", "3"}, tokens: "1:3!"},
		"an encoded image has a batch of its own": {prompts: []string{"[4] 2", "3"}, encoded: []int{0}, tokens: "1:3!", images: "0:4"},
		"images in the order of admission":        {prompts: []string{"[4]", "[5]", "[6]"}, encoded: []int{1, 2}, images: "1:5!"},
		"beside decoding images get a part":       {prompts: []string{"1", "[9] 1"}, decoding: 1, encoded: []int{1}, tokens: "0d", images: "1:5"},
		"a large image is cut":                    {prompts: []string{"[40] 1"}, encoded: []int{0}, images: "0:16"},
		"a parked one sits out":                   {prompts: []string{"1", "1", "50"}, decoding: 2, parked: 1, tokens: "1d 2:5"},
		"only a parked one slows images":          {prompts: []string{"1", "[9] 1"}, decoding: 1, parked: 1, encoded: []int{1}, images: "1:5"},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(Limits{Cells: 1000, Sequences: 8, BatchRows: 16, PrefillRows: 5})
			all := enqueue(t, s, c.prompts...)
			s.Admit()
			for i, q := range all[:c.decoding] {
				prefilled(s, q)
				if i < c.parked {
					s.Computed(Part{Sequence: q, Decode: true, Rows: 1})
					q.Park()
				}
			}
			for _, i := range c.encoded {
				all[i].Encoded(0)
			}
			if got := shown(s.TokenBatch(), all); got != c.tokens {
				t.Errorf("tokens %q, want %q", got, c.tokens)
			}
			if got := shown(s.ImageBatch(), all); got != c.images {
				t.Errorf("images %q, want %q", got, c.images)
			}
			if s.Runnable() != (c.tokens != "" || c.images != "") {
				t.Errorf("runnable: %v", s.Runnable())
			}
		})
	}
}

func TestDecodingIsBoundByTheBatch(t *testing.T) {
	s := New(Limits{Cells: 1000, Sequences: 8, BatchRows: 2, PrefillRows: 2})
	all := enqueue(t, s, "1", "1", "1", "9")
	s.Admit()
	for _, q := range all[:3] {
		prefilled(s, q)
	}
	if got := shown(s.TokenBatch(), all); got != "0d 1d" {
		t.Errorf("%q", got)
	}
}

func TestTheYoungestIsPreemptedAndComesBackFirst(t *testing.T) {
	s := New(Limits{Cells: 265, Sequences: 4, BatchRows: 16, PrefillRows: 5})
	all := enqueue(t, s, "100", "100", "100")
	s.Admit()
	for _, q := range s.Active() {
		prefilled(s, q)
	}
	if got := s.MakeRoom(); got != nil {
		t.Fatalf("%d preempted with room", len(got))
	}
	for len(s.Active()) == 2 {
		for _, p := range s.TokenBatch() {
			s.Computed(p)
			p.Sequence.Drawn(1)
		}
		if got := s.MakeRoom(); got != nil && (len(got) != 1 || got[0] != all[1]) {
			t.Fatalf("%v preempted", got)
		}
	}
	if q := all[1]; q.Phase() != Queued || s.Queued()[1] != q || q.Cells() != 100+q.generated || all[0].Phase() != Decoding {
		t.Errorf("%v with %d cells, %d generated", q.Phase(), q.Cells(), q.generated)
	}
	if s.Preempt() != nil {
		t.Error("the last one was preempted")
	}
	if !s.Remove(all[0]) {
		t.Error("the first one held no slot")
	}
	if got := s.Admit(); got[0] != all[1] {
		t.Error("the preempted one does not come first")
	}
}

func TestWhatHasEndedLeavesNothingBehind(t *testing.T) {
	s := New(Limits{Cells: 300, Sequences: 1, BatchRows: 16, PrefillRows: 5})
	all := enqueue(t, s, "10", "20", "30")
	s.Admit()
	if s.Remove(all[1]) {
		t.Error("a queued one held a slot")
	}
	if !s.Remove(all[0]) || s.Cells() != 0 {
		t.Errorf("%d cells are left", s.Cells())
	}
	if got := s.Admit(); len(got) != 1 || got[0] != all[2] || got[0].Slot() != 0 {
		t.Errorf("%v admitted", got)
	}
}

// Whatever comes in and in whatever order it ends, no limit is exceeded, rows are computed once and in order, and every request is answered.
func TestRandomTrafficKeepsTheInvariants(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 7))
		limits := Limits{Cells: 60 + rng.IntN(200), Sequences: 1 + rng.IntN(5), BatchRows: 5 + rng.IntN(20)}
		limits.PrefillRows = 1 + rng.IntN(limits.BatchRows)
		r := &traffic{t: t, rng: rng, s: New(limits), limits: limits, want: map[*Sequence]int{}}
		for range 30 {
			r.arrive()
		}
		for steps := 0; len(r.want) > 0; steps++ {
			if steps > 50_000 {
				t.Fatalf("seed %d: %d requests starve", seed, len(r.want))
			}
			r.step()
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// traffic plays what package compute does.
type traffic struct {
	t      *testing.T
	rng    *rand.Rand
	s      *Scheduler
	limits Limits
	want   map[*Sequence]int // tokens that are still to be generated
}

func (r *traffic) arrive() {
	var segments []Segment
	rows := 0
	for range 1 + r.rng.IntN(4) {
		g := Segment{Rows: 1 + r.rng.IntN(12), Image: r.rng.IntN(3) == 0}
		segments = append(segments, g)
		rows += g.Rows
	}
	n := 1 + r.rng.IntN(r.limits.Cells-rows)
	q := NewSequence(Request{Prompt: segments, MaxTokens: n})
	r.want[q] = n
	r.s.Enqueue(q)
}

func (r *traffic) step() {
	r.s.Admit()
	for _, q := range slices.Clone(r.s.Active()) {
		for i, g := range q.segments {
			if g.Image && r.rng.IntN(4) == 0 {
				q.Encoded(i)
			}
		}
		if q.Phase() == Parked && r.rng.IntN(2) == 0 {
			r.draw(q)
		}
	}
	r.s.MakeRoom()
	r.compute(r.s.TokenBatch())
	r.compute(r.s.ImageBatch())
	slots := map[int32]bool{}
	for _, q := range r.s.Active() {
		slots[q.Slot()] = true
	}
	if len(slots) != len(r.s.Active()) || len(slots) > r.limits.Sequences {
		r.t.Errorf("%d sequences in %d slots", len(r.s.Active()), len(slots))
	}
}

func (r *traffic) compute(batch []Part) {
	rows, beside, decoding := 0, 0, false
	for _, p := range batch {
		rows += p.Rows
		decoding = decoding || p.Decode
		if !p.Decode {
			beside += p.Rows
		}
		if p.Rows < 1 || p.At != p.Sequence.cached {
			r.t.Errorf("%d rows at %d, cached are %d", p.Rows, p.At, p.Sequence.cached)
		}
	}
	if rows > r.limits.BatchRows || decoding && beside > r.limits.PrefillRows {
		r.t.Errorf("%d rows, %d of prompts", rows, beside)
	}
	if len(batch) > 0 {
		r.s.Took(batch, time.Duration(r.rng.IntN(1e9)))
	}
	for _, p := range batch {
		r.s.Computed(p)
		switch {
		case !p.Draw:
		case r.rng.IntN(5) == 0:
			p.Sequence.Park()
		default:
			r.draw(p.Sequence)
		}
	}
	held := 0
	for _, q := range r.s.Active() {
		held += q.cached
	}
	if held > r.limits.Cells {
		r.t.Errorf("%d cells are held of %d", held, r.limits.Cells)
	}
}

func (r *traffic) draw(q *Sequence) {
	r.want[q]--
	if r.want[q] > 0 {
		q.Drawn(1)
		return
	}
	delete(r.want, q)
	if !r.s.Remove(q) {
		r.t.Error("a sequence ended without a slot")
	}
}

func TestPreemptionsAreCounted(t *testing.T) {
	s := New(Limits{Cells: 300, Sequences: 4, BatchRows: 64, PrefillRows: 64})
	for _, q := range enqueue(t, s, "99", "99") {
		s.Admit()
		prefilled(s, q)
	}
	s.Preempt()
	s.Preempt() // the last one stays
	if n := s.Preemptions(); n != 1 {
		t.Errorf("%d", n)
	}
}
