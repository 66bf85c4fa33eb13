package router

import (
	"errors"
	"fmt"
)

const (
	// minAutomaticAnswer is the smallest max_tokens, in tokens, at which the router still picks thinking by
	// itself: below it the reasoning would be cut before it helps.
	minAutomaticAnswer = 256
	// answerReserve is the divisor of the share kept for the answer: 1/4 of max_tokens.
	answerReserve = 4
)

// Facts are what the policy has to live with.
type Facts struct {
	// Instruct and Thinking say which weights can answer now. At least one must be true.
	Instruct, Thinking bool
	// MaxTokens is the client's bound on the completion, 0 if it gave none.
	MaxTokens int
	// ContextSize is the number of tokens of prompt and completion together, 0 if unknown.
	ContextSize int
}

func (f *Facts) has(v Variant) bool {
	if v == Thinking {
		return f.Thinking
	}
	return f.Instruct
}

// Features are what a Scorer may look at.
type Features struct {
	// Text is the last user turn, its text parts joined by newlines. The system prompt is not part of it.
	Text string
	// Images counts the images of the last user turn.
	Images int
	// Turn is the number of user turns up to and with the last one.
	Turn int
	// Tools says that the client offered tools.
	Tools bool
}

// Assessment is a Scorer's opinion.
type Assessment struct {
	// Score in 0..1 is the estimated gain from thinking.
	Score float64
	// Reasons name what moved the score, the strongest first.
	Reasons []string
	// Budget is the estimated number of thinking tokens that the request needs.
	Budget int
}

// Scorer estimates how much a request gains from thinking.
type Scorer interface {
	// Assess is a pure function of f, safe for concurrent use, and does not block.
	Assess(f *Features) Assessment
	// Threshold is the score at and above which a request thinks.
	Threshold() float64
}

// Input is everything a decision depends on.
type Input struct {
	Controls Controls
	Facts    Facts
	Features Features
}

// Decision says who answers and why.
type Decision struct {
	Variant Variant
	// Source is the control that decided.
	Source Source
	// Score and Threshold are the scorer's, also when a control decided.
	Score     float64
	Threshold float64
	// Reasons are short words for people and logs. "unavailable: ..." means that the wanted weights are
	// not loaded and the others answer, "overridden: ..." that a stronger control won.
	Reasons []string
	// ThinkingBudget bounds the think block in tokens; 0 means no thinking, with Thinking weights an
	// empty think block.
	ThinkingBudget int
}

// ErrNothingLoaded means that no weights can answer.
var ErrNothingLoaded = errors.New("no weights are loaded")

// BudgetError refuses an explicit budget that leaves nothing of max_tokens for the answer.
type BudgetError struct {
	Source            Source
	Budget, MaxTokens int // tokens
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("a thinking budget of %d tokens leaves no room for an answer in %d tokens", e.Budget, e.MaxTokens)
}

// Router applies the policy. It is immutable and safe for concurrent use.
type Router struct {
	scorer Scorer
}

// New returns a Router over s.
func New(s Scorer) (*Router, error) {
	if s == nil {
		return nil, errors.New("router needs a scorer")
	}
	return &Router{scorer: s}, nil
}

// Decide picks the variant and the budget. It fails with ErrNothingLoaded or a *BudgetError only.
func (r *Router) Decide(in *Input) (Decision, error) {
	if !in.Facts.Instruct && !in.Facts.Thinking {
		return Decision{}, ErrNothingLoaded
	}
	a := r.scorer.Assess(&in.Features)
	d := Decision{Score: a.Score, Threshold: r.scorer.Threshold()}
	wanted := d.choose(in, &a)
	budget, err := budgetFor(in, wanted, &a)
	if err != nil {
		return Decision{}, err
	}
	d.ThinkingBudget = budget
	if !in.Facts.has(wanted) {
		d.Reasons = append([]string{"unavailable: " + string(wanted)}, d.Reasons...)
		d.Variant = wanted.other()
		// Instruct weights cannot think; thinking weights answer for instruct with an empty think block.
		d.ThinkingBudget = 0
	}
	return d, nil
}

// choose fills Variant, Source and Reasons, and returns the variant that was wanted.
func (d *Decision) choose(in *Input, a *Assessment) Variant {
	wishes := in.Controls.wishes()
	if len(wishes) == 0 {
		d.Source = SourceRouter
		d.Reasons = append(d.Reasons, a.Reasons...)
		d.Variant = Instruct
		if a.Score >= d.Threshold {
			d.Variant = Thinking
		}
		if d.Variant == Thinking && in.Facts.MaxTokens > 0 && in.Facts.MaxTokens < minAutomaticAnswer {
			d.Variant = Instruct
			d.Reasons = append([]string{"max_tokens too small to think"}, d.Reasons...)
		}
		return d.Variant
	}
	d.Source, d.Variant = wishes[0].source, wishes[0].variant
	d.Reasons = append(d.Reasons, string(d.Source))
	for _, w := range wishes[1:] {
		if w.variant != d.Variant {
			d.Reasons = append(d.Reasons, "overridden: "+string(w.source))
		}
	}
	return d.Variant
}

// budgetFor finds the think budget: the client's number, else its effort, else the scorer's estimate
// when the router chose, else the largest effort. All but the client's number leave the answer reserve.
func budgetFor(in *Input, v Variant, a *Assessment) (int, error) {
	if v != Thinking {
		return 0, nil
	}
	c := &in.Controls
	limit := completionLimit(&in.Facts)
	if refusesThinking(c) {
		return 0, nil
	}
	if n, ok := c.explicitBudget(); ok {
		if in.Facts.MaxTokens > 0 && n >= in.Facts.MaxTokens {
			src := SourceThinkingBudget
			if c.BudgetTokens != nil && c.Thinking != ThinkingDisabled {
				src = SourceThinking
			}
			return 0, &BudgetError{Source: src, Budget: n, MaxTokens: in.Facts.MaxTokens}
		}
		return n, nil
	}
	budget := EffortXHigh.Budget()
	switch {
	case c.Effort != "" && c.Effort != EffortNone:
		budget = c.Effort.Budget()
	case len(c.wishes()) == 0:
		budget = a.Budget
	}
	if limit > 0 {
		reserve := (limit + answerReserve - 1) / answerReserve
		budget = min(budget, limit-reserve)
	}
	return max(budget, 0), nil
}

// refusesThinking reports that the strongest control below the model id asks for no thinking. With a
// thinking model id that means an empty think block.
func refusesThinking(c *Controls) bool {
	below := *c
	below.Model = ""
	w := below.wishes()
	return len(w) > 0 && w[0].variant == Instruct && w[0].source != SourceHeader
}

// completionLimit is the most tokens a completion may have, 0 if nothing is known.
func completionLimit(f *Facts) int {
	switch {
	case f.MaxTokens > 0 && f.ContextSize > 0:
		return min(f.MaxTokens, f.ContextSize)
	case f.MaxTokens > 0:
		return f.MaxTokens
	default:
		return f.ContextSize
	}
}
