package router

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/qwenvld/qwenvld/router/phrases"
)

// Facts are what the policy has to live with.
type Facts struct {
	// Instruct and Thinking say which weights can answer now. At least one must be true.
	Instruct, Thinking bool
	// MaxTokens is the client's bound on the completion, 0 if it gave none.
	MaxTokens int
	// ContextSize is the number of tokens of prompt and completion together, 0 if unknown.
	ContextSize int
	// Tools says that the client offered tools, Schema that the answer must have a JSON form.
	Tools, Schema bool
	// Warm is the variant whose cache holds this conversation's past, empty if none does, and WarmTokens about how many tokens
	// the other one would have to read again.
	Warm       Variant
	WarmTokens int
}

func (f *Facts) has(v Variant) bool {
	if v == Thinking {
		return f.Thinking
	}
	return f.Instruct
}

// tooShortToThink reports that max_tokens would cut the reasoning before it helps.
func (f *Facts) tooShortToThink() bool { return f.MaxTokens > 0 && f.MaxTokens < minAutomaticAnswer }

// Features are what a Scorer may look at.
type Features struct {
	// Text is a user turn, its text parts joined by newlines. The system prompt is not part of it: its words drown the user's.
	Text string
	// Images counts the images of the turn.
	Images int
}

// Assessment is a Scorer's opinion.
type Assessment struct {
	// Instruct and Thinking are the probabilities that the variant's answer is right. Their difference is the gain from thinking.
	Instruct, Thinking float64
	// Score in 0..1 is the calibrated probability that thinking pays. It grows with the gain.
	Score float64
	// Tokens is the estimated number of thinking tokens that the request needs.
	Tokens float64
	// Options counts the answer options that the request lists.
	Options int
}

// Scorer estimates how much a request gains from thinking. Its methods are pure functions, safe for concurrent use.
type Scorer interface {
	Assess(f *Features) Assessment
	// Explain says what the prompt is about and what spoke loudest for thinking, or against it, the strongest first.
	Explain(f *Features, think bool) (kind string, reasons []string)
	// Price is what thinking so many tokens costs at a quality of 0..10, in the unit of the gain.
	Price(tokens, quality float64) float64
	// Threshold is the score of a gain that just pays the price.
	Threshold(price float64) float64
}

// Input is everything a decision depends on.
type Input struct {
	Controls Controls
	Facts    Facts
	Features Features
	// History are the user turns before the last one, the oldest first.
	History []Features
	// Mode is how the conversation stood after History; nil has it worked out from History.
	Mode *Mode
}

// Decision says who answers and why.
type Decision struct {
	Variant Variant
	// Source is the control that decided.
	Source Source
	// Score and Threshold are the scorer's, also when a control decided.
	Score     float64
	Threshold float64
	// Gain is P(thinking right) - P(instruct right), Price what it has to exceed.
	Gain, Price float64
	// Kind is what the request is about, in the scorer's words.
	Kind string
	// Reasons are short words for people and logs. "unavailable: ..." means that the wanted weights are
	// not loaded and the others answer, "overridden: ..." that a stronger control won.
	Reasons []string
	// ThinkingBudget bounds the think block in tokens. 0 means no thinking; with Thinking weights that is an empty think block.
	ThinkingBudget int
	// EscalationBudget is the ThinkingBudget of an answer by Thinking where the router chose Instruct. 0 means that Thinking cannot
	// answer in its place.
	EscalationBudget int
	// Uncertain says that the router chose between two variants that can answer and that a little more or less gain would have turned
	// the choice.
	Uncertain bool
	// Options counts the answer options that the request lists.
	Options int
	// Before is how the conversation stood before this turn, Mode how it stands after it.
	Before, Mode Mode
}

// ErrNothingLoaded means that no weights can answer.
var ErrNothingLoaded = errors.New("no weights are loaded")

// BudgetError refuses an explicit budget that leaves nothing of max_tokens for the answer.
type BudgetError struct {
	Source            Source
	Budget, MaxTokens int // tokens
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("a thinking budget of %d tokens leaves no room for an answer in %d tokens", e.Budget, e.MaxTokens)
}

const (
	// DefaultQuality is the middle of the scale from 0, never think unasked, to 10, think wherever it does no harm.
	DefaultQuality = 5
	// uncertainBand is how near to its price a gain is uncertain.
	uncertainBand = 0.04
)

// Router applies the policy. It is immutable and safe for concurrent use.
type Router struct {
	scorer  Scorer
	quality float64
}

// New returns a Router over s. quality, 0 to 10, is used for requests that name none.
func New(s Scorer, quality float64) (*Router, error) {
	if s == nil {
		return nil, errors.New("router needs a scorer")
	}
	if !(quality >= 0 && quality <= 10) {
		return nil, fmt.Errorf("quality must be 0 to 10, not %g", quality)
	}
	return &Router{scorer: s, quality: quality}, nil
}

// Decide picks the variant and the budget. It fails with ErrNothingLoaded or a *BudgetError only.
func (r *Router) Decide(in *Input) (Decision, error) {
	if !in.Facts.Instruct && !in.Facts.Thinking {
		return Decision{}, ErrNothingLoaded
	}
	t := r.weigh(in)
	d := Decision{
		Score: t.Score, Gain: t.Thinking - t.Instruct, Price: t.price, Threshold: r.scorer.Threshold(t.price), Options: t.Options,
		Before: t.before,
	}
	wanted := d.choose(in, &t)
	var spoken []string
	d.Kind, spoken = r.scorer.Explain(&in.Features, d.Gain > d.Price)
	if d.Source == SourceRouter {
		d.Reasons = append(d.Reasons, spoken...)
	}
	budget, err := budgetFor(in, wanted, t.Tokens)
	if err != nil {
		return Decision{}, err
	}
	d.ThinkingBudget = budget
	if wanted == Instruct && d.Source == SourceRouter && in.Facts.Thinking && !in.Facts.tooShortToThink() {
		d.EscalationBudget = automaticBudget(t.Tokens, completionLimit(&in.Facts))
	}
	d.Uncertain = d.Uncertain && in.Facts.Instruct && in.Facts.Thinking
	if !in.Facts.has(wanted) {
		d.Reasons = append([]string{reasonUnavailable + string(wanted)}, d.Reasons...)
		d.Variant = wanted.other()
		// Instruct weights cannot think; thinking weights answer for instruct with an empty think block.
		d.ThinkingBudget = 0
	}
	return d, nil
}

// WithOtherVariant returns the decision as it is when the other variant answers.
func (d *Decision) WithOtherVariant() Decision {
	out := *d
	out.Variant = d.Variant.other()
	out.Mode = Mode{Variant: out.Variant}
	out.ThinkingBudget, out.EscalationBudget = d.EscalationBudget, d.ThinkingBudget
	return out
}

// turn is the last user turn as it was weighed.
type turn struct {
	Assessment
	price    float64
	notes    []string // what changed the price
	think    bool
	followUp bool
	before   Mode
}

// weigh scores the last turn and puts a price on thinking about it.
func (r *Router) weigh(in *Input) turn {
	quality := r.quality
	if q := in.Controls.Quality; q != nil {
		quality = *q
	}
	t := turn{Assessment: r.scorer.Assess(&in.Features), before: r.modeBefore(in, quality)}
	t.price = r.scorer.Price(t.Tokens, quality)
	if in.Facts.Tools {
		t.price *= toolsPrice
		t.notes = append(t.notes, reasonTools)
	}
	if in.Facts.Schema {
		t.price *= schemaPrice
		t.notes = append(t.notes, reasonSchema)
	}
	t.addColdCache(r.scorer, in, quality)
	gain := t.Thinking - t.Instruct
	t.think = gain > t.price
	t.followUp = len(in.History) > 0 && isFollowUp(&in.Features)
	return t
}

const (
	// toolsPrice and schemaPrice make thinking dearer where it is known to gain less or to do harm: BFCL v3 falls from 66.3 to 63.0
	// with thinking at 8B, and fields are copied more often than derived.
	toolsPrice  = 2
	schemaPrice = 1.5
	// prefillShare is what reading a token costs beside writing one.
	prefillShare = 0.05
)

// addColdCache lets the variant that would have to read the conversation again pay for it.
func (t *turn) addColdCache(s Scorer, in *Input, quality float64) {
	f := &in.Facts
	if f.Warm == "" || f.WarmTokens <= 0 || math.IsInf(t.price, 0) {
		return
	}
	cold := s.Price(t.Tokens+prefillShare*float64(f.WarmTokens), quality) - s.Price(t.Tokens, quality)
	if f.Warm == Thinking {
		cold = -cold
	}
	t.price += cold
}

// choose fills Variant, Source, Reasons, Uncertain and Mode, and returns the variant that was wanted.
func (d *Decision) choose(in *Input, t *turn) Variant {
	asked := in.Controls.preferences()
	if p, ok := phrases.Find(in.Features.Text); ok {
		asked = append(asked, preference{SourcePhrase, variantFor(p.Think)})
		if len(asked) == 1 {
			d.Reasons = append(d.Reasons, reasonAskedFor+strconv.Quote(p.Text))
		}
	}
	if len(asked) == 0 {
		d.Source = SourceRouter
		d.judge(in, t)
		return d.Variant
	}
	d.Source, d.Variant = asked[0].source, asked[0].variant
	d.Mode = Mode{Variant: d.Variant}
	if d.Source != SourcePhrase {
		d.Reasons = append(d.Reasons, string(d.Source))
	}
	for _, p := range asked[1:] {
		if p.variant != d.Variant {
			d.Reasons = append(d.Reasons, reasonOverridden+string(p.source))
		}
	}
	return d.Variant
}

// judge decides where nobody asked for anything.
func (d *Decision) judge(in *Input, t *turn) {
	var why string
	d.Mode, why = t.before.after(t.think, t.followUp)
	d.Variant = d.Mode.Variant
	d.Uncertain = why == "" && math.Abs(d.Gain-d.Price) < uncertainBand && !in.Facts.tooShortToThink()
	if why != "" {
		d.Reasons = append(d.Reasons, why)
	}
	d.Reasons = append(d.Reasons, t.notes...)
	if d.Variant == Thinking && in.Facts.tooShortToThink() {
		d.Variant = Instruct
		d.Reasons = append([]string{reasonMaxTokens}, d.Reasons...)
	}
}
