package compute

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/answer"
	"github.com/qwenvld/qwenvld/engine/worker/sampler"
	"github.com/qwenvld/qwenvld/engine/worker/schedule"
	"github.com/qwenvld/qwenvld/engine/worker/speculation"
)

// eager takes every guess.
type eager struct{}

func (eager) Took(int, time.Duration) {}

func (eager) Share(_ int, chances [][]float64, _ int, shares []int) {
	for i := range shares {
		shares[i] = len(chances[i])
	}
}

// copying makes the fake model's answers repeat themselves for the most part, so that many guesses hold and many do
// not.
func copying(_ int32, rows int) (int32, bool) {
	switch {
	case rows%29 == 0:
		return 0, false // the logits of the rows, which no guess foresees
	case rows%31 == 0:
		return int32(rows % 53), true
	}
	return int32(rows % 7), true
}

// evenLetters allows every other letter. What a token leads to is known after it was there once.
type evenLetters struct{ known map[int32]bool }

func (c *evenLetters) Allowed() []uint64 { return []uint64{0x5555555555555 & (1<<vocabShown - 1)} }
func (c *evenLetters) MayEnd() bool      { return true }
func (c *evenLetters) MustEnd() bool     { return false }
func (c *evenLetters) Follows(tokens []int32) int {
	for i, t := range tokens {
		if t%2 != 0 || t >= vocabShown {
			return i
		}
		if !c.known[t] {
			return i + 1
		}
	}
	return len(tokens)
}
func (c *evenLetters) AcceptKnown(t int32) bool { return c.known[t] }
func (c *evenLetters) Accept(t int32) error {
	c.known[t] = true
	return nil
}

// variedSpec is a request of any kind. The same number gives the same one.
func variedSpec(n uint64, guesses bool) Spec {
	rng := rand.New(rand.NewPCG(n, 5))
	prompt := make([]int32, 3+rng.IntN(12))
	for i := range prompt {
		prompt[i] = int32(rng.IntN(9))
	}
	segments := []Segment{text(prompt...)}
	if rng.IntN(4) == 0 {
		segments = append(segments, picture(byte(n), 2, 3), text(3, 4, 5))
	}
	s := spec(1+rng.IntN(90), segments...)
	params := engine.Sampling{PresencePenalty: float64(rng.IntN(2)) / 2, FrequencyPenalty: float64(rng.IntN(2)) / 50}
	if rng.IntN(2) == 0 {
		params.Temperature, params.TopK, params.TopP = 20, 30, 0.99
	}
	s.Sampler = sampler.New(params, prompt, n)
	s.Logprobs, s.TopLogprobs = rng.IntN(2) == 0, 3
	s.FirstTokens, s.FirstTop, s.RunningUsage = 3, 2, true
	var stop []string
	if rng.IntN(3) == 0 {
		stop = []string{"gabc", "zz"}
	}
	if rng.IntN(3) == 0 {
		s.Constraint = &evenLetters{known: map[int32]bool{}}
	}
	if rng.IntN(3) == 0 {
		tag := NewTag("</t>", vocabSize, fakeVocab{}.Bytes)
		s.Thinking = Thinking{Open: true, EndTag: tag, Limit: 5 + rng.IntN(20), Close: []int32{1, 2, tokenClose, 3}}
		s.Answer = answer.New(answer.Options{Thinking: true, EndTag: "</t>", Stop: stop})
	} else {
		s.Answer = answer.New(answer.Options{Stop: stop})
	}
	if guesses {
		var prediction []int32
		if rng.IntN(3) == 0 {
			prediction = []int32{5, 6, 0, 1, 2, 3, 4, 5, 6, 0, 1, 9, 9, 9}
		}
		s.Guesses = speculation.New(prediction, prompt)
	}
	return s
}

// whole is all that a client gets to see of an answer, but for how it was cut into events.
type whole struct {
	text   string
	tokens []engine.Token
	result engine.Result
	err    error
}

func readWhole(t *testing.T, j *Job) (w whole) {
	t.Helper()
	for {
		events, done, err := j.Events(t.Context())
		for _, ev := range events {
			w.text += ev.Text
			w.tokens = append(w.tokens, ev.Tokens...)
			if ev.Result != nil {
				w.result = *ev.Result
				w.result.Usage.CachedTokens, w.result.Usage.AcceptedPrediction, w.result.Usage.RejectedPrediction = 0, 0, 0
			}
		}
		if err != nil || done {
			w.err = err
			return w
		}
	}
}

// Whatever is guessed, and however many sequences share a cache that is too small for them, every answer is the one
// that comes without guesses: its text, its log-probabilities, where it ends and why.
func TestGuessesChangeNoAnswer(t *testing.T) {
	const requests = 60
	plain := newFakeModel(t, 4000)
	plain.script = copying
	one := start(t, plain, &fakeEncoder{t: t}, Options{Limits: schedule.Limits{Sequences: 1}})
	var want []whole
	for n := range uint64(requests) {
		j, err := one.Submit(t.Context(), variedSpec(n, false))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, readWhole(t, j))
	}
	for _, c := range []struct {
		cells, sequences, branches int
		worth                      sharer
	}{{4000, 1, 0, eager{}}, {4000, 5, 0, eager{}}, {160, 5, 0, eager{}}, {400, 5, 50, eager{}}, {400, 5, 50, nil}} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			m := newFakeModel(t, c.cells)
			m.script, m.worth = copying, c.worth
			l := start(t, m, &fakeEncoder{t: t}, Options{
				Limits:  schedule.Limits{Sequences: c.sequences, Branches: c.branches, ParkedCells: c.cells / 2},
				Guesses: 6,
			})
			jobs := make([]*Job, requests)
			for n := range jobs {
				var err error
				if jobs[n], err = l.Submit(t.Context(), variedSpec(uint64(n), true)); err != nil {
					t.Fatal(err)
				}
			}
			for n, j := range jobs {
				if got := readWhole(t, j); !reflect.DeepEqual(got, want[n]) {
					t.Errorf("request %d: %+v\nwithout guesses: %+v", n, got, want[n])
				}
			}
			if g := l.Guesses(); c.worth != nil && (g.Held < 100 || g.Made < g.Held+50) {
				t.Errorf("of %d guesses %d held", g.Made, g.Held)
			}
		})
	}
}

// Guesses that hold save steps: an answer of one token over and over, and the text that closes a think block.
func TestGuessesSaveSteps(t *testing.T) {
	for name, c := range map[string]struct {
		spec func() Spec
		most int
	}{
		"a repetition": {func() Spec {
			s := spec(60, text(1, 2))
			s.MayRepeat = true
			return s
		}, 30},
		"a forced text": {func() Spec {
			s := spec(60, text(1, 2))
			tag := NewTag("</t>", vocabSize, fakeVocab{}.Bytes)
			s.Thinking = Thinking{Open: true, EndTag: tag, Limit: 0, Close: slices.Repeat([]int32{11, 12, 13}, 19)}
			s.Answer = answer.New(answer.Options{Thinking: true, EndTag: "</t>"})
			return s
		}, 15},
	} {
		m := newFakeModel(t, 200)
		m.worth = eager{}
		m.script = func(int32, int) (int32, bool) { return 9, true }
		l := start(t, m, nil, Options{Guesses: 7})
		s := c.spec()
		s.Guesses = speculation.New(nil, s.Segments[0].Tokens)
		got := do(t, l, s)
		if got.err != nil || got.result.Usage.CompletionTokens != 60 || m.steps > c.most {
			t.Errorf("%s: %d steps, %+v", name, m.steps, got)
		}
	}
}

// A prediction is counted as far as it was computed ahead, by whether it came true.
func TestUsageTellsWhatBecameOfAPrediction(t *testing.T) {
	m := newFakeModel(t, 200)
	m.worth = eager{}
	said := []int32{20, 21, 22, 23, 24, 25, 26, 27, 28, 29}
	m.script = func(_ int32, rows int) (int32, bool) { return said[rows-2], true }
	l := start(t, m, nil, Options{Guesses: 4})
	s := spec(len(said), text(1, 2))
	s.Guesses = speculation.New([]int32{20, 21, 22, 23, 24, 25, 40, 41, 42}, s.Segments[0].Tokens)
	got := do(t, l, s)
	// The first token comes of the prompt. Then four are right, which bring 25 along, and of the next three, none is.
	if u := got.result.Usage; got.err != nil || u.AcceptedPrediction != 4 || u.RejectedPrediction != 3 {
		t.Errorf("%+v %+v", u, got.err)
	}
}
