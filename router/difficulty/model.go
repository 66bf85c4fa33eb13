package difficulty

import (
	"math"
	"sync"

	"github.com/qwenvld/qwenvld/router"
)

// Heads of the model: one column of weights each.
const (
	HeadInstruct = iota // the instruct variant's answer is right
	HeadThinking        // the thinking variant's answer is right
	HeadTokens          // thinking tokens, see TokensScale
	Heads

	// stride is the distance of two rows of weights: Heads and padding, so that a row lies in one word.
	stride = 4
)

const (
	// Buckets is the number of rows of weights.
	Buckets = buckets
	// KindShift folds the rows of the kinds' weights: kinds are told apart by less.
	KindShift = 2
	// KindBuckets is the number of rows of the kinds' weights.
	KindBuckets = buckets >> KindShift
	// questionValue is how much the question's block counts beside that of the whole text.
	questionValue = 0.5
	// shapeValue is a shape's value beside lexical features, whose values' squares sum to one.
	shapeValue = 0.2
)

// TokensScale and TokensMiddle turn the head of tokens, 0..1, into a count: log2(tokens) = TokensMiddle +
// TokensScale*(2p-1).
const (
	TokensMiddle = 11.0
	TokensScale  = 5.0
)

// Kinds are what a prompt may be about, for reports. The order is that of the weights.
func Kinds() []string {
	return []string{
		"chat", "knowledge", "writing", "language", "reading", "code", "math", "science", "logic",
		"recognition", "text reading", "chart", "image math", "image logic",
	}
}

// kinds is len(Kinds()).
const kinds = 14

// Platt maps a log-odds z to sigmoid(A*z + B).
type Platt struct {
	A float64 `json:"a"`
	B float64 `json:"b"`
}

// Apply returns the calibrated probability.
func (p Platt) Apply(z float64) float64 { return sigmoid(p.A*z + p.B) }

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// Vector is a prompt's features: rows of weights. The features of a block have one value.
type Vector struct {
	// Lexical are those of the whole text, Question those of what is asked for.
	Lexical, Question, Shapes []uint32
}

// Values are those of a feature of each block. The more features there are, the less each counts, so a prompt's length
// does not decide by itself.
func (v *Vector) Values() (lexical, question, shape float32) {
	return lexicalValue(len(v.Lexical)), questionValue * lexicalValue(len(v.Question)), shapeValue
}

func lexicalValue(n int) float32 { return float32(1 / math.Sqrt(float64(max(n, 1)))) }

// Features returns the features of f, for training.
func Features(f *router.Features) Vector {
	var e extraction
	e.extract(f)
	v := Vector{
		Lexical: append([]uint32(nil), e.index...), Question: append([]uint32(nil), e.question...),
		Shapes: make([]uint32, len(e.shapes)),
	}
	for i, s := range e.shapes {
		v.Shapes[i] = s.index
	}
	return v
}

// Mark adds a feature for a word about the request that requests do not bring, to try out what knowing it would be
// worth.
func (v *Vector) Mark(word string) {
	h := seedMark
	for i := range len(word) {
		h = hash(h, uint32(word[i]))
	}
	v.Shapes = append(v.Shapes, h>>(32-bucketBits))
}

var _ router.Scorer = (*Model)(nil)

// Model scores prompts. It is immutable and safe for concurrent use.
type Model struct {
	Header
	weights []int8 // Buckets rows
	kinds   []int8 // KindBuckets rows of len(Kinds())
	memory  sync.Pool
}

// Assess implements router.Scorer.
func (m *Model) Assess(f *router.Features) router.Assessment {
	e := m.extraction(f)
	defer m.memory.Put(e)
	return m.assess(e)
}

func (m *Model) extraction(f *router.Features) *extraction {
	e, ok := m.memory.Get().(*extraction)
	if !ok {
		e = &extraction{}
	}
	e.extract(f)
	return e
}

func (m *Model) assess(e *extraction) router.Assessment {
	lexical, question := m.sum(e.index), m.sum(e.question)
	var shapes [Heads]int32
	for _, s := range e.shapes {
		w := m.weights[s.index*stride : s.index*stride+Heads : s.index*stride+Heads]
		shapes[0] += int32(w[0])
		shapes[1] += int32(w[1])
		shapes[2] += int32(w[2])
	}
	var z [Heads]float64
	value, asked := float64(lexicalValue(len(e.index))), questionValue*float64(lexicalValue(len(e.question)))
	for h := range z {
		z[h] = m.Bias[h] + m.Scale[h]*(value*float64(lexical[h])+asked*float64(question[h])+shapeValue*float64(shapes[h]))
	}
	a := m.judge(z)
	a.Options = e.counts.options
	return a
}

// sum adds up the weights of a block of features.
func (m *Model) sum(features []uint32) (out [Heads]int32) {
	for _, i := range features {
		w := m.weights[i*stride : i*stride+Heads : i*stride+Heads]
		out[0] += int32(w[0])
		out[1] += int32(w[1])
		out[2] += int32(w[2])
	}
	return out
}

// judge turns the heads' raw values into an assessment.
func (m *Model) judge(z [Heads]float64) router.Assessment {
	a := router.Assessment{
		Instruct: m.Calibration[HeadInstruct].Apply(z[HeadInstruct]),
		Thinking: m.Calibration[HeadThinking].Apply(z[HeadThinking]),
		Tokens:   TokensOf(m.Calibration[HeadTokens].Apply(z[HeadTokens])),
	}
	a.Score = m.ScoreOf(a.Thinking - a.Instruct)
	return a
}

// TokensOf is the count of tokens for a value of the head of tokens, 0 to 1.
func TokensOf(p float64) float64 { return math.Exp2(TokensMiddle + TokensScale*(2*p-1)) }

// ScoreOf is the calibrated probability that thinking pays, for a gain: P(thinking right) - P(instruct right).
func (m *Model) ScoreOf(gain float64) float64 { return m.Pays.Apply(gain) }

// Threshold implements router.Scorer: the score of a gain that just pays its price.
func (m *Model) Threshold(price float64) float64 { return m.ScoreOf(price) }

// Price implements router.Scorer: what thinking so many tokens costs, in probability of a right answer, at a quality of
// 0 to 10. The price grows with the tokens' logarithm; at quality 5 it is the model's own, at 10 nothing, at 0 more
// than any gain.
func (m *Model) Price(tokens, quality float64) float64 {
	if quality <= 0 {
		return math.Inf(1)
	}
	return m.Lambda * (10 - min(quality, 10)) / quality * math.Log2(max(tokens, 2)) / TokensMiddle
}
