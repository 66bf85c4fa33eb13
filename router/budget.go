package router

const (
	// minAutomaticAnswer is the smallest max_tokens, in tokens, at which the router still picks thinking by
	// itself: below it the reasoning would be cut before it helps.
	minAutomaticAnswer = 256
	// budgetSlack is how many times the estimated thinking tokens an automatic budget holds.
	budgetSlack = 1.5
)

// budgetFor finds the think budget. The client's number comes first, then its effort. Where the router or a phrase
// chose thinking, the budget is the smallest effort's that holds the estimate. Where another control chose it, the
// budget is the largest effort's. No budget is more than the completion may have. How much of that is kept for the
// answer is decided by the engine, which counts the prompt.
func budgetFor(in *Input, v Variant, tokens float64) (int, error) {
	if v != Thinking {
		return 0, nil
	}
	c := &in.Controls
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
	limit := completionLimit(&in.Facts)
	switch {
	case c.Effort != "" && c.Effort != EffortNone:
		return atMost(c.Effort.Budget(), limit), nil
	case len(c.preferences()) == 0:
		return automaticBudget(tokens, limit), nil
	default:
		return atMost(EffortXHigh.Budget(), limit), nil
	}
}

// automaticBudget is the smallest effort's budget that holds budgetSlack times the estimate.
func automaticBudget(tokens float64, limit int) int {
	for _, e := range Efforts()[1:] {
		if float64(e.Budget()) >= tokens*budgetSlack {
			return atMost(e.Budget(), limit)
		}
	}
	return atMost(EffortXHigh.Budget(), limit)
}

// atMost is the budget, or the limit where that is less. A limit of 0 is none.
func atMost(budget, limit int) int {
	if limit > 0 {
		return min(budget, limit)
	}
	return budget
}

// refusesThinking reports whether the strongest control below the model id asks for no thinking. Together with a
// thinking model id that means an empty think block.
func refusesThinking(c *Controls) bool {
	below := *c
	below.Model = ""
	asked := below.preferences()
	return len(asked) > 0 && asked[0].variant == Instruct && asked[0].source != SourceHeader
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
