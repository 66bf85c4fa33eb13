package train

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/difficulty"
)

// Adapted is what a calibration on outcomes came to. All measures are of outcomes that were left out of the fit that
// judged them.
type Adapted struct {
	Model *difficulty.Model
	// Outcomes is their number.
	Outcomes int
	// Prices are those that were tried, the dearest first.
	Prices []Price
	// Chosen is the new one, that of quality 5.
	Chosen Price
	// Direct, Always and Oracle are the costs of always answering directly, of always thinking, and of thinking just
	// where the thinking answer is the better one, which nobody can know before.
	Direct, Always, Oracle Cost
	// Qualities are the costs of routing at a quality of 0 to 10.
	Qualities [11]Cost

	chosen bool // a price was allowed
}

// Price is what a price of thinking comes to.
type Price struct {
	Lambda float64
	Share  float64 // thought about
	Score  float64 // mean score of the answers

	noise float64 // standard error of the score's distance from that of always thinking
}

const (
	// minOutcomes is the least that a calibration is fitted to.
	minOutcomes = 50
	adaptParts  = 5
	adaptEpochs = 12
	adaptRate   = 0.05
	adaptDecay  = 1e-4
	adaptStill  = 0.01 // the sum of squares that steps begin with
	// replays is how many general prompts of each source are gone through beside the outcomes.
	replays = 150
	// reminders is how often those that were forgotten are gone through again, emphasis how many times over.
	reminders, emphasis = 3, 4

	// lossAllowed is the share of always thinking's score that may be lost for less thinking. Where there are few
	// outcomes one question is more than that, and thinking about everything for its sake would be fitting noise: then
	// a standard error may be lost, up to lossBound.
	lossAllowed = 0.005
	lossBound   = 0.02
)

// Adapt moves weights towards the measured outcomes of one's own pair and sets the price so that answers keep the score
// of always thinking, but for half a percent or what cannot be told from nothing, at the least share of thinking,
// judged on outcomes left out. What was known of other prompts is replayed meanwhile: weights move, and the price is
// set, only so far that no source of general prompts loses more than generalLoss.
func Adapt(m *difficulty.Model, examples []*Example, seed uint64) (*Adapted, error) {
	outcomes := slices.DeleteFunc(slices.Clone(examples), func(e *Example) bool { return !e.measured() })
	if len(outcomes) < minOutcomes {
		return nil, fmt.Errorf("calibration needs at least %d outcomes (weak and strong), there are %d", minOutcomes, len(outcomes))
	}
	slices.SortStableFunc(outcomes, byName)
	rng := rand.New(rand.NewPCG(seed, 5))
	rng.Shuffle(len(outcomes), func(i, j int) { outcomes[i], outcomes[j] = outcomes[j], outcomes[i] })
	general, err := startingAt(m)
	if err != nil {
		return nil, err
	}
	base := startOf(m, general, seed)
	h := m.Header
	h.Calibration = [difficulty.Heads]difficulty.Platt{plain, plain, plain} // startOf has it in the weights
	out := &Adapted{
		Outcomes: len(outcomes),
		Direct:   costOf(outcomes, func(int) bool { return false }),
		Always:   costOf(outcomes, func(int) bool { return true }),
		Oracle:   costOf(outcomes, func(i int) bool { return *outcomes[i].Strong > *outcomes[i].Weak }),
	}
	whole := base.held(outcomes, general, m.Lambda, seed)
	columns := m.Columns()
	for _, share := range []float64{1, 0.85, 0.7, 0.55, 0.4, 0.25, 0.1, 0} {
		for i, c := range base.between(whole, share) {
			columns.Weights[i], h.Bias[i] = c.weights, c.bias
		}
		if out.Model, err = difficulty.New(h, columns); err != nil {
			return nil, err
		}
		left := base.leaveOut(outcomes, share, seed)
		if err := out.price(left, h, general.allows(out.Model)); err != nil {
			return nil, err
		}
		if !out.chosen {
			continue
		}
		h.Lambda, h.Examples = out.Chosen.Lambda, h.Examples+len(outcomes)
		if err := out.qualities(left, &h); err != nil {
			return nil, err
		}
		final := out.Model.Header
		final.Lambda, final.Examples = h.Lambda, h.Examples
		out.Model, err = out.Model.With(final)
		return out, err
	}
	return nil, errors.New("calibration: no price keeps what the weights know of other prompts")
}

// plain leaves a score as it is.
var plain = difficulty.Platt{A: 1}

// leaveOut judges each outcome by weights that were not fitted to it and moved the given share of the way.
func (s *start) leaveOut(outcomes []*Example, share float64, seed uint64) []leftOut {
	left := make([]leftOut, len(outcomes))
	if s.parts == nil {
		s.parts = make([][difficulty.Heads]*column, adaptParts)
		for part := range s.parts {
			var seen []*Example
			for i, e := range outcomes {
				if i%adaptParts != part {
					seen = append(seen, e)
				}
			}
			s.parts[part] = s.moved(seen, seed)
		}
	}
	for part := range s.parts {
		heads := s.between(s.parts[part], share)
		for i := part; i < len(outcomes); i += adaptParts {
			e := outcomes[i]
			left[i] = leftOut{e, router.Assessment{
				Instruct: sigmoid(heads[difficulty.HeadInstruct].score(&e.vector)),
				Thinking: sigmoid(heads[difficulty.HeadThinking].score(&e.vector)),
				Tokens:   difficulty.TokensOf(sigmoid(heads[difficulty.HeadTokens].score(&e.vector))),
			}}
		}
	}
	return left
}

// price tries the price at which each outcome would just be thought about at quality 5, and those that allowed accepts
// may be chosen.
func (a *Adapted) price(left []leftOut, h difficulty.Header, allowed func(lambda float64) bool) error {
	shipped := h.Lambda
	h.Lambda = 1
	a.Prices = nil
	just := make([]float64, len(left))
	order := make([]int, len(left))
	for i := range left {
		d, err := left[i].decide(&h, router.DefaultQuality)
		if err != nil {
			return err
		}
		just[i], order[i] = d.Gain/d.Price, i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(just[j], just[i]) })
	score, n := a.Direct.Score, float64(len(order))
	var missed, squares float64 // of what thinking gains where it is not used
	for _, e := range left {
		gain := *e.Strong - *e.Weak
		missed, squares = missed+gain, squares+gain*gain
	}
	a.Prices = append(a.Prices, Price{max(just[order[0]], 0) + 1, 0, score, noise(missed, squares, n)})
	for k, i := range order {
		gain := *left[i].Strong - *left[i].Weak
		score += gain / n
		missed, squares = missed-gain, squares-gain*gain
		lambda := 0.0
		if k+1 < len(order) {
			lambda = max((just[i]+just[order[k+1]])/2, 0)
		}
		if lambda == 0 || k%max(len(order)/200, 1) == 0 {
			a.Prices = append(a.Prices, Price{lambda, float64(k+1) / n, score, noise(missed, squares, n)})
		}
		if lambda == 0 {
			break
		}
	}
	// The price as it was is tried too: it is allowed where no other one is.
	for k, p := range a.Prices {
		if p.Lambda <= shipped {
			p.Lambda = shipped
			a.Prices = slices.Insert(a.Prices, k, p)
			break
		}
	}
	a.choose(allowed)
	return nil
}

// noise is the standard error of a mean.
func noise(sum, squares, n float64) float64 {
	mean := sum / n
	return math.Sqrt(max(squares/n-mean*mean, 0) / n)
}

// choose takes the dearest allowed price that loses little enough.
func (a *Adapted) choose(allowed func(lambda float64) bool) {
	a.chosen = false
	var able []Price
	for _, p := range a.Prices {
		if allowed(p.Lambda) {
			able = append(able, p)
		}
	}
	if len(able) == 0 {
		return
	}
	best := able[0]
	for _, p := range able {
		if p.Score > best.Score {
			best = p
		}
	}
	a.Chosen, a.chosen = best, true
	goal := min(a.Always.Score, best.Score)
	for _, p := range able {
		if goal-p.Score <= max(lossAllowed*goal, min(p.noise, lossBound*goal)) {
			a.Chosen = p
			return
		}
	}
}
