package schedule

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/engine/worker/cost"
)

// learned is a scheduler that knows what decoding and rows cost, with so many sequences decoding.
func learned(limits Limits, decoding int, decode, row time.Duration) *Scheduler {
	s := New(limits)
	for n := 1; n <= 8; n++ {
		s.costs.Took(cost.Batch{Decoding: n}, decode)
	}
	for range 20 {
		s.costs.Took(cost.Batch{Rows: 100, Depth: 100}, 100*row)
		s.costs.ImageTook(100, 100, 100*row)
	}
	for range decoding {
		q := NewSequence(Request{Prompt: []Segment{{Rows: 1}}, MaxTokens: 100})
		s.Enqueue(q)
		s.Admit()
		prefilled(s, q)
	}
	return s
}

func TestPromptsGetTimeInProportionToDecoding(t *testing.T) {
	wide := Limits{Cells: 100_000, Sequences: 8, BatchRows: 512, PrefillRows: 512}
	for name, c := range map[string]struct {
		limits      Limits
		decoding    int
		decode, row time.Duration
		prompts     []string
		encoded     bool
		text, image int
	}{
		"nobody decodes": {wide, 0, 80 * time.Millisecond, 10 * time.Millisecond, []string{"5000"}, false, 100, 0},
		"a slow machine": {wide, 2, 80 * time.Millisecond, 10 * time.Millisecond, []string{"5000"}, false, 38, 0}, // 40 with the two
		"a fast one":     {wide, 1, 8 * time.Millisecond, 100 * time.Microsecond, []string{"5000"}, false, 499, 0},
		"a toy":          {wide, 1, time.Millisecond, 100 * time.Microsecond, []string{"5000"}, false, 499, 0},
		"rows are bounded": {
			Limits{Cells: 100_000, Sequences: 8, BatchRows: 512, PrefillRows: 20},
			1, 80 * time.Millisecond, 10 * time.Millisecond,
			[]string{"5000"},
			false, 19, 0,
		},
		"rows that cost much":     {wide, 2, 80 * time.Millisecond, time.Second, []string{"5000"}, false, 4, 0},
		"an image alone":          {wide, 1, 80 * time.Millisecond, 10 * time.Millisecond, []string{"[5000]"}, true, 0, 24},
		"an image beside text":    {wide, 1, 80 * time.Millisecond, 10 * time.Millisecond, []string{"5000", "[5000]"}, true, 11, 12},
		"what is left is used up": {wide, 1, 80 * time.Millisecond, 10 * time.Millisecond, []string{"10", "5000"}, false, 39, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := learned(c.limits, c.decoding, c.decode, c.row)
			for _, q := range enqueue(t, s, c.prompts...) {
				if s.Admit(); c.encoded {
					q.Encoded(0)
				}
			}
			count := func(batch []Part) (rows int) {
				for _, p := range batch {
					if !p.Decode {
						rows += p.Rows
					}
				}
				return rows
			}
			if text, image := count(s.TokenBatch()), count(s.ImageBatch()); text != c.text || image != c.image {
				t.Errorf("%d rows of text, %d of an image; want %d, %d", text, image, c.text, c.image)
			}
		})
	}
}

// Whatever a machine's speed, a step is not much longer than what decoding is allowed to wait, once costs are known, and
// prompts get on by most of the time.
func TestStepsKeepTheirTimeOnAnyMachine(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 5))
		weights, row := math.Exp(rng.Float64()*6-8), math.Exp(rng.Float64()*7-12)
		takes := func(batch []Part) time.Duration {
			seconds := 0.0
			for _, p := range batch {
				seconds += float64(p.Rows) * row * (1 + float64(p.At)/5000)
			}
			return time.Duration(max(weights, seconds) * 1e9)
		}
		s := New(Limits{Cells: 1 << 20, Sequences: 4, BatchRows: 512, PrefillRows: 512})
		for _, q := range enqueue(t, s, "1", "1", "8000") {
			s.Admit()
			if q.segments[0].Rows == 1 {
				prefilled(s, q)
			}
		}
		alone := takes(s.TokenBatch()[:2])
		for range 10 {
			s.Took(s.TokenBatch()[:2], alone)
		}
		for step := 0; s.active[2].Phase() == Prefilling; step++ {
			batch := s.TokenBatch()
			d := takes(batch)
			bound := max(unnoticed, (beside+1)*alone)
			least := time.Duration(float64(kernelRows+2) * row * 3e9) // a few rows are always computed
			if step > 5 && d > max(bound*3/2, least) {
				t.Fatalf("seed %d, step %d: %v, decoding alone takes %v", seed, step, d, alone)
			}
			s.Took(batch, d)
			for _, p := range batch {
				s.Computed(p)
				if p.Draw {
					p.Sequence.Drawn(1)
				}
			}
			if step > 8000 {
				t.Fatalf("seed %d: the prompt does not get on", seed)
			}
		}
	}
}
