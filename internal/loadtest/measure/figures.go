package measure

import (
	"slices"
	"time"
)

// Figures are numbers by name. Those of a role are named ROLE.KIND, those of a whole run KIND.
type Figures map[string]float64

// Kinds of figures of a role. Times are in seconds, rates in tokens a second.
const (
	FirstToken     = "first_token"     // median time to the first token
	LastFirstToken = "first_token_max" // the longest of those times
	FirstAnswer    = "first_answer"    // median time to the first token that is no reasoning
	Whole          = "whole"           // median time to the end of the answer
	GapMedian      = "gap_p50"         // median time between tokens
	GapHigh        = "gap_p99"         // 99% of the times between tokens are shorter
	GapLongest     = "gap_max"         // longest time between tokens
	PromptRate     = "prompt_rate"     // median of tokens of the prompt by the time to the first token
	DecodeRate     = "decode_rate"     // median of tokens a second after the first one
	PromptTokens   = "prompt_tokens"   // median
	CachedTokens   = "cached_tokens"   //nolint:gosec // no secret: median of those tokens of the prompt that were not computed
	AnswerTokens   = "answer_tokens"   // of all answers together
	Failures       = "failures"        // answers that did not come or were broken off
	EndedEarly     = "ended_early"     // answers that the model ended before they had their tokens
	Total          = "total"           // of a run: time from the first request to the end of the last
	TokenRate      = "rate"            // of a run: tokens of all answers a second
	Good           = "good"            // of a run: share of the answers that kept the objective
	GoodRate       = "good_rate"       // of a run: answers a second that kept the objective
	Resident       = "resident"        // of a run: bytes of memory that the server's processes hold
	LiveCells      = "live_cells"      // of a run: cells that were still taken a while after all had left
	CellsFreed     = "cells_freed"     // of a run: time from the last one's leaving until no cell was taken
)

// Objective is what an answer has to keep to count as a good one. What is 0 is not asked for.
type Objective struct {
	FirstToken time.Duration // at most
	Gap        time.Duration // at most, for 99% of its gaps
}

// Empty tells whether nothing is asked for.
func (o Objective) Empty() bool { return o == Objective{} }

// kept tells whether an answer came whole and as fast as o asks for.
func (o Objective) kept(t *Trace) bool {
	first, ok := t.First()
	if !ok || t.Failure != "" || t.Cancelled {
		return false
	}
	if o.FirstToken > 0 && first > o.FirstToken {
		return false
	}
	gaps := seconds(t.Gaps())
	return o.Gap == 0 || len(gaps) == 0 || Quantile(gaps, high) <= o.Gap.Seconds()
}

const high = 0.99

// Of are the figures of a run.
func Of(r *Run, o Objective) Figures {
	figures := Figures{}
	for name, v := range r.Extra {
		figures[name] = v
	}
	var roles []string
	byRole := map[string][]*Trace{}
	tokens, good, counted := 0, 0, 0
	for i := range r.Traces {
		t := &r.Traces[i]
		if t.Role == Aside {
			continue
		}
		if byRole[t.Role] == nil {
			roles = append(roles, t.Role)
		}
		byRole[t.Role] = append(byRole[t.Role], t)
		tokens += tokensOf(t)
		if t.Cancelled {
			continue
		}
		counted++
		if o.kept(t) {
			good++
		}
	}
	for _, role := range roles {
		figures.addRole(role, byRole[role])
	}
	took := r.Took.Seconds()
	if took <= 0 {
		return figures
	}
	figures[Total] = took
	figures[TokenRate] = float64(tokens) / took
	if !o.Empty() && counted > 0 {
		figures[Good] = float64(good) / float64(counted)
		figures[GoodRate] = float64(good) / took
	}
	return figures
}

func tokensOf(t *Trace) int {
	if t.CompletionTokens > 0 {
		return t.CompletionTokens
	}
	return len(t.Texts)
}

func (f Figures) addRole(role string, traces []*Trace) {
	var firsts, answers, wholes, gaps, prompts, decodes, promptTokens, cached []float64
	tokens, failures, early := 0, 0, 0
	for _, t := range traces {
		tokens += tokensOf(t)
		if t.Failure != "" {
			failures++
			continue
		}
		if t.Finish == "stop" {
			early++
		}
		if first, ok := t.First(); ok {
			firsts = append(firsts, first.Seconds())
			if t.PromptTokens > 0 && first > 0 {
				prompts = append(prompts, float64(t.PromptTokens)/first.Seconds())
			}
		}
		if first, ok := t.FirstAnswer(); ok {
			answers = append(answers, first.Seconds())
		}
		if !t.Cancelled {
			wholes = append(wholes, (t.Ended - t.Sent).Seconds())
			promptTokens = append(promptTokens, float64(t.PromptTokens))
			cached = append(cached, float64(t.CachedTokens))
		}
		gaps = append(gaps, seconds(t.Gaps())...)
		if rate := t.Rate(); rate > 0 {
			decodes = append(decodes, rate)
		}
	}
	for kind, values := range map[string][]float64{
		FirstToken: firsts, FirstAnswer: answers, Whole: wholes, GapMedian: gaps, PromptRate: prompts, DecodeRate: decodes,
		PromptTokens: promptTokens, CachedTokens: cached,
	} {
		if len(values) > 0 {
			f[role+"."+kind] = Quantile(values, half)
		}
	}
	if len(firsts) > 0 {
		f[role+"."+LastFirstToken] = slices.Max(firsts)
	}
	if len(gaps) > 0 {
		f[role+"."+GapHigh], f[role+"."+GapLongest] = Quantile(gaps, high), slices.Max(gaps)
	}
	f[role+"."+AnswerTokens] = float64(tokens)
	f[role+"."+Failures], f[role+"."+EndedEarly] = float64(failures), float64(early)
}

func seconds(durations []time.Duration) []float64 {
	out := make([]float64, len(durations))
	for i, d := range durations {
		out[i] = d.Seconds()
	}
	return out
}
