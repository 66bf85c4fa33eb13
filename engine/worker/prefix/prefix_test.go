package prefix

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestABeginningIsFoundUpToTheLastCommonBorder(t *testing.T) {
	for name, c := range map[string]struct {
		before []string
		scopes [2]string
		prompt string
		found  int
	}{
		"nothing is known":              {nil, [2]string{}, "abc", 0},
		"the same prompt":               {[]string{"abc"}, [2]string{}, "abc", 3},
		"a longer one":                  {[]string{"abc"}, [2]string{}, "abcd", 3},
		"a shorter one":                 {[]string{"abcd"}, [2]string{}, "ab", 2},
		"another end":                   {[]string{"abcd"}, [2]string{}, "abxy", 2},
		"another beginning":             {[]string{"abcd"}, [2]string{}, "xbcd", 0},
		"an image counts with its rows": {[]string{"aIb"}, [2]string{}, "aIb", 8},
		"another image":                 {[]string{"aIb"}, [2]string{}, "aJb", 1},
		"before an image":               {[]string{"aIb"}, [2]string{}, "ab", 1},
		"after an image":                {[]string{"aIb"}, [2]string{}, "aIc", 7},
		"frame pairs of a video":        {[]string{"aIbJc"}, [2]string{}, "aIbJcKd", 15},
		"an unknown image is no other":  {[]string{"a?b"}, [2]string{}, "a?b", 1},
		"two branches":                  {[]string{"abcd", "abxy"}, [2]string{}, "abxz", 3},
		"a branch of a branch":          {[]string{"abcd", "abce", "axyz", "axy"}, [2]string{}, "abcee", 4},
		"the same scope":                {[]string{"abc"}, [2]string{"x", "x"}, "abc", 3},
		"another scope":                 {[]string{"abc"}, [2]string{"x", "y"}, "abc", 0},
		"no scope is one too":           {[]string{"abc"}, [2]string{"", "y"}, "abc", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{t: t, tree: New(10, 20, 1000)}
			for _, p := range c.before {
				h, _ := w.request(c.scopes[0], 1, p)
				w.release(h)
			}
			peeked, parked := w.tree.Peek(c.scopes[1], prompt(c.prompt))
			h, found := w.request(c.scopes[1], 2, c.prompt)
			if found != c.found || peeked != c.found || parked != c.found {
				t.Errorf("%d rows found, %d seen before, %d of them parked, want %d", found, peeked, parked, c.found)
			}
			w.release(h)
		})
	}
}

func TestCellsThatAreSharedCountOnce(t *testing.T) {
	w := &world{t: t, tree: New(10, 20, 1000)}
	first, _ := w.request("", 1, "abcdef")
	second, found := w.request("", 2, "abcxy")
	if first.Contains(second) || second.Contains(first) || !first.Contains(w.tree.Hold("", 3)) {
		t.Error("one branch contains another, or not its root")
	}
	if s := w.tree.Stats(); found != 3 || s.Held != 8 || s.Parked != 0 || len(w.cache.cells) != 8 {
		t.Errorf("%d found, %+v, %d cells", found, s, len(w.cache.cells))
	}
	if rows, parked := w.tree.Peek("", prompt("abcdez")); rows != 5 || parked != 0 {
		t.Errorf("%d rows seen, %d of them parked", rows, parked)
	}
	w.release(first)
	if s := w.tree.Stats(); s.Held != 5 || s.Parked != 3 {
		t.Errorf("after the first: %+v", s)
	}
	w.release(second)
	if s := w.tree.Stats(); s.Held != 0 || s.Parked != 8 {
		t.Errorf("after both: %+v", s)
	}
}

func TestWhatTwoComputedAtOnceIsKeptOnce(t *testing.T) {
	w := &world{t: t, tree: New(10, 20, 1000)}
	items := prompt("abIc")
	var holds []*Hold
	for sequence := range int32(2) {
		holds = append(holds, w.tree.Hold("", sequence))
		w.cache.compute(sequence, 0, items)
	}
	for _, h := range holds {
		w.tree.Extend(h, items)
	}
	w.cache.apply(w.tree.Ops())
	w.check()
	if len(w.cache.cells) != 9 || !w.cache.holds(0, 0, items) || !w.cache.holds(1, 0, items) || !holds[0].Contains(holds[1]) || !holds[1].Contains(holds[0]) {
		t.Errorf("%d cells", len(w.cache.cells))
	}
}

func TestParkedCellsAreGivenUpOldestFirstAndFromTheEnd(t *testing.T) {
	w := &world{t: t, tree: New(10, 20, 1000)}
	for _, p := range []string{"abcd", "abIx", "mnop"} {
		h, _ := w.request("", 1, p)
		w.release(h)
	}
	live, _ := w.request("", 1, "mn")
	for _, c := range []struct {
		evict, given   int
		prompt         string
		rows           int
		parked, stayed int
	}{
		{1, 1, "abcd", 3, 12, 2},
		{1, 1, "abcd", 2, 11, 2},
		{2, 7, "abIx", 2, 4, 2}, // an image goes as a whole
		{100, 4, "mnop", 2, 0, 2},
		{1, 0, "mnop", 2, 0, 2},
	} {
		given := w.tree.Evict(c.evict)
		w.cache.apply(w.tree.Ops())
		w.check()
		rows, _ := w.tree.Peek("", prompt(c.prompt))
		if s := w.tree.Stats(); given != c.given || rows != c.rows || s.Parked != c.parked || s.Held != c.stayed {
			t.Errorf("after %+v: %d given, %d rows of %q, %+v", c, given, rows, c.prompt, s)
		}
	}
	if s := w.tree.Stats(); s.Evicted != 13 {
		t.Errorf("%+v", s)
	}
	w.release(live)
}

func TestNoMoreIsParkedThanAllowed(t *testing.T) {
	w := &world{t: t, tree: New(10, 20, 5)}
	h, _ := w.request("", 1, "abcdefgh")
	w.release(h)
	if rows, _ := w.tree.Peek("", prompt("abcdefgh")); rows != 5 || len(w.cache.cells) != 5 {
		t.Errorf("%d rows, %d cells", rows, len(w.cache.cells))
	}
	w.tree.maxParked = 0
	h, _ = w.request("", 1, "ab")
	w.release(h)
	if len(w.cache.cells) != 0 || len(w.tree.roots) != 0 || len(w.tree.free) != 20 {
		t.Errorf("%d cells, %d scopes, %d numbers", len(w.cache.cells), len(w.tree.roots), len(w.tree.free))
	}
}

func TestWithoutNumbersRowsStayTheRequestsOwn(t *testing.T) {
	w := &world{t: t, tree: New(10, 1, 1000)}
	first, _ := w.request("", 1, "abcd")
	second, found := w.request("", 2, "abxy")
	if found != 0 || second.Rows() != 0 {
		t.Errorf("%d rows found, %d held", found, second.Rows())
	}
	w.release(second)
	if len(w.cache.cells) != 4 {
		t.Errorf("%d cells", len(w.cache.cells))
	}
	w.release(first)
	third, _ := w.request("", 1, "xyz") // takes the number of what is parked
	w.release(third)
}

func TestAlikeCountsRows(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		rows  int
		alike bool
	}{
		{"abc", "abd", 2, true},
		{"abc", "abd", 3, false},
		{"ab", "ab", 3, false},
		{"aIb", "aIc", 7, true},
		{"aIb", "aIc", 8, false},
		{"a?", "a?", 2, false},
	} {
		if got := Alike(prompt(c.a), prompt(c.b), c.rows); got != c.alike {
			t.Errorf("%q and %q by %d rows: %v", c.a, c.b, c.rows, got)
		}
	}
}

// Whoever comes and goes, every request sees its rows and no others, and every cell is free, held, parked or a
// request's own.
func TestRandomTrafficLosesNoCellAndCountsNoneTwice(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 3))
		r := &traffic{
			world: world{t: t, tree: New(100, 1+rng.IntN(12), rng.IntN(80))}, rng: rng, live: map[int32]*live{},
		}
		for range 150 {
			r.step()
		}
		for sequence, l := range r.live {
			r.world.release(l.hold)
			delete(r.live, sequence)
			r.account()
		}
		r.tree.Evict(1 << 30)
		r.cache.apply(r.tree.Ops())
		if len(r.cache.cells) != 0 || len(r.tree.nodes) != 0 || len(r.tree.roots) != 0 {
			t.Errorf("%d cells, %d nodes are left", len(r.cache.cells), len(r.tree.nodes))
		}
		if t.Failed() {
			t.Fatalf("seed %d\n%v", seed, r.tree)
		}
	}
}

type traffic struct {
	world
	rng  *rand.Rand
	live map[int32]*live
}

// live is a request: computed items are in the cache, of which the hold may know fewer.
type live struct {
	hold     *Hold
	items    []Item
	computed int
}

func (r *traffic) step() {
	sequence := int32(r.rng.IntN(5))
	l := r.live[sequence]
	switch {
	case l == nil:
		text := make([]rune, 1+r.rng.IntN(12))
		for i := range text {
			text[i] = []rune("aaabcIJ?")[r.rng.IntN(8)]
		}
		scope := []string{"", "", "s"}[r.rng.IntN(3)]
		r.live[sequence] = &live{hold: r.tree.Hold(scope, sequence), items: prompt(string(text))}
	case r.rng.IntN(6) == 0:
		r.tree.Release(l.hold)
		delete(r.live, sequence)
	case r.rng.IntN(8) == 0:
		before := r.tree.Stats().Parked
		if n := 1 + r.rng.IntN(20); r.tree.Evict(n) < min(n, before) {
			r.t.Errorf("%d parked cells, fewer than %d were given up", before, n)
		}
	case l.computed == l.hold.Items() && r.rng.IntN(2) == 0:
		r.tree.Follow(l.hold, l.items[l.computed:])
		l.computed = l.hold.Items()
	case l.computed < len(l.items):
		n := 1 + r.rng.IntN(len(l.items)-l.computed)
		_, pos := extent(l.items[:l.computed])
		r.cache.apply(r.tree.Ops())
		r.cache.compute(sequence, pos, l.items[l.computed:l.computed+n])
		l.computed += n
		r.tree.Extend(l.hold, l.items[l.hold.Items():l.computed])
	}
	r.account()
}

func (r *traffic) account() {
	r.cache.apply(r.tree.Ops())
	r.check()
	s := r.tree.Stats()
	total := s.Held + s.Parked
	for sequence, l := range r.live {
		if !r.cache.holds(sequence, 0, l.items[:l.computed]) {
			r.t.Errorf("the sequence %d does not see its rows", sequence)
		}
		rows, _ := extent(l.items[:l.computed])
		total += rows - l.hold.Rows()
	}
	if total != len(r.cache.cells) {
		r.t.Errorf("%d cells are counted, %d are used", total, len(r.cache.cells))
	}
	if s.Parked > r.tree.maxParked && len(r.live) == 0 {
		r.t.Errorf("%d cells are parked, at most %d may be", s.Parked, r.tree.maxParked)
	}
}

func TestOpsAreGivenOutOnce(t *testing.T) {
	tree := New(10, 3, 10)
	h := tree.Hold("", 1)
	tree.Extend(h, prompt("ab"))
	want := []Op{{Share: true, From: 1, To: 10, P0: 0, P1: 2}}
	if got := tree.Ops(); !slices.Equal(got, want) || tree.Ops() != nil {
		t.Errorf("%+v", got)
	}
}
