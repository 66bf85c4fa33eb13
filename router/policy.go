package router

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/qwenvld/qwenvld/router/phrases"
)

// Facts are what the policy is told about the request and the daemon, apart from the prompt.
type Facts struct {
	// Instruct and Thinking say which weights can answer, at once or after a wait. At least one must be true.
	Instruct, Thinking bool
	// MaxTokens is the client's bound on the completion, 0 if it gave none.
	MaxTokens int
	// ContextSize is the number of tokens of prompt and completion together, 0 if unknown.
	ContextSize int
	// Tools says that the client offered tools, Schema that the answer must have a JSON form.
	Tools, Schema bool
	// Warm is the variant whose cache holds this conversation's past, empty if none does.
	Warm Variant
	// WarmTokens is about how many tokens the other variant would have to read again.
	WarmTokens int
	// InstructWait and ThinkingWait are what it costs, in seconds, to load weights for this request: until they can
	// answer, and until what gives way to them is there again. 0 is for those that are loaded.
	InstructWait, ThinkingWait float64
}

// has reports whether v can answer now.
func (f *Facts) has(v Variant) bool {
	if v == Thinking {
		return f.Thinking
	}
	return f.Instruct
}

// tooShortToThink reports whether max_tokens would cut the reasoning before it helps.
func (f *Facts) tooShortToThink() bool { return f.MaxTokens > 0 && f.MaxTokens < minAutomaticAnswer }

// Features are what a Scorer may look at.
type Features struct {
	// Text is a user turn, its text parts joined by newlines. The system prompt is not part of it: its words drown the
	// user's.
	Text string
	// Images counts the images of the turn.
	Images int
}

// Assessment is what a Scorer estimates about a prompt.
type Assessment struct {
	// Instruct and Thinking are the probabilities that the variant's answer is right. Their difference is the gain from
	// thinking.
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
	// Explain says what the prompt is about, and which of its features weigh most: for thinking, or against it where
	// think is false. The weightiest comes first.
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
	// Mode is how the conversation stood after History. Where it is nil, it is worked out from History.
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
	// Tokens is the estimated number of thinking tokens, whoever answers.
	Tokens float64
	// Kind is what the request is about, in the scorer's words.
	Kind string
	// Reasons are short words for people and logs. "unavailable: ..." means that the wanted weights are
	// not loaded and the others answer, "overridden: ..." that a stronger control won.
	Reasons []string
	// ThinkingBudget bounds the think block in tokens. 0 means no thinking; with Thinking weights that is an empty
	// think block.
	ThinkingBudget int
	// EscalationBudget is the ThinkingBudget of an answer by Thinking where the router chose Instruct. 0 means that
	// Thinking cannot answer in its place.
	EscalationBudget int
	// Uncertain says that the router chose between two variants that can answer, and that a slightly different gain
	// would have changed the choice.
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
	e := r.evaluate(in)
	d := Decision{
		Score: e.Score, Gain: e.gain(), Price: e.price, Threshold: r.scorer.Threshold(e.price), Options: e.Options,
		Tokens: e.Tokens, Before: e.before,
	}
	wanted := d.choose(in, &e)
	var reasons []string
	d.Kind, reasons = r.scorer.Explain(&in.Features, d.Gain > d.Price)
	if d.Source == SourceRouter {
		d.Reasons = append(d.Reasons, reasons...)
	}
	budget, err := budgetFor(in, wanted, e.Tokens)
	if err != nil {
		return Decision{}, err
	}
	d.ThinkingBudget = budget
	if wanted == Instruct && d.Source == SourceRouter && in.Facts.loaded(Thinking) && !in.Facts.tooShortToThink() {
		d.EscalationBudget = automaticBudget(e.Tokens, completionLimit(&in.Facts))
	}
	d.Uncertain = d.Uncertain && in.Facts.loaded(Instruct) && in.Facts.loaded(Thinking)
	switch {
	case !in.Facts.has(wanted):
		d.substitute(reasonUnavailable + string(wanted))
	case d.Source == SourceRouter && wanted == Instruct && in.Facts.sparesLoading():
		d.substitute(reasonNotLoaded + string(wanted))
	}
	return d, nil
}

// substitute has the other variant answer. Instruct weights cannot think; thinking weights answer for instruct with an
// empty think block.
func (d *Decision) substitute(reason string) {
	d.Reasons = append([]string{reason}, d.Reasons...)
	d.Variant = d.Variant.other()
	d.ThinkingBudget = 0
}

// WithOtherVariant returns the decision as it is when the other variant answers.
func (d *Decision) WithOtherVariant() Decision {
	out := *d
	out.Variant = d.Variant.other()
	out.Mode = Mode{Variant: out.Variant}
	out.ThinkingBudget, out.EscalationBudget = d.EscalationBudget, d.ThinkingBudget
	return out
}

// evaluation is what is known of the last user turn before a variant is chosen for it.
type evaluation struct {
	Assessment
	price      float64  // of thinking, in the unit of the gain
	priceNotes []string // what changed the price
	followUp   bool     // the turn is too short to stand for itself
	before     Mode
}

// gain is by how much thinking is likelier to be right.
func (e *evaluation) gain() float64 { return e.Thinking - e.Instruct }

// evaluate scores the last turn and puts a price on thinking about it.
func (r *Router) evaluate(in *Input) evaluation {
	quality := r.quality
	if q := in.Controls.Quality; q != nil {
		quality = *q
	}
	e := evaluation{Assessment: r.scorer.Assess(&in.Features), before: r.modeBefore(in, quality)}
	e.price = r.scorer.Price(e.Tokens, quality)
	if in.Facts.Tools {
		e.price *= toolsPrice
		e.priceNotes = append(e.priceNotes, reasonTools)
	}
	if in.Facts.Schema {
		e.price *= schemaPrice
		e.priceNotes = append(e.priceNotes, reasonSchema)
	}
	e.chargeColdCache(r.scorer, in, quality)
	e.chargeLoading(&in.Facts)
	e.followUp = len(in.History) > 0 && isFollowUp(&in.Features)
	return e
}

const (
	// toolsPrice and schemaPrice multiply the price of thinking where it is known to gain less or to do harm. With
	// tools, the result on BFCL v3 falls from 66.3 to 63.0 with thinking at 8B; the fields of a JSON form are copied
	// more often than derived.
	toolsPrice  = 2
	schemaPrice = 1.5
	// prefillShare is what reading a token costs beside writing one.
	prefillShare = 0.05
)

// chargeColdCache changes the price by what it costs the variant whose cache is cold to read the conversation again.
func (e *evaluation) chargeColdCache(s Scorer, in *Input, quality float64) {
	f := &in.Facts
	if f.Warm == "" || f.WarmTokens <= 0 || math.IsInf(e.price, 0) {
		return
	}
	reading := s.Price(e.Tokens+prefillShare*float64(f.WarmTokens), quality) - s.Price(e.Tokens, quality)
	if f.Warm == Thinking {
		reading = -reading // it is instruct that would have to read
	}
	e.price += reading
}

// choose sets Variant, Source, Reasons, Uncertain and Mode, and returns the variant that is wanted, whether or not it
// is loaded.
func (d *Decision) choose(in *Input, e *evaluation) Variant {
	asked := in.Controls.preferences()
	if p, ok := phrases.Find(in.Features.Text); ok {
		asked = append(asked, preference{SourcePhrase, variantFor(p.Think)})
		if len(asked) == 1 {
			d.Reasons = append(d.Reasons, reasonAskedFor+strconv.Quote(p.Text))
		}
	}
	if len(asked) == 0 {
		d.Source = SourceRouter
		d.chooseByGain(in, e)
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

// chooseByGain chooses where nobody asked for a variant: by the gain and its price, and by the conversation so far.
func (d *Decision) chooseByGain(in *Input, e *evaluation) {
	var conversation string
	d.Mode, conversation = e.before.after(d.Gain > d.Price, e.followUp)
	d.Variant = d.Mode.Variant
	d.Uncertain = conversation == "" && math.Abs(d.Gain-d.Price) < uncertainBand && !in.Facts.tooShortToThink()
	if conversation != "" {
		d.Reasons = append(d.Reasons, conversation)
	}
	d.Reasons = append(d.Reasons, e.priceNotes...)
	if d.Variant == Thinking && in.Facts.tooShortToThink() {
		d.Variant = Instruct
		d.Reasons = append([]string{reasonMaxTokens}, d.Reasons...)
	}
}
