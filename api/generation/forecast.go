package generation

import (
	"math"
	"sync"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// Forecast tells of a request what other qualities would change, and what each variant's answer is expected to take.
type Forecast struct {
	// Qualities are who would answer at each whole quality from 0 to 10, where nothing but the router decides.
	Qualities []QualityForecast `json:"qualities"`
	// Instruct and Thinking are absent where the variant cannot answer.
	Instruct *CostForecast `json:"instruct,omitempty"`
	Thinking *CostForecast `json:"thinking,omitempty"`
}

// QualityForecast is a decision at a quality.
type QualityForecast struct {
	Quality   int     `json:"quality"`
	Variant   string  `json:"variant"`
	Threshold float64 `json:"threshold"`
}

// CostForecast is what an answer is expected to take, as far as that is known.
type CostForecast struct {
	// Tokens are those of the completion, thoughts among them: the router's estimate of those, and as many for the
	// answer as answers took lately. 0 means that no answer was seen yet that tells.
	Tokens int `json:"tokens,omitempty"`
	// Seconds are what so many tokens take at the pace of the last answers, 0 before there was one.
	Seconds float64 `json:"seconds,omitempty"`
}

// Forecast tells what would change d. It records nothing.
func (c *Core) Forecast(d *Decided) (*Forecast, error) {
	out := &Forecast{}
	const lowest, highest = 0, 10
	var qualities []float64
	for q := lowest; q <= highest; q++ {
		qualities = append(qualities, float64(q))
	}
	decisions, err := d.rules.router.DecideAt(d.input, qualities)
	if err != nil {
		return nil, err
	}
	for i := range decisions {
		out.Qualities = append(out.Qualities, QualityForecast{
			Quality: lowest + i, Variant: string(decisions[i].Variant), Threshold: rounded(decisions[i].Threshold),
		})
	}
	if d.input.Facts.Instruct {
		out.Instruct = c.paces.forecast(router.Instruct, 0)
	}
	if d.input.Facts.Thinking {
		thoughts := d.decision.Tokens
		if d.decision.Variant == router.Thinking && d.decision.ThinkingBudget > 0 {
			thoughts = min(thoughts, float64(d.decision.ThinkingBudget))
		}
		out.Thinking = c.paces.forecast(router.Thinking, thoughts)
	}
	return out, nil
}

// paces know how fast the last answers of each variant came. They are safe for concurrent use.
type paces struct {
	mu   sync.Mutex
	seen map[router.Variant]*pace
}

// pace is how fast answers come and how long they are, the later ones counting more.
type pace struct {
	firstToken, perToken float64 // seconds
	answer               float64 // tokens, without thoughts
}

// note takes an answer in that is complete.
func (p *paces) note(v router.Variant, first, total time.Duration, used *engine.Usage) {
	if used.CompletionTokens < 2 || first <= 0 || total < first {
		return // nothing can be told of its pace
	}
	now := pace{
		firstToken: first.Seconds(), perToken: (total - first).Seconds() / float64(used.CompletionTokens-1),
		answer: float64(used.CompletionTokens - used.ReasoningTokens),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.seen[v]
	if known == nil {
		if p.seen == nil {
			p.seen = map[router.Variant]*pace{}
		}
		p.seen[v] = &now
		return
	}
	const weight = 0.2 // of the last answer
	blend := func(old *float64, latest float64) { *old += weight * (latest - *old) }
	blend(&known.firstToken, now.firstToken)
	blend(&known.perToken, now.perToken)
	blend(&known.answer, now.answer)
}

// forecast is what an answer by v with so many tokens of thoughts is expected to take.
func (p *paces) forecast(v router.Variant, thoughts float64) *CostForecast {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.seen[v]
	if known == nil {
		return &CostForecast{Tokens: int(math.Round(thoughts))}
	}
	tokens := thoughts + known.answer
	return &CostForecast{
		Tokens: int(math.Round(tokens)), Seconds: rounded(known.firstToken + tokens*known.perToken),
	}
}
