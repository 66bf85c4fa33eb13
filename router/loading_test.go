package router_test

import (
	"slices"
	"testing"

	"github.com/qwenvld/qwenvld/router"
)

func TestLoadingIsWorthItForHardRequestsOnly(t *testing.T) {
	const wait = 30
	instructOnly := router.Facts{Instruct: true, Thinking: true, ThinkingWait: wait}
	thinkingOnly := router.Facts{Instruct: true, Thinking: true, InstructWait: wait}
	neither := router.Facts{Instruct: true, Thinking: true, InstructWait: wait, ThinkingWait: wait}
	// The price of thinking is 0.2, with loading 0.5: a gain of 0.4 pays the former, one of 0.8 both.
	easy, fair, hard := fixed{0.1, 600}, fixed{0.7, 600}, fixed{0.9, 600}
	for name, tc := range map[string]struct {
		scorer  fixed
		facts   router.Facts
		asked   router.Controls
		want    router.Variant
		thinks  bool
		because string
	}{
		"easy, instruct loaded": {easy, instructOnly, router.Controls{}, router.Instruct, false, ""},
		"fair, instruct loaded": {fair, instructOnly, router.Controls{}, router.Instruct, false, "thinking weights would have to be loaded"},
		"hard, instruct loaded": {hard, instructOnly, router.Controls{}, router.Thinking, true, "thinking weights would have to be loaded"},
		"easy, thinking loaded": {easy, thinkingOnly, router.Controls{}, router.Thinking, false, "not loaded: instruct"},
		"fair, thinking loaded": {fair, thinkingOnly, router.Controls{}, router.Thinking, true, ""},
		"easy, nothing loaded":  {easy, neither, router.Controls{}, router.Instruct, false, ""},
		"fair, nothing loaded":  {fair, neither, router.Controls{}, router.Thinking, true, ""},
		"named, instruct":       {hard, thinkingOnly, router.Controls{Model: router.Instruct}, router.Instruct, false, ""},
		"named, thinking":       {easy, instructOnly, router.Controls{Model: router.Thinking}, router.Thinking, true, ""},
	} {
		d, err := decide(t, tc.scorer, router.Input{Facts: tc.facts, Controls: tc.asked})
		if err != nil || d.Variant != tc.want || d.ThinkingBudget > 0 != tc.thinks {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
		if tc.because != "" && !slices.Contains(d.Reasons, tc.because) {
			t.Errorf("%s: %q", name, d.Reasons)
		}
		if d.Uncertain || d.EscalationBudget > 0 && tc.facts.ThinkingWait > 0 {
			t.Errorf("%s: a second look would load weights: %+v", name, d)
		}
	}
}
