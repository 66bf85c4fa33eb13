package compute

import (
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/schedule"
	"github.com/qwenvld/qwenvld/engine/worker/speculation"
)

// sharer says how many guesses are worth their rows.
type sharer interface {
	// Took tells how long a step took that decoded so many rows and did nothing else.
	Took(rows int, d time.Duration)
	// Share says how many guesses of each sequence, whose chances are given, go into a step of so many rows otherwise.
	Share(rows int, chances [][]float64, room int, shares []int)
}

var _ sharer = (*speculation.Controller)(nil)

// guess has guesses at the tokens that come next computed along with the next batch, as many as are worth their rows.
func (l *Loop) guess() {
	l.guessing, l.chances = l.guessing[:0], l.chances[:0]
	rows := 0
	for _, p := range l.plan.Active() {
		if p.Phase() != schedule.Decoding {
			continue
		}
		rows++
		p.Guess(0)
		s := l.sequences[p]
		var chances []float64
		s.guesses, chances = s.foresee(l.o.Guesses)
		if s.predicted = 0; len(chances) > 0 {
			l.guessing, l.chances = append(l.guessing, s), append(l.chances, chances)
		}
	}
	if len(l.guessing) == 0 {
		return
	}
	l.shares = append(l.shares[:0], make([]int, len(l.guessing))...)
	l.worth.Share(rows, l.chances, l.o.BatchRows-rows, l.shares)
	for i, s := range l.guessing {
		s.plan.Guess(l.shares[i])
		if s.answer.block.forcing() {
			continue
		}
		s.predicted = s.job.spec.Guesses.Predicted(l.shares[i])
	}
}

// foresee is what s may go on with after the token drawn last, at most so many tokens, and how likely each is to be
// right with those before it. While its mask is being built nobody knows what is allowed.
func (s *sequence) foresee(most int) (tokens []int32, chances []float64) {
	if most <= 0 || s.mask != nil {
		return nil, nil
	}
	return s.answer.foresee(most)
}

// foresee finds the guesses of an answer: tokens that will be forced are certain, others come from its Lookup. Those
// that the constraint is known not to allow are none.
func (g *generation) foresee(most int) (tokens []int32, chances []float64) {
	most = min(most, g.spec.MaxTokens-g.usage.CompletionTokens-1)
	if most <= 0 || g.spec.Guesses == nil {
		return nil, nil
	}
	if g.block.forcing() {
		tokens = g.block.forced[:min(most, len(g.block.forced))]
		for len(g.certain) < len(tokens) {
			g.certain = append(g.certain, 1)
		}
		return tokens, g.certain[:len(tokens)]
	}
	tokens, chances = g.spec.Guesses.Draft(most)
	if g.constrained() {
		n := g.spec.Constraint.Follows(tokens)
		tokens, chances = tokens[:n], chances[:n]
	}
	return tokens, chances
}

// usePrediction counts the tokens of a prediction among guesses, of which the first predicted are, and so many held.
func (g *generation) usePrediction(predicted, held, rejected int) {
	accepted := min(predicted, held)
	g.usage.AcceptedPrediction += accepted
	g.usage.RejectedPrediction += max(0, min(predicted, held+rejected)-accepted)
}

// Guesses tells how many tokens were guessed and computed ahead, and how many of them held. It is safe for concurrent
// use.
func (l *Loop) Guesses() engine.Guesses {
	return engine.Guesses{Made: l.guessed.Load(), Held: l.held.Load()}
}
