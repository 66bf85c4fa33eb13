package llama

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// randomWeights are blocks of any bits at all, but for the scales of blocks, which are ordinary halves.
func randomWeights(rng *rand.Rand, kind weightType, columns, n int) []byte {
	out := make([]byte, columns/blockWeights*n*kind.block)
	for i := range out {
		out[i] = byte(rng.Uint32())
	}
	for at := 0; at < len(out); at += kind.block {
		halves := []int{at, at + 2} // d and dmin of a block_q4_K
		if kind.name == "Q6_K" {
			halves = []int{at + kind.block - 2}
		}
		for _, h := range halves {
			out[h+1] = 0x10 | byte(rng.Uint32()&0x0f) // 2^-11 to 2^-8
		}
	}
	return out
}

func randomRows(rng *rand.Rand, columns, count int) []float32 {
	out := make([]float32, columns*count)
	for i := range out {
		out[i] = float32(rng.NormFloat64() * math.Exp2(float64(i/blockWeights%5)))
	}
	return out
}

// dotProduct is the exact product, and the sum of its terms' sizes.
func dotProduct(x, w []float32) (product, size float64) {
	for k := range w {
		term := float64(x[k]) * float64(w[k])
		product += term
		size += math.Abs(term)
	}
	return product, size
}

// What strips give is what the weights stand for, up to the rounding of the rows to eight bits, and closer still to
// what ggml's own products give, which round alike.
func TestStripsMultiplyAsTheirFormatsSay(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 1))
	const columns, n = 3 * blockWeights, 96
	for _, kind := range stripTypes() {
		weights := randomWeights(rng, kind, columns, n)
		wide := kind.widen(weights, columns*n)
		for _, count := range []int{1, 2, 3, 7, 130} {
			rows := randomRows(rng, columns, count)
			got := kind.multiply(weights, columns, n, rows, 2, true)
			if got == nil {
				t.Skip("the processor has no instructions for strips")
			}
			plain := kind.multiply(weights, columns, n, rows, 1, false)
			for i := range got {
				exact, size := dotProduct(rows[i/n*columns:][:columns], wide[i%n*columns:][:columns])
				if d := math.Abs(float64(got[i]) - exact); !(d <= 1e-2*size) {
					t.Fatalf("%s, %d rows: product %d is %g, want %g within %g", kind.name, count, i, got[i], exact, 1e-2*size)
				}
				if d := math.Abs(float64(got[i]) - float64(plain[i])); !(d <= 1e-5*size) {
					t.Fatalf("%s, %d rows: product %d is %g, ggml's is %g", kind.name, count, i, got[i], plain[i])
				}
			}
		}
	}
}

// A row's products are the same bits whatever is computed beside it and on however many threads: answers do not depend
// on company.
func TestStripsMultiplyARowAlikeAloneAndAmongMany(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 2))
	const columns, n, count = 2 * blockWeights, 160, 131
	for _, kind := range stripTypes() {
		weights, rows := randomWeights(rng, kind, columns, n), randomRows(rng, columns, count)
		copy(rows[5*columns:], make([]float32, columns)) // zeros
		many := kind.multiply(weights, columns, n, rows, 3, true)
		if many == nil {
			t.Skip("the processor has no instructions for strips")
		}
		for _, i := range []int{0, 1, 5, 60, 119, 120, 130} {
			alone := kind.multiply(weights, columns, n, rows[i*columns:][:columns], 1, true)
			if !slices.Equal(alone, many[i*n:][:n]) {
				t.Errorf("%s: row %d alone gives other bits", kind.name, i)
			}
		}
	}
}
