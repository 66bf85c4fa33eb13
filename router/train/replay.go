package train

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/difficulty"
)

// start are a model's heads as columns that can be moved, with the calibration in them.
type start struct {
	heads   [difficulty.Heads]*column
	general []lesson
	// parts are the heads fitted without a part of the outcomes each, once they are known.
	parts [][difficulty.Heads]*column
}

// lesson is a prompt with what each head is to say of it.
type lesson struct {
	*Example
	goals [difficulty.Heads]float64
}

func startOf(m *difficulty.Model, g *general, seed uint64) *start {
	s := &start{}
	columns := m.Columns()
	for h := range s.heads {
		p := m.Calibration[h]
		c := &column{weights: columns.Weights[h], bias: p.A*m.Bias[h] + p.B}
		for i := range c.weights {
			c.weights[i] *= float32(p.A)
		}
		s.heads[h] = c
	}
	for _, e := range g.sample(replays, seed) {
		s.general = append(s.general, s.lessonOf(e))
	}
	return s
}

// lessonOf is a general prompt with what the heads said of it at the start.
func (s *start) lessonOf(e *Example) lesson {
	l := lesson{Example: e}
	for h, c := range s.heads {
		l.goals[h] = sigmoid(c.score(&e.vector))
	}
	return l
}

// held are copies moved to the outcomes, and moved anew from the start, with reminders, as long as that makes them
// forget less: general prompts that were decided rightly before and are not any more become lessons several times over.
func (s *start) held(outcomes []*Example, g *general, lambda float64, seed uint64) [difficulty.Heads]*column {
	heads := s.moved(outcomes, seed)
	for range reminders {
		before := len(s.general)
		for _, e := range g.lessons() {
			if thinks(&s.heads, e, lambda) == (e.Label == LabelThinking) && thinks(&heads, e, lambda) != (e.Label == LabelThinking) {
				s.general = append(s.general, slices.Repeat([]lesson{s.lessonOf(e)}, emphasis)...)
			}
		}
		if len(s.general) == before {
			break
		}
		heads = s.moved(outcomes, seed)
	}
	return heads
}

// thinks is the decision of heads at a price.
func thinks(heads *[difficulty.Heads]*column, e *Example, lambda float64) bool {
	says := func(h int) float64 { return sigmoid(heads[h].score(&e.vector)) }
	m := difficulty.Model{Header: difficulty.Header{Lambda: lambda}}
	price := m.Price(difficulty.TokensOf(says(difficulty.HeadTokens)), router.DefaultQuality)
	return says(difficulty.HeadThinking)-says(difficulty.HeadInstruct) > price
}

// between are the heads a share of the way from where they started.
func (s *start) between(moved [difficulty.Heads]*column, share float64) [difficulty.Heads]*column {
	if share == 1 {
		return moved
	}
	var out [difficulty.Heads]*column
	for h, from := range s.heads {
		c := &column{weights: slices.Clone(from.weights), bias: from.bias + share*(moved[h].bias-from.bias)}
		for i, w := range moved[h].weights {
			c.weights[i] += float32(share) * (w - c.weights[i])
		}
		out[h] = c
	}
	return out
}

// moved are copies fitted to outcomes, held to where they started by the general prompts and by the decay.
func (s *start) moved(outcomes []*Example, seed uint64) [difficulty.Heads]*column {
	lessons := make([]lesson, 0, len(outcomes)+len(s.general))
	for _, e := range outcomes {
		l := lesson{Example: e}
		for h := range l.goals {
			l.goals[h] = target(h, e)
		}
		lessons = append(lessons, l)
	}
	lessons = append(lessons, s.general...)
	var out [difficulty.Heads]*column
	for h, from := range s.heads {
		c := &column{weights: slices.Clone(from.weights), bias: from.bias}
		rng := rand.New(rand.NewPCG(seed, uint64(h)))
		// A step that is next to nothing must move next to nothing, or replayed prompts would shake what they are to
		// keep.
		squares := slices.Repeat([]float32{adaptStill}, len(c.weights))
		biasSquares := 1.0
		for range adaptEpochs {
			for _, i := range rng.Perm(len(lessons)) {
				e := &lessons[i]
				g := sigmoid(c.score(&e.vector)) - e.goals[h]
				biasSquares += g * g
				c.bias -= adaptRate * g / (math.Sqrt(biasSquares) + 1e-6)
				lexical, question, shape := e.vector.Values()
				update := func(f uint32, value float32) {
					d := float32(g)*value + adaptDecay*(c.weights[f]-from.weights[f])
					squares[f] += d * d
					c.weights[f] -= adaptRate * d / (float32(math.Sqrt(float64(squares[f]))) + 1e-6)
				}
				for _, f := range e.vector.Lexical {
					update(f, lexical)
				}
				for _, f := range e.vector.Question {
					update(f, question)
				}
				for _, f := range e.vector.Shapes {
					update(f, shape)
				}
			}
		}
		out[h] = c
	}
	return out
}
