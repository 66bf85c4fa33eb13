package train

import (
	"cmp"
	"math"
	"math/rand/v2"
	"sync"

	"github.com/qwenvld/qwenvld/router/difficulty"
)

// Options of a fit. DefaultOptions were chosen on sources left out; docs/ROUTER.md has the comparison.
type Options struct {
	Rate   float64 // Adagrad's learning rate
	L2     float64
	Epochs int
	// Drop is the share of a prompt's words that each pass over it leaves out, so that none is relied on alone.
	Drop float64
	// PerSource bounds the examples taken from one source, but for our own prompts and outcomes.
	PerSource int
	// Mass is the power by which a cell of language and picture counts of its size.
	Mass float64
	// Unsure is the weight of an example whose label is unsure.
	Unsure float64
	// Contrast is by how much more than others the prompts count that were written in contrasting pairs.
	Contrast float64
	// Seeds is how many fits are averaged, of seeds from Seed on, and FoldSeeds how many where something is left out,
	// of which there are many.
	Seeds, FoldSeeds int
	Seed             uint64
}

// DefaultOptions returns the options of the shipped weights.
func DefaultOptions() Options {
	return Options{
		Rate: 0.4, L2: 1e-3, Epochs: 6, Drop: 0.5, PerSource: 100, Mass: 0.8, Unsure: 0.15, Contrast: 3, Seeds: 5, FoldSeeds: 3, Seed: 1,
	}
}

// column is one head's weights.
type column struct {
	weights []float32
	bias    float64
	shift   uint
}

// moving is a weight that is being fitted and the sum of the squares of its steps, side by side for the cache's sake.
type moving struct{ weight, squares float32 }

// fitColumn is logistic regression on soft targets by Adagrad, one pass after the other in a seeded order.
func fitColumn(samples []sample, shift uint, goal func(*Example) float64, o *Options, seed uint64) *column {
	rng := rand.New(rand.NewPCG(o.Seed, seed))
	c := &column{weights: make([]float32, difficulty.Buckets>>shift), shift: shift}
	table := make([]moving, len(c.weights))
	biasSquares := 0.0
	rate := float32(o.Rate)
	var blocks [3]block
	for range o.Epochs {
		for _, i := range rng.Perm(len(samples)) {
			s := &samples[i]
			lexical, question, shape := s.vector.Values()
			blocks[0].thin(s.vector.Lexical, lexical, shift, o.Drop, rng)
			blocks[1].thin(s.vector.Question, question, shift, o.Drop, rng)
			blocks[2].thin(s.vector.Shapes, shape, shift, 0, rng)
			z := c.bias
			for b := range blocks {
				for _, f := range blocks[b].kept {
					z += float64(table[f].weight * blocks[b].value)
				}
			}
			g := (sigmoid(z) - goal(s.Example)) * s.weight
			biasSquares += g * g
			c.bias -= o.Rate * g / (math.Sqrt(biasSquares) + 1e-6)
			decay := float32(o.L2 * s.weight)
			for b := range blocks {
				pull := float32(g) * blocks[b].value
				for _, f := range blocks[b].kept {
					w := &table[f]
					d := pull + decay*w.weight
					w.squares += d * d
					w.weight -= rate * d / (float32(math.Sqrt(float64(w.squares))) + 1e-6)
				}
			}
		}
	}
	for f := range table {
		c.weights[f] = table[f].weight
	}
	return c
}

// block is a part of a prompt's features in one pass over it.
type block struct {
	kept  []uint32
	value float32
}

// thin takes a block's features but for a share that is left out, and makes up for those in the value.
func (b *block) thin(features []uint32, value float32, shift uint, drop float64, rng *rand.Rand) {
	b.kept, b.value = b.kept[:0], value
	if drop == 0 {
		for _, f := range features {
			b.kept = append(b.kept, f>>shift)
		}
		return
	}
	const bits = 16 // of each draw of 64
	below := uint64(drop * (1 << bits))
	var draw uint64
	for i, f := range features {
		if i%(64/bits) == 0 {
			draw = rng.Uint64()
		}
		if draw&(1<<bits-1) >= below {
			b.kept = append(b.kept, f>>shift)
		}
		draw >>= bits
	}
	if len(b.kept) > 0 {
		b.value *= float32(math.Sqrt(float64(len(features)) / float64(len(b.kept))))
	}
}

func (c *column) score(v *difficulty.Vector) float64 {
	lexical, question, shape := v.Values()
	z := c.bias
	for _, f := range v.Lexical {
		z += float64(c.weights[f>>c.shift] * lexical)
	}
	for _, f := range v.Question {
		z += float64(c.weights[f>>c.shift] * question)
	}
	for _, f := range v.Shapes {
		z += float64(c.weights[f>>c.shift] * shape)
	}
	return z
}

// fitHeads fits the heads at the same time, each as the mean of Options.Seeds fits that differ in what they draw.
func fitHeads(draw func(o *Options) []sample, o *Options) [difficulty.Heads]*column {
	var fits [difficulty.Heads][]*column
	var wg sync.WaitGroup
	for h := range fits {
		fits[h] = make([]*column, max(o.Seeds, 1))
	}
	for i := range max(o.Seeds, 1) {
		seeded := *o
		seeded.Seed += uint64(i)
		samples := draw(&seeded)
		for h := range fits {
			wg.Go(func() {
				passes := seeded
				if h != difficulty.HeadInstruct { // labels teach the others little
					passes.Epochs = (passes.Epochs + 1) / 2
				}
				fits[h][i] = fitColumn(samples, 0, func(e *Example) float64 { return target(h, e) }, &passes, uint64(h)+10)
			})
		}
	}
	wg.Wait()
	var out [difficulty.Heads]*column
	for h := range out {
		out[h] = mean(fits[h])
	}
	return out
}

// mean averages columns. The scores of linear models average with them.
func mean(columns []*column) *column {
	out := &column{weights: make([]float32, len(columns[0].weights)), shift: columns[0].shift}
	share := 1 / float64(len(columns))
	for _, c := range columns {
		out.bias += share * c.bias
		for i, w := range c.weights {
			out.weights[i] += float32(share) * w
		}
	}
	return out
}

// Fit trains on all examples and takes calibration and price from a cross-validation.
func Fit(set *Set, examples []*Example, cv *Validation, o *Options, note string) (*difficulty.Model, error) {
	heads := fitHeads(balanced(examples), o)
	h := difficulty.Header{
		Data: set.Digest, Examples: len(examples), Calibration: cv.Calibration, Pays: cv.Pays, Lambda: cv.Lambda, Note: note,
	}
	var c difficulty.Columns
	_, _, shape := (&difficulty.Vector{}).Values()
	for _, row := range difficulty.PictureRows() {
		heads[difficulty.HeadInstruct].weights[row] += float32(cv.Pictures) / shape
	}
	for i, col := range heads {
		c.Weights[i], h.Bias[i] = col.weights, col.bias
	}
	kinds := *o
	kinds.Epochs, kinds.PerSource = 3, 600 // some kinds have one source only
	samples := balance(examples, &kinds)
	var named []sample
	for _, s := range samples {
		if kindOf(s.Example) >= 0 {
			named = append(named, sample{s.Example, 1})
		}
	}
	var wg sync.WaitGroup
	for k := range difficulty.Kinds() {
		wg.Go(func() {
			of := func(e *Example) float64 { return float64(count(kindOf(e) == k)) }
			col := fitColumn(named, difficulty.KindShift, of, &kinds, uint64(k)+100)
			c.Kinds[k], h.KindBias[k] = col.weights, col.bias
		})
	}
	wg.Wait()
	return difficulty.New(h, &c)
}

// byName sorts examples so that the order of files does not matter.
func byName(a, b *Example) int {
	return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Text, b.Text))
}
