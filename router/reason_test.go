package router_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/router"
)

// Every reason that the policy can give falls into a class of its own, and all classes are reached.
func TestReasonsFallIntoClasses(t *testing.T) {
	hard, easy := fixed{0.9, 4096}, fixed{0.1, 0}
	long := router.Features{Text: "an easy one of so many words that it stands alone"}
	thinking := &router.Mode{Variant: router.Thinking}
	tests := []struct {
		name   string
		scorer fixed
		in     router.Input
		want   []router.ReasonClass
	}{
		{"the prompt", hard, router.Input{Facts: both}, []router.ReasonClass{router.ClassPrompt}},
		{"the client", hard, router.Input{Facts: both, Controls: router.Controls{Model: router.Instruct}}, []router.ReasonClass{router.ClassControl}},
		{
			"two controls", hard,
			router.Input{Facts: both, Controls: router.Controls{Effort: router.EffortNone, Route: router.RouteThinking}},
			[]router.ReasonClass{router.ClassControl, router.ClassOverridden},
		},
		{
			"words", easy,
			router.Input{Facts: both, Features: router.Features{Text: "Think step by step."}},
			[]router.ReasonClass{router.ClassPhrase},
		},
		{
			"missing weights", hard,
			router.Input{Facts: router.Facts{Instruct: true}},
			[]router.ReasonClass{router.ClassUnavailable, router.ClassPrompt},
		},
		{
			"weights to be loaded", easy,
			router.Input{Facts: router.Facts{Instruct: true, Thinking: true, ThinkingWait: 1}},
			[]router.ReasonClass{router.ClassLoading, router.ClassPrompt},
		},
		{
			"weights that are spared", easy,
			router.Input{Facts: router.Facts{Instruct: true, Thinking: true, InstructWait: 1}},
			[]router.ReasonClass{router.ClassLoading, router.ClassPrompt},
		},
		{
			"few tokens", hard,
			router.Input{Facts: router.Facts{Instruct: true, Thinking: true, MaxTokens: 16}},
			[]router.ReasonClass{router.ClassMaxTokens, router.ClassPrompt},
		},
		{
			"tools and a form", easy,
			router.Input{Facts: router.Facts{Instruct: true, Thinking: true, Tools: true, Schema: true}},
			[]router.ReasonClass{router.ClassTools, router.ClassForm, router.ClassPrompt},
		},
		{
			"a follow-up", easy,
			router.Input{Facts: both, Features: router.Features{Text: "why?"}, History: []router.Features{long}, Mode: thinking},
			[]router.ReasonClass{router.ClassFollowUp, router.ClassPrompt},
		},
		{
			"the conversation", easy,
			router.Input{Facts: both, Features: long, History: []router.Features{long}, Mode: thinking},
			[]router.ReasonClass{router.ClassConversation, router.ClassPrompt},
		},
	}
	var met []router.ReasonClass
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := decide(t, tt.scorer, tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, d.Classes()); diff != "" {
				t.Errorf("%q: %s", d.Reasons, diff)
			}
			met = append(met, d.Classes()...)
		})
	}
	for _, c := range router.ReasonClasses() {
		if !slices.Contains(met, c) {
			t.Errorf("nothing gives %s", c)
		}
	}
}

func TestADecisionTellsHowTheConversationStoodBefore(t *testing.T) {
	turn := router.Features{Text: "hard"}
	for name, tc := range map[string]struct {
		history []router.Features
		mode    *router.Mode
		want    router.Variant
	}{
		"a new conversation": {nil, nil, ""},
		"one worked out":     {[]router.Features{{Text: "easy"}}, nil, router.Instruct},
		"one remembered":     {nil, &router.Mode{Variant: router.Thinking, Easy: 1}, router.Thinking},
	} {
		d, err := decide(t, byWord{}, router.Input{Facts: both, Features: turn, History: tc.history, Mode: tc.mode})
		if err != nil || d.Before.Variant != tc.want || d.Mode.Variant != router.Thinking {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}
