// Package measure turns what was seen of answers into figures, and the figures of several rounds into medians,
// spreads and ratios.
//
// It must not ask anybody or look at the clock: all times are handed over.
package measure

import "time"

// Trace is what was seen of one answer. Times count from the beginning of its run.
type Trace struct {
	// Role groups answers whose figures belong together. Those of Aside are not measured.
	Role string `json:"role"`
	// Sent is when the request went out, Ended when its stream was over.
	Sent  time.Duration `json:"sent"`
	Ended time.Duration `json:"ended"`
	// Texts are the arrivals of text, in order.
	Texts []Text `json:"texts"`
	// From and To bound the time whose gaps count. Both 0 count all.
	From time.Duration `json:"from,omitempty"`
	To   time.Duration `json:"to,omitempty"`
	// Tokens by the server's count; 0 where it did not tell.
	PromptTokens     int `json:"prompt_tokens"`
	CachedTokens     int `json:"cached_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	// Finish is the server's reason for the end.
	Finish string `json:"finish,omitempty"`
	// Cancelled says that the client left on purpose, Failure why there is no whole answer.
	Cancelled bool   `json:"cancelled,omitempty"`
	Failure   string `json:"failure,omitempty"`
}

// Text is the arrival of a piece of an answer or of the reasoning before it.
type Text struct {
	At        time.Duration `json:"at"`
	Reasoning bool          `json:"reasoning,omitempty"`
}

// Aside is the role of answers that are only there to keep the server busy.
const Aside = "aside"

// First is the time from the request to its first token. It is false where none came.
func (t *Trace) First() (time.Duration, bool) {
	if len(t.Texts) == 0 {
		return 0, false
	}
	return t.Texts[0].At - t.Sent, true
}

// FirstAnswer is the time from the request to the first token that is no reasoning.
func (t *Trace) FirstAnswer() (time.Duration, bool) {
	for _, text := range t.Texts {
		if !text.Reasoning {
			return text.At - t.Sent, true
		}
	}
	return 0, false
}

// Gaps are the times between pieces of text, as far as they touch the time that counts. Where that time ends before
// the answer does, the wait that it ends in is one of them.
func (t *Trace) Gaps() []time.Duration {
	var gaps []time.Duration
	for i := 1; i < len(t.Texts); i++ {
		before, at := t.Texts[i-1].At, t.Texts[i].At
		if t.To == 0 || at >= t.From && before <= t.To {
			gaps = append(gaps, at-before)
		}
	}
	if n := len(t.Texts); n > 0 && t.To > t.Texts[n-1].At && t.Cancelled {
		gaps = append(gaps, t.To-t.Texts[n-1].At)
	}
	return gaps
}

// Rate is how many tokens a second came after the first one. It is 0 where too few came to tell.
func (t *Trace) Rate() float64 {
	tokens := t.CompletionTokens
	if tokens == 0 {
		tokens = len(t.Texts)
	}
	if tokens < 2 || len(t.Texts) < 2 {
		return 0
	}
	took := t.Texts[len(t.Texts)-1].At - t.Texts[0].At
	if took <= 0 {
		return 0
	}
	return float64(tokens-1) / took.Seconds()
}

// Run is one scenario played once against one server.
type Run struct {
	Traces []Trace `json:"traces"`
	// Took is the time from the first request that is measured to the end of the last.
	Took time.Duration `json:"took"`
	// Extra are figures that do not come from traces.
	Extra Figures `json:"extra,omitempty"`
}

// Failure is why the first answer failed that is measured; "" where none did.
func (r *Run) Failure() string {
	for i := range r.Traces {
		if t := &r.Traces[i]; t.Role != Aside && t.Failure != "" {
			return t.Failure
		}
	}
	return ""
}
