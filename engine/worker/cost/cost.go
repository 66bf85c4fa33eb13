// Package cost predicts how long batches take, from how long earlier ones took: rows of prompts and images by how far
// back they look, steps of decoding by how many rows they have.
//
// It is pure: it is told durations and answers with durations. It must not measure, compute or wait, and does not
// decide what is done with the time.
package cost

import (
	"math"
	"time"
)

// Guess is what a row is taken to cost before anything is known of a machine.
const Guess = 10 * time.Millisecond

// Batch says what was, or would be, computed at once.
type Batch struct {
	// Decoding is how many rows belong to sequences that are past their prompts.
	Decoding int
	// Rows are those of prompts, which see Depth rows before them on average.
	Rows  int
	Depth float64
}

// Model is what is known of one machine and one set of weights. One goroutine uses it.
type Model struct {
	decode        [mostDecoding + 1]average
	prompt, image Rate
	encode        Rate
}

// mostDecoding is up to how many rows steps of decoding are told apart.
const mostDecoding = 64

// Took tells how long a batch of tokens took.
func (m *Model) Took(b Batch, d time.Duration) {
	switch b.Rows {
	case 0:
		m.decode[min(b.Decoding, mostDecoding)].add(d.Seconds())
	default:
		// Weights are read once for all rows. So rows that come along with decoding may seem to cost nothing, which is
		// never the whole truth.
		const least = 0.1
		own := max(d.Seconds()-m.Decoding(b.Decoding).Seconds(), least*d.Seconds())
		m.prompt.took(b.Rows, b.Depth, own)
	}
}

// ImageTook tells how long so many rows of an image took.
func (m *Model) ImageTook(rows int, depth float64, d time.Duration) {
	m.image.took(rows, depth, d.Seconds())
}

// EncodeTook tells how long an image of so many rows took to be encoded. Each of its rows looks at all of them.
func (m *Model) EncodeTook(rows int, d time.Duration) {
	m.encode.took(rows, float64(rows), d.Seconds())
}

// Decoding is how long a step takes in which so many rows decode and nothing else is computed. Of numbers of rows that
// were not seen, it is what more rows take, or what fewer take times as many.
func (m *Model) Decoding(rows int) time.Duration {
	if rows <= 0 {
		return 0
	}
	best := math.Inf(1)
	for n := 1; n <= mostDecoding; n++ {
		if a := &m.decode[n]; a.known {
			best = min(best, a.value*max(1, float64(rows)/float64(n)))
		}
	}
	if math.IsInf(best, 1) {
		return time.Duration(rows) * Guess
	}
	return seconds(best)
}

// Prompt is what a row of a prompt costs, Image one of an image, by kind; Encode what encoding costs.
func (m *Model) Prompt() *Rate { return either(&m.prompt, &m.image) }

// Image is what rows of images cost in the language model. They cost about as much as others, until it is known.
func (m *Model) Image() *Rate { return either(&m.image, &m.prompt) }

// Encode is what an image's rows cost in the vision tower, at a depth of as many.
func (m *Model) Encode() *Rate { return &m.encode }

func either(a, b *Rate) *Rate {
	if !a.Known() && b.Known() {
		return b
	}
	return a
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// surprise is by what factor something may differ from what was expected to be taken at its word. A process that was
// stopped for a while must not make it look as if rows cost minutes.
const surprise = 4

func credible(seen, expected float64) float64 {
	return min(max(seen, expected/surprise), expected*surprise)
}

// average follows a value.
type average struct {
	value float64
	known bool
}

func (a *average) add(v float64) {
	const follow = 0.2
	if !a.known {
		*a = average{v, true}
		return
	}
	a.value += follow * (credible(v, a.value) - a.value)
}
