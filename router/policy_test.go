package router_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/qwenvld/qwenvld/router"
)

// fixed is a scorer whose opinion the test chooses.
type fixed struct {
	score  float64
	budget int
}

func (f fixed) Assess(*router.Features) router.Assessment {
	return router.Assessment{Score: f.score, Thinking: f.score, Instruct: 1 - f.score, Tokens: float64(f.budget) / 1.5}
}

func (f fixed) Explain(*router.Features, bool) (string, []string) { return "kind", []string{"because"} }

func (f fixed) Price(_, quality float64) float64 { return 0.4 * (10 - quality) / 10 }

func (f fixed) Threshold(price float64) float64 { return (1 + price) / 2 }

func ptr[T any](v T) *T { return &v }

func decide(t *testing.T, s router.Scorer, in router.Input) (router.Decision, error) {
	t.Helper()
	r, err := router.New(s, router.DefaultQuality)
	if err != nil {
		t.Fatal(err)
	}
	return r.Decide(&in)
}

var both = router.Facts{Instruct: true, Thinking: true}

func TestControlsWinInOrder(t *testing.T) {
	hard, easy := fixed{0.9, 24576}, fixed{0.1, 0}
	tests := []struct {
		name     string
		scorer   fixed
		controls router.Controls
		variant  router.Variant
		source   router.Source
		budget   int
		reasons  []string
	}{
		{"easy goes to instruct", easy, router.Controls{}, router.Instruct, router.SourceRouter, 0, []string{"because"}},
		{"hard goes to thinking", hard, router.Controls{}, router.Thinking, router.SourceRouter, 24576, []string{"because"}},
		{
			"header auto leaves it to the router", hard,
			router.Controls{Route: router.RouteAuto},
			router.Thinking, router.SourceRouter, 24576,
			[]string{"because"},
		},
		{"header", hard, router.Controls{Route: router.RouteInstruct}, router.Instruct, router.SourceHeader, 0, []string{"header"}},
		{
			"header thinking gets the largest budget", easy,
			router.Controls{Route: router.RouteThinking},
			router.Thinking, router.SourceHeader, 32768,
			[]string{"header"},
		},
		{
			"thinking_budget beats the header", easy,
			router.Controls{ThinkingBudget: ptr(100), Route: router.RouteInstruct},
			router.Thinking, router.SourceThinkingBudget, 100,
			[]string{"thinking_budget", "overridden: header"},
		},
		{
			"thinking_budget 0 is instruct", hard,
			router.Controls{ThinkingBudget: ptr(0)},
			router.Instruct, router.SourceThinkingBudget, 0,
			[]string{"thinking_budget"},
		},
		{
			"thinking object beats thinking_budget", easy,
			router.Controls{Thinking: router.ThinkingEnabled, BudgetTokens: ptr(2000), ThinkingBudget: ptr(0)},
			router.Thinking, router.SourceThinking, 2000,
			[]string{"thinking", "overridden: thinking_budget"},
		},
		{
			"thinking disabled", hard,
			router.Controls{Thinking: router.ThinkingDisabled},
			router.Instruct, router.SourceThinking, 0,
			[]string{"thinking"},
		},
		{
			"thinking adaptive asks for nothing", hard,
			router.Controls{Thinking: router.ThinkingAdaptive},
			router.Thinking, router.SourceRouter, 24576,
			[]string{"because"},
		},
		{
			"enable_thinking beats the thinking object", hard,
			router.Controls{EnableThinking: ptr(false), Thinking: router.ThinkingEnabled},
			router.Instruct, router.SourceEnableThinking, 0,
			[]string{"enable_thinking", "overridden: thinking"},
		},
		{
			"effort beats enable_thinking", easy,
			router.Controls{Effort: router.EffortLow, EnableThinking: ptr(false)},
			router.Thinking, router.SourceEffort, 1024,
			[]string{"reasoning_effort", "overridden: enable_thinking"},
		},
		{
			"effort none", hard,
			router.Controls{Effort: router.EffortNone},
			router.Instruct, router.SourceEffort, 0,
			[]string{"reasoning_effort"},
		},
		{
			"model beats effort", easy,
			router.Controls{Model: router.Instruct, Effort: router.EffortHigh},
			router.Instruct, router.SourceModel, 0,
			[]string{"model", "overridden: reasoning_effort"},
		},
		{
			"effort gives the budget of a thinking model id", easy,
			router.Controls{Model: router.Thinking, Effort: router.EffortMinimal},
			router.Thinking, router.SourceModel, 512,
			[]string{"model"},
		},
		{
			"an explicit number beats the effort's", easy,
			router.Controls{Effort: router.EffortHigh, ThinkingBudget: ptr(7)},
			router.Thinking, router.SourceEffort, 7,
			[]string{"reasoning_effort"},
		},
		{
			"effort none closes the think block of a thinking model id", easy,
			router.Controls{Model: router.Thinking, Effort: router.EffortNone},
			router.Thinking, router.SourceModel, 0,
			[]string{"model", "overridden: reasoning_effort"},
		},
		{
			"a header cannot close the think block of a thinking model id", easy,
			router.Controls{Model: router.Thinking, Route: router.RouteInstruct},
			router.Thinking, router.SourceModel, 32768,
			[]string{"model", "overridden: header"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decide(t, tt.scorer, router.Input{Controls: tt.controls, Facts: both})
			if err != nil {
				t.Fatal(err)
			}
			want := router.Decision{
				Variant: tt.variant, Source: tt.source, Score: tt.scorer.score, Threshold: 0.6, Kind: "kind", Price: 0.2,
				Reasons: tt.reasons, ThinkingBudget: tt.budget, Mode: router.Mode{Variant: tt.variant},
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(router.Decision{}, "Gain", "EscalationBudget", "Tokens")); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMissingWeightsNeverFail(t *testing.T) {
	tests := []struct {
		name     string
		facts    router.Facts
		controls router.Controls
		variant  router.Variant
		first    string
	}{
		{
			"thinking wanted",
			router.Facts{Instruct: true},
			router.Controls{Effort: router.EffortHigh},
			router.Instruct, "unavailable: thinking",
		},
		{
			"instruct wanted",
			router.Facts{Thinking: true},
			router.Controls{Effort: router.EffortNone},
			router.Thinking, "unavailable: instruct",
		},
		{"router wanted thinking", router.Facts{Instruct: true}, router.Controls{}, router.Instruct, "unavailable: thinking"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decide(t, fixed{0.9, 8192}, router.Input{Controls: tt.controls, Facts: tt.facts})
			if err != nil {
				t.Fatal(err)
			}
			if got.Variant != tt.variant || got.ThinkingBudget != 0 || got.Reasons[0] != tt.first {
				t.Errorf("got %+v", got)
			}
		})
	}
	if _, err := decide(t, fixed{}, router.Input{}); !errors.Is(err, router.ErrNothingLoaded) {
		t.Errorf("nothing loaded: got %v", err)
	}
}

func TestBudgetsStayWithinTheCompletion(t *testing.T) {
	tests := []struct {
		name     string
		facts    router.Facts
		controls router.Controls
		want     int
		wantErr  bool
	}{
		{
			"automatic stays within max_tokens",
			router.Facts{Instruct: true, Thinking: true, MaxTokens: 1000},
			router.Controls{},
			1000, false,
		},
		{
			"effort stays within the context",
			router.Facts{Instruct: true, Thinking: true, ContextSize: 4096},
			router.Controls{Effort: router.EffortHigh},
			4096, false,
		},
		{
			"how much is left for an answer is not decided here",
			router.Facts{Instruct: true, Thinking: true, MaxTokens: 1},
			router.Controls{Effort: router.EffortHigh},
			1, false,
		},
		{
			"an explicit budget is taken as it is",
			router.Facts{Instruct: true, Thinking: true, MaxTokens: 1000},
			router.Controls{ThinkingBudget: ptr(999)},
			999, false,
		},
		{
			"an explicit budget must leave an answer",
			router.Facts{Instruct: true, Thinking: true, MaxTokens: 1000},
			router.Controls{ThinkingBudget: ptr(1000)},
			0, true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decide(t, fixed{0.9, 24576}, router.Input{Controls: tt.controls, Facts: tt.facts})
			var be *router.BudgetError
			if errors.As(err, &be) != tt.wantErr {
				t.Fatalf("error %v, want one: %v", err, tt.wantErr)
			}
			if got.ThinkingBudget != tt.want {
				t.Errorf("budget %d, want %d", got.ThinkingBudget, tt.want)
			}
		})
	}
}

func TestRouterDoesNotThinkIntoTinyLimits(t *testing.T) {
	in := router.Input{Facts: router.Facts{Instruct: true, Thinking: true, MaxTokens: 50}}
	got, err := decide(t, fixed{0.9, 8192}, in)
	if err != nil {
		t.Fatal(err)
	}
	if got.Variant != router.Instruct || got.Reasons[0] != "max_tokens too small to think" {
		t.Errorf("got %+v", got)
	}
}

func TestParsersNameTheChoices(t *testing.T) {
	for _, e := range router.Efforts() {
		if got, err := router.ParseEffort(string(e)); err != nil || got != e {
			t.Errorf("ParseEffort(%q) = %q, %v", e, got, err)
		}
	}
	if _, err := router.ParseEffort("huge"); err == nil {
		t.Error("ParseEffort accepts huge")
	}
	if got, err := router.ParseRoute(" Thinking "); err != nil || got != router.RouteThinking {
		t.Errorf("ParseRoute = %q, %v", got, err)
	}
	if _, err := router.ParseRoute("both"); err == nil {
		t.Error("ParseRoute accepts both")
	}
	if _, err := router.ParseThinkingType("sometimes"); err == nil {
		t.Error("ParseThinkingType accepts sometimes")
	}
}

func TestConversationsEscalateAtOnceAndComeDownAfterTwoEasyTurns(t *testing.T) {
	turns := []struct {
		text    string
		variant router.Variant
		reason  string
	}{
		{"easy", router.Instruct, "because"},
		{"hard", router.Thinking, "because"},
		{"why?", router.Thinking, "a follow-up in a thinking conversation"},
		{"an easy one of so many words that it stands alone", router.Thinking, "the conversation is a thinking one"},
		{"another easy one of so many words that it stands alone", router.Instruct, "because"},
		{"why?", router.Instruct, "because"},
		{"hard", router.Thinking, "because"},
	}
	var history []router.Features
	mode := router.Mode{}
	for i, turn := range turns {
		f := router.Features{Text: turn.text}
		kept, err := decide(t, byWord{}, router.Input{Facts: both, Features: f, History: history, Mode: &mode})
		if err != nil {
			t.Fatal(err)
		}
		replayed, err := decide(t, byWord{}, router.Input{Facts: both, Features: f, History: history})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(kept, replayed); diff != "" {
			t.Errorf("turn %d: what the turns alone lead to differs from what was remembered:\n%s", i, diff)
		}
		if kept.Variant != turn.variant || kept.Reasons[0] != turn.reason {
			t.Errorf("turn %d %q: %s because %q", i, turn.text, kept.Variant, kept.Reasons)
		}
		mode, history = kept.Mode, append(history, f)
	}
}

// byWord finds prompts hard that begin with "hard".
type byWord struct{ fixed }

func (byWord) Assess(f *router.Features) router.Assessment {
	score := 0.1
	if strings.HasPrefix(f.Text, "hard") {
		score = 0.9
	}
	return fixed{score: score, budget: 4096}.Assess(f)
}

func TestAPhraseDecidesOnlyWhereNoControlDoes(t *testing.T) {
	in := router.Input{Facts: both, Features: router.Features{Text: "What is this? Think step by step."}}
	got, err := decide(t, fixed{0.1, 4096}, in)
	if err != nil || got.Variant != router.Thinking || got.Source != router.SourcePhrase || got.ThinkingBudget != 8192 {
		t.Errorf("got %+v, %v", got, err)
	}
	in.Controls.Route = router.RouteInstruct
	if got, err = decide(t, fixed{0.1, 4096}, in); err != nil || got.Source != router.SourceHeader || got.Reasons[1] != "overridden: phrase" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestQualityAndFactsMoveThePrice(t *testing.T) {
	tests := []struct {
		name     string
		facts    router.Facts
		quality  *float64
		thinking bool
	}{
		{"a gain above the price", both, nil, true},
		{"low quality", both, ptr(0.0), false},
		{"high quality", both, ptr(10.0), true},
		{"tools", router.Facts{Instruct: true, Thinking: true, Tools: true}, nil, false},
		{"a JSON form", router.Facts{Instruct: true, Thinking: true, Schema: true}, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := router.Input{Facts: tt.facts, Controls: router.Controls{Quality: tt.quality}}
			got, err := decide(t, fixed{0.62, 4096}, in) // a gain of 0.24
			if err != nil {
				t.Fatal(err)
			}
			if (got.Variant == router.Thinking) != tt.thinking {
				t.Errorf("gain %g, price %g: %s", got.Gain, got.Price, got.Variant)
			}
		})
	}
}
