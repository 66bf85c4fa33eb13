package cost

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// machine is one whose costs are known.
type machine struct{ weights, row, depth float64 }

func (m machine) takes(b Batch) time.Duration {
	return seconds(max(m.weights, float64(b.Decoding)*m.row+float64(b.Rows)*(m.row+m.depth*b.Depth)))
}

func near(got, want time.Duration, share float64) bool {
	return math.Abs(got.Seconds()-want.Seconds()) <= share*want.Seconds()
}

func TestCostsOfAMachineAreLearnt(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 1))
		c := machine{row: math.Exp(rng.Float64()*8 - 12)}
		c.depth = c.row * rng.Float64() / 2000
		var m Model
		for range 400 {
			rows := 1 + rng.IntN(512)
			b := Batch{Rows: rows, Depth: float64(rng.IntN(8000) + rows/2)}
			m.Took(b, c.takes(b))
		}
		for range 50 {
			rows, depth := 1+rng.IntN(512), float64(rng.IntN(8000))
			want := c.takes(Batch{Rows: rows, Depth: depth + float64(rows)/2})
			if got := m.Prompt().Takes(rows, depth); !near(got, want, 0.05) {
				t.Fatalf("seed %d: %d rows at %.0f take %v, want %v", seed, rows, depth, got, want)
			}
		}
	}
}

func TestDecodingIsKnownByItsRows(t *testing.T) {
	var m Model
	if got := m.Decoding(3); got != 3*Guess {
		t.Errorf("guessed %v", got)
	}
	m.Took(Batch{Decoding: 2}, 80*time.Millisecond)
	m.Took(Batch{Decoding: 4}, 100*time.Millisecond)
	for rows, want := range map[int]time.Duration{
		0: 0, 1: 80 * time.Millisecond, 2: 80 * time.Millisecond, 3: 100 * time.Millisecond, 4: 100 * time.Millisecond,
		8: 200 * time.Millisecond,
	} {
		if got := m.Decoding(rows); got != want {
			t.Errorf("%d rows take %v, want %v", rows, got, want)
		}
	}
	// Prompt rows that share a batch with decoding cost what the batch takes longer.
	m.Took(Batch{Decoding: 2, Rows: 32, Depth: 16}, 400*time.Millisecond)
	if got := m.Prompt().Takes(32, 0); !near(got, 320*time.Millisecond, 0.01) {
		t.Errorf("the prompt's share is %v", got)
	}
	if m.Image() != m.Prompt() {
		t.Error("rows of images are unknown, and not taken for others")
	}
	m.ImageTook(32, 16, 640*time.Millisecond)
	if got := m.Image().Takes(32, 0); !near(got, 640*time.Millisecond, 0.01) {
		t.Errorf("an image's rows take %v", got)
	}
}

func TestAStoppedProcessDoesNotMakeRowsCostMinutes(t *testing.T) {
	var m Model
	for range 20 {
		m.Took(Batch{Rows: 64, Depth: 32}, 640*time.Millisecond)
	}
	before := m.Prompt().Takes(64, 0)
	m.Took(Batch{Rows: 64, Depth: 32}, 10*time.Minute)
	if got := m.Prompt().Takes(64, 0); got > 2*before {
		t.Errorf("64 rows take %v after one that took minutes, %v before", got, before)
	}
	for range 40 { // the machine did become slower
		m.Took(Batch{Rows: 64, Depth: 32}, 6400*time.Millisecond)
	}
	if got := m.Prompt().Takes(64, 0); !near(got, 6400*time.Millisecond, 0.1) {
		t.Errorf("a slower machine takes %v", got)
	}
}

// Whatever it is told, more rows never take less, deeper ones neither, and what fits does fit.
func TestPredictionsAreInOrder(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var r Rate
		for range rng.IntN(60) {
			r.took(rng.IntN(600), float64(rng.IntN(20_000)), math.Exp(rng.Float64()*16-10))
		}
		rows, depth := 1+rng.IntN(500), float64(rng.IntN(20_000))
		takes := r.Takes(rows, depth)
		if takes <= 0 || r.Takes(rows+1, depth) < takes || r.Takes(rows, depth+100) < takes {
			t.Fatalf("seed %d: %d rows at %.0f take %v, one more %v, deeper %v", seed, rows, depth, takes,
				r.Takes(rows+1, depth), r.Takes(rows, depth+100))
		}
		within := time.Duration(rng.Int64N(int64(2 * takes)))
		n := r.Fit(500, depth, within)
		if n > 0 && r.Takes(n, depth) > within || n < 500 && r.Takes(n+1, depth) <= within {
			t.Fatalf("seed %d: %d rows fit into %v, they take %v", seed, n, within, r.Takes(n, depth))
		}
	}
}
