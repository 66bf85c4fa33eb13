package router

// waitedTokens is how many tokens of thinking a second of waiting for weights is as dear as: about what a client would
// have read meanwhile.
const waitedTokens = 20

// loaded reports whether v can answer without a wait.
func (f *Facts) loaded(v Variant) bool {
	wait := f.InstructWait
	if v == Thinking {
		wait = f.ThinkingWait
	}
	return f.has(v) && wait <= 0
}

// sparesLoading reports whether thinking weights are there, which answer without thinking what instruct weights would
// have to be loaded for.
func (f *Facts) sparesLoading() bool { return !f.loaded(Instruct) && f.loaded(Thinking) }

// chargeLoading raises the price of thinking by the time that it takes to load the thinking weights, as a share of the
// time that thinking takes, where instruct weights are there.
func (e *evaluation) chargeLoading(f *Facts) {
	if !f.Thinking || f.loaded(Thinking) || !f.loaded(Instruct) {
		return
	}
	e.price *= 1 + waitedTokens*f.ThinkingWait/max(e.Tokens, 1)
	e.priceNotes = append(e.priceNotes, reasonLoading)
}
