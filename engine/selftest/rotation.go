package selftest

import (
	"fmt"
	"math"

	"github.com/qwenvld/qwenvld/engine/llama"
)

// Rotary positions of the real models: pairs of values in a head, sections of time, height and width, and theta.
const (
	pairs = 64
	theta = 5e6
)

// rotary stands in reports in place of weights.
const rotary = "rotary positions"

func sections() [4]int32 { return [4]int32{24, 20, 20, 0} }

// axis is the one that transformers rotates a pair by: 0 time, 1 height, 2 width (apply_interleaved_mrope).
func axis(pair int, s [4]int32) int {
	for a := 1; a < 3; a++ {
		if pair%3 == a && pair < 3*int(s[a]) {
			return a
		}
	}
	return 0
}

// frequency is what a pair turns by in one position.
func frequency(pair int) float64 { return math.Pow(theta, -float64(pair)/pairs) }

// lastTurned is the first of those pairs that kernels of cards leave unturned with the sections that the files have.
const lastTurned = 61

// rotation compares the device's kernel with float64 at positions up to the longest context, for text, and for pictures
// of 128 x 128 tokens. Cards get the sections that loading a model sets there.
func rotation(device string, card bool) ([]Check, error) {
	given := sections()
	if card {
		given = llama.AllRotated(given, pairs)
	}
	head := make([]float32, 2*pairs)
	for i := range pairs {
		head[i] = 1 // the pair (1, 0) becomes cosine and sine of its angle
	}
	var out []Check
	for _, c := range []struct {
		name      string
		positions []llama.Position
		low       float64 // for the pairs from lastTurned on, in radians
	}{
		{"text", textPositions(), 1e-4},
		{"pictures", picturePositions(), 2e-4},
	} {
		turned, err := llama.Rotate(device, head, c.positions, given, theta)
		if err != nil {
			return nil, fmt.Errorf("rotary positions: %w", err)
		}
		fast, slow := 0.0, 0.0
		for i, p := range c.positions {
			for pair := range pairs {
				at := [3]int32{p.T, p.H, p.W}[axis(pair, sections())]
				angle := float64(at) * frequency(pair)
				row := turned[i*2*pairs:]
				off := math.Hypot(float64(row[pair])-math.Cos(angle), float64(row[pairs+pair])-math.Sin(angle))
				if pair >= lastTurned {
					slow = math.Max(slow, off)
				} else if angle > 0 {
					fast = math.Max(fast, off/(1+angle))
				}
			}
		}
		out = append(out,
			Check{Weights: rotary, Format: Float32, Name: c.name + ", pairs 61 to 63, in radians", Deviation: slow, Limit: c.low},
			Check{Weights: rotary, Format: Float32, Name: c.name + ", others, relative to the angle", Deviation: fast, Limit: 2e-5})
	}
	return out, nil
}

func textPositions() []llama.Position {
	var out []llama.Position
	for _, at := range []int32{0, 1, 5, 1000, 4096, 32768, 131072, 262143} {
		out = append(out, llama.Position{T: at, H: at, W: at})
	}
	return out
}

// picturePositions are corners of pictures of 128 x 128 tokens at several places.
func picturePositions() []llama.Position {
	var out []llama.Position
	for _, at := range []int32{0, 5, 32768, 262016} {
		for _, d := range []int32{0, 1, 64, 127} {
			for _, corner := range [][2]int32{{d, 0}, {0, d}, {d, d}} {
				out = append(out, llama.Position{T: at, H: at + corner[0], W: at + corner[1]})
			}
		}
	}
	return out
}
