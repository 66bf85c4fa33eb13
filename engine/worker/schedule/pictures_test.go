package schedule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// viewers are limits with room for whatever the encoder does.
func viewers(sequences int) Limits {
	return Limits{
		Cells: 100_000, Sequences: sequences, BatchRows: 64, PrefillRows: 64, RowBytes: 2, AheadBytes: 1 << 20, EncodeMemory: 1 << 40,
	}
}

// viewer enqueues a request with images of so many rows.
func viewer(s *Scheduler, rows ...int) *Sequence {
	var prompt []Segment
	for _, n := range rows {
		prompt = append(prompt, Segment{Rows: n, Image: true})
	}
	q := NewSequence(Request{Prompt: prompt, MaxTokens: 1})
	s.Enqueue(q)
	return q
}

// wants has an image of q encoded, whose pixels are told apart by key. Its size follows from its rows.
func wants(s *Scheduler, q *Sequence, segment int, key byte) {
	rows := q.segments[segment].Rows
	s.Want(Want{Sequence: q, Segment: segment}, Picture{Key: [32]byte{key}, Width: rows, Height: 1, Rows: rows, Memory: int64(rows)})
}

// whole has the encoder work on a run to its end, and gives its pictures' keys.
func whole(s *Scheduler) (keys []byte) {
	s.Abandoned()
	r, _ := s.NextRun()
	if r == nil {
		return nil
	}
	for _, p := range r.Pictures {
		keys = append(keys, p.Key[0])
		for _, w := range p.Wanted() {
			w.Sequence.Encoded(w.Segment)
		}
	}
	s.Ran(r, time.Duration(r.rows())*10*time.Millisecond, true)
	s.End(r)
	return keys
}

func order(s *Scheduler) (runs [][]byte) {
	for keys := whole(s); keys != nil; keys = whole(s) {
		runs = append(runs, keys)
	}
	return runs
}

func TestInWhichOrderPicturesAreEncoded(t *testing.T) {
	for name, c := range map[string]struct {
		wants func(s *Scheduler)
		want  [][]byte
	}{
		"the smaller first": {
			func(s *Scheduler) {
				a, b := viewer(s, 500), viewer(s, 20)
				s.Admit()
				wants(s, a, 0, 'a')
				wants(s, b, 0, 'b')
			}, [][]byte{{'b'}, {'a'}},
		},
		"one that has waited for as long as it takes": {
			func(s *Scheduler) {
				a, b := viewer(s, 500), viewer(s, 20)
				s.Admit()
				wants(s, a, 0, 'a')
				s.worked += time.Minute
				wants(s, b, 0, 'b')
			}, [][]byte{{'a'}, {'b'}},
		},
		"the same picture once for all": {
			func(s *Scheduler) {
				a, b := viewer(s, 50), viewer(s, 20, 50)
				s.Admit()
				wants(s, a, 0, 'a')
				wants(s, b, 0, 'b')
				wants(s, b, 1, 'a')
			}, [][]byte{{'b'}, {'a'}},
		},
		"images of one request in turns with those of another": {
			func(s *Scheduler) {
				a, b := viewer(s, 40, 40, 40), viewer(s, 41, 41)
				s.Admit()
				for i := range 3 {
					wants(s, a, i, byte('a'+i))
				}
				for i := range 2 {
					wants(s, b, i, byte('x'+i))
				}
			}, [][]byte{{'a'}, {'x'}, {'b'}, {'y'}, {'c'}},
		},
		"pictures of one size together": {
			func(s *Scheduler) {
				a := viewer(s, 200, 200, 200)
				s.Admit()
				for i := range 3 {
					wants(s, a, i, byte('a'+i))
				}
			}, [][]byte{{'a', 'b'}, {'c'}},
		},
		"as many together as memory allows": {
			func(s *Scheduler) {
				s.limits.EncodeMemory = 100
				a := viewer(s, 50, 50, 50)
				s.Admit()
				for i := range 3 {
					wants(s, a, i, byte('a'+i))
				}
			}, [][]byte{{'a', 'b'}, {'c'}},
		},
		"those of requests that wait for a slot last": {
			func(s *Scheduler) {
				a := viewer(s, 500)
				s.Admit()
				b := viewer(s, 20)
				wants(s, b, 0, 'b')
				wants(s, a, 0, 'a')
			}, [][]byte{{'a'}, {'b'}},
		},
		"no more ahead than there is room for": {
			func(s *Scheduler) {
				s.limits.Sequences, s.limits.AheadBytes = 1, 2*50
				a := viewer(s, 40, 30, 10)
				for i := range 3 {
					wants(s, a, i, byte('a'+i))
				}
			}, [][]byte{{'a'}, {'c'}},
		},
		"nothing for those that have left": {
			func(s *Scheduler) {
				a, b := viewer(s, 40), viewer(s, 41)
				wants(s, a, 0, 'a')
				wants(s, b, 0, 'b')
				s.Remove(a)
			}, [][]byte{{'b'}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(viewers(2))
			c.wants(s)
			if got := order(s); !slices.EqualFunc(got, c.want, slices.Equal[[]byte]) {
				t.Errorf("%q, want %q", got, c.want)
			}
			if len(s.runs) != 0 {
				t.Errorf("%d runs are left", len(s.runs))
			}
		})
	}
}

// A picture that comes stops a longer one, which goes on afterwards. A third one stops neither.
func TestAShortPictureStopsALongOne(t *testing.T) {
	s := New(viewers(4))
	long, short, shorter := viewer(s, 1000), viewer(s, 30), viewer(s, 10)
	s.Admit()
	wants(s, long, 0, 'l')
	first, within := s.NextRun()
	if within <= 0 || within > alone {
		t.Errorf("it has %v", within)
	}
	s.Ran(first, within, false)
	wants(s, short, 0, 's')
	second, _ := s.NextRun()
	if second == first || second.Pictures[0].Rows != 30 {
		t.Fatal("the long one goes on")
	}
	wants(s, shorter, 0, 'r')
	if r, _ := s.NextRun(); r != second {
		t.Error("the short one is stopped in turn")
	}
	second.Pictures[0].wanted[0].Sequence.Encoded(0)
	s.Ran(second, time.Second, true)
	s.End(second)
	s.Remove(shorter)
	s.Abandoned()
	if r, _ := s.NextRun(); r != first {
		t.Error("the long one does not go on")
	}
	s.Remove(long)
	if over := s.Abandoned(); len(over) != 1 || over[0] != first || s.Encodes() {
		t.Error("what nobody waits for is not given up")
	}
}

// Where answers are being decoded, an encode gets a part of the time between their tokens.
func TestAnEncodeLeavesTimeForDecoding(t *testing.T) {
	s := New(viewers(4))
	answering := enqueue(t, s, "5")[0]
	s.Admit()
	prefilled(s, answering)
	s.Took([]Part{{Sequence: answering, Decode: true, Rows: 1}}, 30*time.Millisecond)
	q := viewer(s, 500)
	s.Admit()
	wants(s, q, 0, 'a')
	if _, within := s.NextRun(); within != besidePictures*3*time.Millisecond {
		t.Errorf("%v", within)
	}
	enqueue(t, s, "50")
	s.Admit()
	if _, within := s.NextRun(); within != besidePictures*3*time.Millisecond/2 {
		t.Errorf("with a prompt: %v", within)
	}
}

// The last slice of an encode, the rows of the picture and the text behind it come one after the other, in two steps.
// Answers do not wait for all of them at once.
func TestWhatComesAfterAPictureWaitsForAToken(t *testing.T) {
	s := learned(Limits{Cells: 100_000, Sequences: 8, BatchRows: 512, PrefillRows: 512, EncodeMemory: 1 << 30}, 1, 80*time.Millisecond, time.Millisecond)
	q := NewSequence(Request{Prompt: []Segment{{Rows: 500, Image: true}, {Rows: 5000}}, MaxTokens: 100})
	s.Enqueue(q)
	s.Admit()
	bound := (besidePictures + 10) * 80 * time.Millisecond / 10
	gap, longest, decoded := time.Duration(0), time.Duration(0), 0
	pass := func(d time.Duration) { gap += d }
	wants(s, q, 0, 'a')
	for left := time.Second; q.Phase() == Prefilling; {
		batch := s.TokenBatch()
		d := 80*time.Millisecond + time.Duration(shownRows(batch))*time.Millisecond
		pass(d)
		if q.prefill.segment == 0 { // then the text's own bound holds
			longest = max(longest, gap)
		}
		gap, decoded = 0, decoded+1
		s.Took(batch, d)
		for _, p := range batch {
			if s.Computed(p); p.Draw {
				p.Sequence.Drawn(1)
			}
		}
		if rows := s.ImageBatch(); rows != nil {
			d := time.Duration(rows[0].Rows) * time.Millisecond
			pass(d)
			s.Took(rows, d)
			s.Computed(rows[0])
			if next := s.TokenBatch(); q.prefill.segment == 1 && gap+80*time.Millisecond+time.Duration(shownRows(next))*time.Millisecond > bound*21/20 {
				t.Errorf("%d rows of text after %v for the picture", shownRows(next), gap)
			}
		}
		if r, within := s.NextRun(); r != nil {
			n := min(within, left)
			left -= n
			pass(n)
			if s.Ran(r, n, left == 0); left == 0 {
				s.End(r)
				q.Encoded(0)
			}
		}
	}
	if longest > bound*21/20 || decoded < 8 {
		t.Errorf("an answer waited %v, %d tokens were decoded meanwhile", longest, decoded)
	}
}

// shownRows is how many rows of a batch are of prompts.
func shownRows(batch []Part) (n int) {
	for _, p := range batch {
		if !p.Decode {
			n += p.Rows
		}
	}
	return n
}

// Whatever comes and leaves, each picture that is waited for is encoded, once while anybody waits for it, within memory
// and within the bytes that may be ahead; and however many short ones come, none waits for ever.
func TestPicturesOfManyRequests(t *testing.T) {
	for seed := range uint64(100) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			l := viewers(1 + rng.IntN(4))
			l.AheadBytes, l.EncodeMemory = 2*int64(rng.IntN(300)), int64(200+rng.IntN(1000))
			s := New(l)
			var all []*Sequence
			for step := range 4000 {
				if len(all) < 60 && rng.IntN(4) == 0 {
					all = append(all, aViewer(s, rng))
				}
				s.Admit()
				if rng.IntN(30) == 0 && len(all) > 0 {
					if q := all[rng.IntN(len(all))]; q.Phase() != Ended {
						s.Remove(q)
					}
				}
				s.Abandoned()
				r, _ := s.NextRun()
				if r == nil {
					finishViewers(s)
					if step > 1000 && len(all) == 60 && len(s.active) == 0 && len(s.queue) == 0 {
						return
					}
					continue
				}
				checkRuns(t, s)
				if r.spent > 0 && rng.IntN(3) > 0 {
					for _, p := range r.Pictures {
						for _, w := range p.Wanted() {
							w.Sequence.Encoded(w.Segment)
						}
					}
					s.Ran(r, time.Second, true)
					s.End(r)
				} else {
					s.Ran(r, time.Second, false)
				}
				finishViewers(s)
			}
			t.Errorf("%d sequences have not ended, %d pictures wait", len(s.active)+len(s.queue), len(s.pictures))
		})
	}
}

func aViewer(s *Scheduler, rng *rand.Rand) *Sequence {
	rows := make([]int, 1+rng.IntN(3))
	for i := range rows {
		rows[i] = 10 * (1 + rng.IntN(20))
	}
	q := viewer(s, rows...)
	for i := range rows {
		wants(s, q, i, byte(rows[i]/10*3+rng.IntN(3))) // of each size three
	}
	return q
}

// finishViewers ends the sequences that have all of their rows.
func finishViewers(s *Scheduler) {
	for _, q := range slices.Clone(s.active) {
		if !slices.Contains(q.prefill.encoded, false) {
			s.Remove(q)
		}
	}
}

func checkRuns(t *testing.T, s *Scheduler) {
	t.Helper()
	memory, keys := int64(0), map[[32]byte]bool{}
	for _, r := range s.runs {
		memory += r.memory()
		for _, p := range r.Pictures {
			if keys[p.Key] {
				t.Error("a picture is encoded twice")
			}
			keys[p.Key] = true
		}
	}
	if len(s.runs) > mostRuns || memory > s.limits.EncodeMemory {
		t.Errorf("%d runs take %d bytes", len(s.runs), memory)
	}
	// More may be ahead of what was begun for a sequence that has left, and is wanted by others.
	begun := s.runs[len(s.runs)-1]
	if ahead := s.ahead(); begun.spent == 0 && !begun.lead().active() && ahead > s.limits.AheadBytes {
		t.Errorf("%d bytes are ahead", ahead)
	}
}
