package router

const (
	// minAutomaticAnswer is the smallest max_tokens, in tokens, at which the router still picks thinking by
	// itself: below it the reasoning would be cut before it helps.
	minAutomaticAnswer = 256
	// budgetSlack is the room that the estimate of a request's thinking tokens gets.
	budgetSlack = 1.5
)

// budgetFor finds the think budget: the client's number, else its effort, else the class of the estimate when nobody but the
// router or a phrase asked, else the largest effort. None is more than the completion may have; how much of that is kept for the answer is
// the engine's to say, which knows what room there is.
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
		return within(c.Effort.Budget(), limit), nil
	case len(c.preferences()) == 0:
		return automaticBudget(tokens, limit), nil
	default:
		return within(EffortXHigh.Budget(), limit), nil
	}
}

// automaticBudget is the smallest effort's budget that holds the estimate with some room.
func automaticBudget(tokens float64, limit int) int {
	for _, e := range Efforts()[1:] {
		if float64(e.Budget()) >= tokens*budgetSlack {
			return within(e.Budget(), limit)
		}
	}
	return within(EffortXHigh.Budget(), limit)
}

// within keeps a budget to the limit, where there is one.
func within(budget, limit int) int {
	if limit > 0 {
		return min(budget, limit)
	}
	return budget
}

// refusesThinking reports that the strongest control below the model id asks for no thinking. With a
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
