package router_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/router"
)

// fixed is a scorer whose opinion the test chooses.
type fixed struct {
	score  float64
	budget int
}

func (f fixed) Assess(*router.Features) router.Assessment {
	return router.Assessment{Score: f.score, Reasons: []string{"because"}, Budget: f.budget}
}

func (f fixed) Threshold() float64 { return 0.5 }

func ptr[T any](v T) *T { return &v }

func decide(t *testing.T, s router.Scorer, in router.Input) (router.Decision, error) {
	t.Helper()
	r, err := router.New(s)
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
				Variant: tt.variant, Source: tt.source, Score: tt.scorer.score, Threshold: 0.5,
				Reasons: tt.reasons, ThinkingBudget: tt.budget,
			}
			if diff := cmp.Diff(want, got); diff != "" {
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

func TestBudgetsLeaveAnAnswer(t *testing.T) {
	tests := []struct {
		name     string
		facts    router.Facts
		controls router.Controls
		want     int
		wantErr  bool
	}{
		{
			"automatic keeps a quarter of max_tokens",
			router.Facts{Instruct: true, Thinking: true, MaxTokens: 1000},
			router.Controls{},
			750, false,
		},
		{
			"effort keeps a quarter of the context",
			router.Facts{Instruct: true, Thinking: true, ContextSize: 4096},
			router.Controls{Effort: router.EffortHigh},
			3072, false,
		},
		{
			"one token leaves nothing to think",
			router.Facts{Instruct: true, Thinking: true, MaxTokens: 1},
			router.Controls{Effort: router.EffortHigh},
			0, false,
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

func TestHeuristicSeparatesHardFromEasy(t *testing.T) {
	tests := []struct {
		name   string
		text   string
		images int
		think  bool
		reason string
	}{
		{"greeting", "Hello!", 0, false, "greets"},
		{"describe an image", "Describe this image.", 1, false, "describes"},
		{"read text", "Transcribe the text on the sign.", 1, false, "reads text"},
		{"proof", "Prove that the square root of 2 is irrational.", 0, true, "proof"},
		{"step by step", "How many apples are left? Think step by step.", 1, true, "asks for step by step"},
		{"equation", "Solve 3x^2 + 5x - 2 = 0", 0, true, "maths"},
		{"latex", `Find \frac{d}{dx} of this`, 0, true, "formula"},
		{"multiple choice with a question of geometry", "What is the angle? A) 30 B) 45 C) 60 D) 90", 1, true, "multiple choice"},
		{"compare two images", "Compare the two charts.", 2, true, "compares"},
		{"quick answer wins", "Quick answer: what is the average speed?", 0, false, "asks for a quick answer"},
		{"code", "Write a function that merges intervals and give its time complexity.\n```go\n```", 0, true, "code"},
		{"Chinese proof", "求证：三角形内角和等于180度。", 0, true, "proof"},
		{"Chinese description", "请描述这张图片。", 1, false, "describes"},
		{"Korean step by step", "이 문제를 단계별로 풀어줘.", 1, true, "asks for step by step"},
		{"Korean maths", "다음 방정식의 확률을 계산하시오.", 0, true, "maths"},
		{"Korean greeting", "안녕하세요", 0, false, "greets"},
		{"Japanese maths", "この三角形の面積を求めよ。", 1, true, "maths"},
		{"Japanese reading", "看板の文字を読んでください", 1, false, "reads text"},
		{"full-width letters", "Ｐｒｏｖｅ　ｉｔ by contradiction", 0, true, "proof"},
		{"words are not found inside others", "A waterproof jacket", 0, false, "nothing suggests hard reasoning"},
		{"empty", "", 0, false, "very short prompt"},
	}
	h := router.NewHeuristic()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := router.Features{Text: tt.text, Images: tt.images, Turn: 1}
			got := h.Assess(&f)
			if think := got.Score >= h.Threshold(); think != tt.think {
				t.Errorf("score %.3f, reasons %q, want thinking %v", got.Score, got.Reasons, tt.think)
			}
			if !slices.Contains(got.Reasons, tt.reason) {
				t.Errorf("reasons %q lack %q", got.Reasons, tt.reason)
			}
			if (got.Budget > 0) != tt.think {
				t.Errorf("budget %d", got.Budget)
			}
			if diff := cmp.Diff(got, h.Assess(&f)); diff != "" {
				t.Errorf("not repeatable:\n%s", diff)
			}
		})
	}
}

func FuzzHeuristicIsTotal(f *testing.F) {
	f.Add("prove 1+1=2", 1)
	f.Add("\xff\xfe한국어", 0)
	h := router.NewHeuristic()
	f.Fuzz(func(t *testing.T, text string, images int) {
		a := h.Assess(&router.Features{Text: text, Images: images})
		if !(a.Score > 0 && a.Score < 1) || len(a.Reasons) == 0 {
			t.Errorf("assessment %+v", a)
		}
	})
}

func BenchmarkHeuristic1KB(b *testing.B) {
	h := router.NewHeuristic()
	text := ""
	for len(text) < 1024 {
		text += "What is the average height of the buildings in this picture? "
	}
	for b.Loop() {
		h.Assess(&router.Features{Text: text, Images: 1})
	}
}
