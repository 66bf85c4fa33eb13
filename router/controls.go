package router

import (
	"fmt"
	"strings"
)

// Variant names a set of weights.
type Variant string

// The two sets of weights.
const (
	Instruct Variant = "instruct" // answers directly
	Thinking Variant = "thinking" // writes its reasoning first
)

// other is the variant that v is not.
func (v Variant) other() Variant {
	if v == Thinking {
		return Instruct
	}
	return Thinking
}

// Effort is a client's reasoning_effort.
type Effort string

// Efforts, weakest first.
const (
	EffortNone    Effort = "none"
	EffortMinimal Effort = "minimal"
	EffortLow     Effort = "low"
	EffortMedium  Effort = "medium"
	EffortHigh    Effort = "high"
	EffortXHigh   Effort = "xhigh"
)

// Efforts lists the accepted values of reasoning_effort, weakest first.
func Efforts() []Effort {
	return []Effort{EffortNone, EffortMinimal, EffortLow, EffortMedium, EffortHigh, EffortXHigh}
}

// ParseEffort accepts the names that Efforts lists.
func ParseEffort(s string) (Effort, error) {
	names := make([]string, 0, len(Efforts()))
	for _, e := range Efforts() {
		if string(e) == s {
			return e, nil
		}
		names = append(names, string(e))
	}
	return "", fmt.Errorf("must be one of %s", strings.Join(names, ", "))
}

// Budget is the number of tokens that an effort allows for thinking, 0 for none.
func (e Effort) Budget() int {
	switch e {
	case EffortMinimal:
		return 512
	case EffortLow:
		return 1024
	case EffortMedium:
		return 8192
	case EffortHigh:
		return 24576
	case EffortXHigh:
		return 32768
	default:
		return 0
	}
}

// Route is the value of the X-Qwenvld-Route header.
type Route string

// Routes.
const (
	RouteAuto     Route = "auto"
	RouteInstruct Route = "instruct"
	RouteThinking Route = "thinking"
)

// ParseRoute accepts auto, instruct and thinking in any case; the empty string means that the header is absent.
func ParseRoute(s string) (Route, error) {
	switch r := Route(strings.ToLower(strings.TrimSpace(s))); r {
	case "", RouteAuto, RouteInstruct, RouteThinking:
		return r, nil
	default:
		return "", fmt.Errorf("must be auto, instruct or thinking, not %q", s)
	}
}

// ThinkingType is the type of the `thinking` object.
type ThinkingType string

// Types of thinking.
const (
	ThinkingEnabled  ThinkingType = "enabled"
	ThinkingDisabled ThinkingType = "disabled"
	ThinkingAdaptive ThinkingType = "adaptive" // leaves the choice to weaker controls and the router
)

// ParseThinkingType accepts enabled, disabled and adaptive.
func ParseThinkingType(s string) (ThinkingType, error) {
	switch t := ThinkingType(s); t {
	case ThinkingEnabled, ThinkingDisabled, ThinkingAdaptive:
		return t, nil
	default:
		return "", fmt.Errorf("must be enabled, disabled or adaptive, not %q", s)
	}
}

// Controls are what a client asked for, strongest first. Zero values and nil mean "not given".
type Controls struct {
	// Model is set when the client named one variant's model id.
	Model Variant
	// Effort is reasoning_effort.
	Effort Effort
	// EnableThinking is enable_thinking or chat_template_kwargs.enable_thinking.
	EnableThinking *bool
	// Thinking is the type of the `thinking` object and BudgetTokens its budget_tokens.
	Thinking     ThinkingType
	BudgetTokens *int
	// ThinkingBudget is thinking_budget in tokens; 0 asks for no thinking.
	ThinkingBudget *int
	// Route is the X-Qwenvld-Route header.
	Route Route
	// Quality from 0 to 10 sets the price of thinking for this request; it asks for no variant.
	Quality *float64
}

// Source names the control that decided.
type Source string

// Sources, strongest first.
const (
	SourceModel          Source = "model"
	SourceEffort         Source = "reasoning_effort"
	SourceEnableThinking Source = "enable_thinking"
	SourceThinking       Source = "thinking"
	SourceThinkingBudget Source = "thinking_budget"
	SourceHeader         Source = "header"
	SourcePhrase         Source = "phrase"
	SourceRouter         Source = "router"
)

// variantFor is the variant that answers with or without thinking.
func variantFor(think bool) Variant {
	if think {
		return Thinking
	}
	return Instruct
}

// preference is a control that asks for a variant.
type preference struct {
	source  Source
	variant Variant
}

// preferences lists the controls that ask for a variant, strongest first.
func (c *Controls) preferences() []preference {
	var out []preference
	add := func(s Source, think bool) { out = append(out, preference{s, variantFor(think)}) }
	if c.Model != "" {
		add(SourceModel, c.Model == Thinking)
	}
	if c.Effort != "" {
		add(SourceEffort, c.Effort != EffortNone)
	}
	if c.EnableThinking != nil {
		add(SourceEnableThinking, *c.EnableThinking)
	}
	if c.Thinking == ThinkingEnabled || c.Thinking == ThinkingDisabled {
		add(SourceThinking, c.Thinking == ThinkingEnabled && (c.BudgetTokens == nil || *c.BudgetTokens > 0))
	}
	if c.ThinkingBudget != nil {
		add(SourceThinkingBudget, *c.ThinkingBudget > 0)
	}
	if c.Route == RouteInstruct || c.Route == RouteThinking {
		add(SourceHeader, c.Route == RouteThinking)
	}
	return out
}

// explicitBudget is the token count that the client wrote, if it wrote one.
func (c *Controls) explicitBudget() (int, bool) {
	switch {
	case c.BudgetTokens != nil && c.Thinking != ThinkingDisabled:
		return *c.BudgetTokens, true
	case c.ThinkingBudget != nil:
		return *c.ThinkingBudget, true
	default:
		return 0, false
	}
}
