package schedule

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/engine/worker/prefix"
)

// sharing are limits under which rows are kept for later prompts.
func sharing(cells, sequences, parked int) Limits {
	return Limits{Cells: cells, Sequences: sequences, BatchRows: 64, PrefillRows: 16, ParkedCells: parked, Branches: 40}
}

// worded writes a prompt as words with spaces between: a capital letter is an image of 6 rows, "?" one that is not
// known yet, all else text of a token a letter.
func worded(text string) (out []Segment) {
	for _, word := range strings.Fields(text) {
		switch {
		case word == "?" || word[0] <= 'Z':
			out = append(out, Segment{Rows: 6, Image: true, Items: []prefix.Item{{Image: picture(word)}}})
		default:
			g := Segment{Rows: len(word)}
			for _, r := range word {
				g.Items = append(g.Items, prefix.Item{Token: r})
			}
			out = append(out, g)
		}
	}
	return out
}

func picture(word string) *prefix.Image {
	p := &prefix.Image{Rows: 6, Span: 3}
	if word != "?" {
		p.Key = [32]byte{word[0]}
	}
	return p
}

// ask admits a prompt, computes it and draws a token.
func ask(t *testing.T, s *Scheduler, text string) *Sequence {
	t.Helper()
	q := NewSequence(Request{Prompt: worded(text), MaxTokens: 20})
	s.Enqueue(q)
	if got := s.Admit(); len(got) != 1 || got[0] != q {
		t.Fatalf("%q is not admitted", text)
	}
	for q.Phase() == Prefilling {
		finish(s, q)
	}
	return q
}

// finish computes the segment that comes next.
func finish(s *Scheduler, q *Sequence) {
	g, at := q.segments[q.prefill.segment], q.prefill
	q.Encoded(at.segment)
	s.Computed(Part{Sequence: q, Segment: at.segment, Offset: at.offset, Rows: g.Rows - at.offset})
	if q.prefill.segment == len(q.segments) {
		q.Drawn('z')
	}
}

func TestRowsAreTakenOverWhereProductsBeginAnew(t *testing.T) {
	for name, c := range map[string]struct {
		before, prompt  string
		reused          int
		segment, offset int // where the prompt goes on
	}{
		"another prompt":              {"abcdefgh", "xbcdefgh", 0, 0, 0},
		"the same prompt":             {"abcdefghi", "abcdefghi", 4, 0, 4},
		"one token is not left alone": {"abcdefgh", "abcdefghi", 4, 0, 4},
		"a whole number of fours":     {"abcdefgh", "abcdefghxy", 8, 0, 8},
		"down to a four":              {"abcdefgh", "abcdefxyz", 4, 0, 4},
		"fewer than four":             {"abcdefgh", "abcxyz", 0, 0, 0},
		"up to an image":              {"ab I cd", "ab J cd", 2, 1, 0},
		"behind an image":             {"ab I cd", "ab I xy", 8, 2, 0},
		"an image before one token":   {"ab I c", "ab I d", 8, 2, 0},
		"counted from the segment":    {"ab I cdefgh", "ab I cdefxy", 12, 2, 4},
		"frame pairs":                 {"ab I cd J ef", "ab I cd J ef K gh", 18, 5, 0},
		"an answer counts":            {"abc", "abczyxw", 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(sharing(1000, 4, 1000))
			s.Remove(ask(t, s, c.before))
			q := NewSequence(Request{Prompt: worded(c.prompt), MaxTokens: 20})
			s.Enqueue(q)
			s.Admit()
			if q.Reused() != c.reused || q.Segment() != c.segment || q.prefill.offset != c.offset || q.cached != c.reused {
				t.Errorf("%d rows reused, %d cached, at %d in segment %d", q.Reused(), q.cached, q.prefill.offset, q.Segment())
			}
			if s.Cells() != q.Cells() {
				t.Errorf("%d cells are live, the sequence has %d", s.Cells(), q.Cells())
			}
		})
	}
}

func TestTheYoungerWaitsForWhatTheOlderComputes(t *testing.T) {
	long := strings.Repeat("abcdefgh", 10)
	for name, c := range map[string]struct {
		first, second string
		waits         bool
	}{
		"the same text":       {long, long, true},
		"a long beginning":    {long, long[:40] + "xyz", true},
		"a short beginning":   {long, long[:20] + "xyz", false},
		"nothing in common":   {long, "x" + long, false},
		"the same picture":    {"A B C D E F " + long, "A B C D E F " + long, true},
		"an unknown picture":  {"? " + long, "? " + long, false},
		"a short text, alike": {"abc", "abc", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(sharing(1000, 4, 1000))
			first, second := NewSequence(Request{Prompt: worded(c.first), MaxTokens: 20}), NewSequence(Request{Prompt: worded(c.second), MaxTokens: 20})
			for _, q := range []*Sequence{first, second} {
				s.Enqueue(q)
				s.Admit()
			}
			first.Encoded(0)
			second.Encoded(0)
			if _, due := s.due(second); due == c.waits {
				t.Errorf("the second is due: %v", due)
			}
			if _, due := s.due(first); !due {
				t.Error("the first is not due")
			}
			s.Remove(first)
			if _, due := s.due(second); !due {
				t.Error("the second is not due when the first has left")
			}
		})
	}
}

func TestWaitingEndsWhenRowsAreThere(t *testing.T) {
	s := New(sharing(1000, 4, 1000))
	long := strings.Repeat("abcdefgh", 20)
	var all []*Sequence
	for _, end := range []string{"x", "y"} {
		q := NewSequence(Request{Prompt: worded(long + end), MaxTokens: 20})
		s.Enqueue(q)
		all = append(all, q)
	}
	s.Admit()
	var got []string
	for range 4 {
		s.Reuse()
		batch := s.TokenBatch()
		got = append(got, shown(batch, all))
		for _, p := range batch {
			s.Computed(p)
			if p.Draw {
				p.Sequence.Drawn('z')
			}
		}
	}
	want := []string{"0:64", "0:64", "0:33! 1:16", "0d 1d"}
	if all[1].Reused() < 128 || got[0] != want[0] || got[1] != want[1] || !strings.HasPrefix(got[2], "0:33!") {
		t.Errorf("%q, %d reused", got, all[1].Reused())
	}
}

func TestParkedCellsGiveWayFirst(t *testing.T) {
	s := New(sharing(200, 4, 200))
	s.Remove(ask(t, s, strings.Repeat("p", 90)))
	s.Remove(ask(t, s, strings.Repeat("r", 90)))
	if got := s.Shared(); got.Parked != 180 || got.Held != 0 {
		t.Fatalf("%+v", got)
	}
	first := ask(t, s, strings.Repeat("a", 60))
	second := ask(t, s, strings.Repeat("b", 60))
	if got := s.MakeRoom(); got != nil || s.Shared().Parked != 200-s.Cells()-2 {
		t.Errorf("%d preempted, %+v beside %d live", len(got), s.Shared(), s.Cells())
	}
	for range 30 {
		for _, q := range []*Sequence{first, second} {
			s.Computed(Part{Sequence: q, Decode: true, Rows: 1})
			q.Drawn('y')
		}
		if got := s.MakeRoom(); got != nil {
			t.Fatalf("%d preempted with %+v", len(got), s.Shared())
		}
	}
	if !s.GiveUpParked() || s.Shared().Parked != 0 || s.GiveUpParked() {
		t.Errorf("%+v after all parked cells were given up", s.Shared())
	}
}

func TestWhatIsSharedTakesNoCellsTwice(t *testing.T) {
	s := New(sharing(300, 4, 300))
	long := strings.Repeat("abcdefgh", 20)
	ask(t, s, long+"xx")
	ask(t, s, long+"yy") // 160 rows more would not fit
	if s.Cells() != 160+2+2 || len(s.Active()) != 2 {
		t.Errorf("%d cells of %d sequences", s.Cells(), len(s.Active()))
	}
}

// Requests that come together and begin alike are admitted as if the rows that one of them computes for all were there.
func TestWhatWillBeSharedTakesNoCellsTwice(t *testing.T) {
	s := New(sharing(400, 4, 400))
	long := strings.Repeat("abcdefgh", 30)
	var all []*Sequence
	for _, end := range []string{"xxxx", "yyyy", "zzzz"} {
		q := NewSequence(Request{Prompt: worded(long + end), MaxTokens: 20})
		s.Enqueue(q)
		all = append(all, q)
	}
	if got := s.Admit(); len(got) != 3 { // 244 rows each
		t.Fatalf("%d of 3 are admitted", len(got))
	}
	if n := s.Cells(); n > 400 || n < 240+3*4 {
		t.Errorf("%d cells", n)
	}
	for slices.ContainsFunc(all, func(q *Sequence) bool { return q.Phase() == Prefilling }) {
		if got := s.MakeRoom(); got != nil {
			t.Fatalf("%d preempted", len(got))
		}
		for _, p := range s.TokenBatch() {
			if s.Computed(p); p.Draw {
				p.Sequence.Drawn('a')
			}
		}
	}
	if n := s.Cells(); n > 240+3*8 || all[1].Reused() < 230 || all[2].Reused() < 230 {
		t.Errorf("%d cells in the end, %d and %d reused", n, all[1].Reused(), all[2].Reused())
	}
}

// Who was admitted because another one computes the same prompt has its own cells counted once that one has left.
func TestAPromiseEndsWithTheLeader(t *testing.T) {
	s := New(sharing(420, 4, 420))
	ask(t, s, strings.Repeat("o", 120))
	long := strings.Repeat("abcdefgh", 30)
	first, second := NewSequence(Request{Prompt: worded(long + "x"), MaxTokens: 5}), NewSequence(Request{Prompt: worded(long + "y"), MaxTokens: 5})
	other := NewSequence(Request{Scope: "s", Prompt: worded(long + "y"), MaxTokens: 5})
	for _, q := range []*Sequence{first, second, other} {
		s.Enqueue(q)
	}
	if got := s.Admit(); len(got) != 2 || got[1] != second {
		t.Fatalf("%d admitted", len(got))
	}
	if before := s.Cells(); before > 420 {
		t.Errorf("%d cells", before)
	}
	s.Remove(first)
	if n := s.Cells(); n < 120+241 {
		t.Errorf("%d cells are counted without the leader", n)
	}
	if got := s.MakeRoom(); got != nil {
		t.Errorf("%d preempted with room", len(got))
	}
}

func TestAPreemptedSequenceFindsItsRowsAgain(t *testing.T) {
	s := New(sharing(300, 4, 300))
	ask(t, s, strings.Repeat("a", 40))
	q := ask(t, s, strings.Repeat("b", 40))
	for range 5 {
		s.Computed(Part{Sequence: q, Decode: true, Rows: 1})
		q.Drawn('y')
	}
	if s.Preempt() != q {
		t.Fatal("another one was preempted")
	}
	s.Admit()
	if q.cached != 44 || q.Reused() != 0 { // of 40 and 6, the last two are computed
		t.Errorf("%d rows of %d are there, %d are called reused", q.cached, q.Cells(), q.Reused())
	}
}

// cells follow Ops as the cache does.
type cells struct {
	used []map[int32]int32 // of each cell, who sees it at which position
}

func (c *cells) apply(ops []prefix.Op) {
	for _, op := range ops {
		for _, seen := range c.used {
			if p, ok := seen[op.From]; ok && p >= op.P0 && (op.P1 == prefix.ToEnd || p < op.P1) {
				if op.Share {
					seen[op.To] = p
				} else {
					delete(seen, op.From)
				}
			}
		}
	}
	c.used = slices.DeleteFunc(c.used, func(seen map[int32]int32) bool { return len(seen) == 0 })
}

func (c *cells) of(sequence int32) (n int) {
	for _, seen := range c.used {
		if _, ok := seen[sequence]; ok {
			n++
		}
	}
	return n
}

// Whatever comes and goes, the cache has the cells that are counted and no more than there are, each sequence sees its
// own rows, and every request is answered.
func TestRandomTrafficThatSharesKeepsTheInvariants(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 9))
		limits := sharing(120+rng.IntN(200), 1+rng.IntN(5), rng.IntN(300))
		limits.Branches = 1 + rng.IntN(20)
		limits.BatchRows = 5 + rng.IntN(60)
		limits.PrefillRows = 1 + rng.IntN(limits.BatchRows)
		r := &sharingTraffic{t: t, rng: rng, s: New(limits), limits: limits, want: map[*Sequence]int{}}
		for range 40 {
			r.arrive()
		}
		for steps := 0; len(r.want) > 0; steps++ {
			if steps > 50_000 {
				t.Fatalf("seed %d: %d requests starve", seed, len(r.want))
			}
			r.step()
		}
		r.s.GiveUpParked()
		r.cache.apply(r.s.Ops())
		if len(r.cache.used) != 0 {
			t.Errorf("%d cells are left", len(r.cache.used))
		}
		if r.reused == 0 && limits.Branches > 4 && limits.ParkedCells > 50 {
			t.Error("nothing was reused")
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

type sharingTraffic struct {
	t      *testing.T
	rng    *rand.Rand
	s      *Scheduler
	limits Limits
	cache  cells
	want   map[*Sequence]int
	reused int
}

func (r *sharingTraffic) arrive() {
	words := []string{"abcdefg", "A", "aaaaaaaaaaaa", "B", "?", strings.Repeat("long", 10)}
	var text []string
	for range 1 + r.rng.IntN(4) {
		text = append(text, words[r.rng.IntN(len(words))])
	}
	segments := worded(strings.Join(text, " ") + " end")
	rows := 0
	for _, g := range segments {
		rows += g.Rows
	}
	if rows >= r.limits.Cells {
		return
	}
	n := 1 + r.rng.IntN(min(30, r.limits.Cells-rows))
	q := NewSequence(Request{Scope: []string{"", "", "s"}[r.rng.IntN(3)], Prompt: segments, MaxTokens: n})
	r.want[q] = n
	r.s.Enqueue(q)
}

func (r *sharingTraffic) step() {
	r.s.Admit()
	for _, q := range slices.Clone(r.s.Active()) {
		r.progress(q)
	}
	r.s.MakeRoom()
	r.s.Reuse()
	r.compute(r.s.TokenBatch())
	r.compute(r.s.ImageBatch())
}

// progress is what happens to a sequence beside the batches.
func (r *sharingTraffic) progress(q *Sequence) {
	for i, g := range q.segments {
		if g.Image && r.rng.IntN(3) == 0 {
			q.Identified(i, picture([]string{"A", "B", "C"}[i%3]))
			q.Encoded(i)
		}
	}
	if q.Phase() == Parked && r.rng.IntN(2) == 0 {
		r.draw(q)
	} else if r.rng.IntN(100) == 0 { // the client leaves
		r.reused += q.Reused()
		delete(r.want, q)
		r.s.Remove(q)
	}
}

func (r *sharingTraffic) compute(batch []Part) {
	r.cache.apply(r.s.Ops())
	for _, p := range batch {
		if p.At != p.Sequence.cached || p.Rows < 1 {
			r.t.Errorf("%d rows at %d, cached are %d", p.Rows, p.At, p.Sequence.cached)
		}
		for i := range p.Rows {
			pos := r.position(p.Sequence, p.At+i)
			r.cache.used = append(r.cache.used, map[int32]int32{p.Sequence.Slot(): pos})
		}
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
	r.account()
}

// position is where a row of a sequence stands.
func (r *sharingTraffic) position(q *Sequence, row int) (pos int32) {
	for i := range q.items {
		n, span := q.items[i].Rows(), int32(1)
		if q.items[i].Image != nil {
			span = q.items[i].Image.Span
		}
		if row < n {
			return pos
		}
		row -= n
		pos += span
	}
	return pos
}

func (r *sharingTraffic) account() {
	r.cache.apply(r.s.Ops())
	counted := r.s.Shared().Held + r.s.Shared().Parked
	for _, q := range r.s.Active() {
		if n := r.cache.of(q.Slot()); n != q.cached {
			r.t.Errorf("a sequence sees %d rows and has %d", n, q.cached)
		}
		counted += q.cached - q.hold.Rows()
	}
	if counted != len(r.cache.used) || counted > r.limits.Cells {
		r.t.Errorf("%d cells are counted, %d used of %d", counted, len(r.cache.used), r.limits.Cells)
	}
}

func (r *sharingTraffic) draw(q *Sequence) {
	r.want[q]--
	if r.want[q] > 0 {
		q.Drawn('a' + r.rng.Int32N(3))
		return
	}
	r.reused += q.Reused()
	delete(r.want, q)
	r.s.Remove(q)
}
