package api

import (
	"context"
	"math"
	"strings"

	"github.com/qwenvld/qwenvld/api/metrics"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/escalation"
)

// SecondLook has instruct begin where the router is uncertain, and thinking answer where its first tokens are doubtful. Nothing is sent
// before that.
type SecondLook struct {
	// Share bounds how many of the routed requests are looked at, 0 to 1; 0 is none.
	Share  float64
	Limits escalation.Thresholds
}

// Rerun has thinking answer again what instruct answered badly, where the router chose and the reply is sent in one piece.
type Rerun struct {
	// Share bounds how many of the routed requests are answered again, 0 to 1; 0 is none.
	Share  float64
	Causes []escalation.Cause
}

// secondThoughts are what an answer of instruct may give rise to. What is off is nil.
type secondThoughts struct {
	limits        escalation.Thresholds
	looks, reruns *escalation.Quota
	watch         *escalation.Reviewer
}

func newSecondThoughts(look SecondLook, rerun Rerun) secondThoughts {
	t := secondThoughts{limits: look.Limits}
	if look.Share > 0 {
		t.looks = escalation.NewQuota(look.Share)
	}
	if rerun.Share > 0 && len(rerun.Causes) > 0 {
		t.reruns, t.watch = escalation.NewQuota(rerun.Share), escalation.NewReviewer(rerun.Causes)
	}
	return t
}

// count takes note of a request that was routed.
func (t *secondThoughts) count() {
	if t.looks != nil {
		t.looks.Accrue()
	}
	if t.reruns != nil {
		t.reruns.Accrue()
	}
}

// looksAt says whether p gets a second look. Where thinking was chosen only options can speak against it. Videos would have to be decoded
// twice, an answer that has a form says nothing by how it begins, and background responses are acknowledged at once.
func (t *secondThoughts) looksAt(p *plan, rec *record) bool {
	d := &p.decision
	return t.looks != nil && d.Uncertain && (d.Variant == router.Instruct || d.Options > 0) && len(p.req.Videos) == 0 &&
		!p.req.formed() && p.req.prefill() == nil && !rec.background && t.looks.Take()
}

// watches says whether p's answer is judged before it is sent.
func (t *secondThoughts) watches(p *plan, rec *record) bool {
	d := &p.decision
	return t.watch != nil && d.Source == router.SourceRouter && d.Variant == router.Instruct && d.EscalationBudget > 0 &&
		!p.req.Stream && p.req.Choices <= 1 && p.req.prefill() == nil && !rec.background
}

// start carries p out, or the other variant's plan where second thoughts lead to it.
func (s *Server) start(ctx context.Context, p *plan) *carried {
	t, rec := &s.thoughts, recordOf(ctx)
	if p.decision.Source == router.SourceRouter {
		t.count()
	}
	var c *carried
	if t.looksAt(p, rec) {
		c = s.lookTwice(ctx, p)
		s.countTurn(p, c.plan, metrics.CauseSecondLook)
	} else {
		c = p.carryOut(ctx, s.cfg.Metrics)
	}
	if t.watches(c.plan, rec) {
		looked := c.plan
		c = s.answerTwice(ctx, c)
		s.countTurn(looked, c.plan, metrics.CauseRerun)
	}
	if c.plan != p {
		rec.decision = &c.decision
		s.conversations.keep(c.conversation, c.decision.Mode)
	}
	return c
}

func (s *Server) countTurn(from, to *plan, cause metrics.Cause) {
	if from != to {
		s.cfg.Metrics.Escalated(to.decision.Variant, cause)
	}
}

// turned is p for the other variant, with the same pixels.
func (s *Server) turned(ctx context.Context, p *plan) (*plan, error) {
	r := *p.routed
	r.decision = p.decision.WithOtherVariant()
	info, ok := s.loaded(ctx)[r.decision.Variant]
	if !ok {
		return nil, engine.ErrUnavailable
	}
	if r.pictures != nil && (info.Vision == nil || *info.Vision != *p.info.Vision) {
		r.pictures = nil
	}
	r.info = info
	return s.prepare(ctx, &r, recordOf(ctx).id)
}

// because puts a reason first.
func (p *plan) because(reason string) {
	p.decision.Reasons = append([]string{reason}, p.decision.Reasons...)
}

// lookTwice has instruct begin, and thinking answer where that is doubtful. Where one of them cannot, all stays as it was.
func (s *Server) lookTwice(ctx context.Context, p *plan) *carried {
	other, err := s.turned(ctx, p)
	if err != nil {
		return p.carryOut(ctx, s.cfg.Metrics)
	}
	instruct, thinking := p, other
	if p.decision.Variant == router.Thinking {
		instruct, thinking = other, p
	}
	limits := &s.thoughts.limits
	for _, r := range instruct.requests {
		r.FirstTop, r.FirstTokens = escalation.CandidateCount, limits.Tokens
	}
	c := instruct.carryOut(ctx, s.cfg.Metrics)
	first, ok := c.firstTokens(limits.Tokens)
	why := limits.Uncertainty(first)
	switch {
	case ok && instruct != p && !escalation.SettlesOnOption(first):
		thinking.because("second look: no option is certain")
	case ok && why == "":
		instruct.because("second look: the beginning is clear")
		return c
	case ok:
		thinking.because("second look: " + why)
	case instruct == p:
		return c // whose error is the reply
	}
	c.stop()
	s.cfg.Metrics.Abandoned(router.Instruct, len(first))
	return thinking.carryOut(ctx, s.cfg.Metrics)
}

// firstTokens waits for the first n tokens of the first answer, or its end, and reads them. What has come stays to be read again. It
// reports false where an error came.
func (c *carried) firstTokens(n int) (first []escalation.TokenStats, ok bool) {
	var held []item
	for it := range c.items {
		if it.choice == 0 {
			for i := range it.event.Tokens {
				if t := &it.event.Tokens[i]; len(first) < n {
					first = append(first, escalation.StatsOf(candidates(t), c.decision.Options > 0))
					t.Top = t.Top[:min(len(t.Top), c.req.TopLogprobs)]
				}
			}
			ok = len(first) == n || it.event.Result != nil
		}
		held = append(held, it)
		if ok || it.err != nil {
			break
		}
	}
	c.putBack(held)
	return first, ok
}

func candidates(t *engine.Token) []escalation.Candidate {
	out := make([]escalation.Candidate, len(t.Top))
	for i := range t.Top {
		out[i] = escalation.Candidate{Text: string(t.Top[i].Bytes), Logprob: t.Top[i].Logprob}
	}
	return out
}

// answerTwice waits for c's whole answer and has thinking answer again where that is poor. The first answer stands where the second
// fails, or is cut as the first was.
func (s *Server) answerTwice(ctx context.Context, c *carried) *carried {
	first := c.all()
	a, result := c.judged(first)
	if result == nil {
		return c.putBack(first)
	}
	cause := s.thoughts.watch.Review(a)
	if cause == "" || !s.thoughts.reruns.Take() {
		return c.putBack(first)
	}
	thinking, err := s.turned(ctx, c.plan)
	if err != nil {
		return c.putBack(first)
	}
	thinking.because("answered again: " + string(cause))
	second := thinking.carryOut(ctx, s.cfg.Metrics)
	answer := second.all()
	b, better := second.judged(answer)
	if better == nil || cause == escalation.CauseLength && b.Truncated {
		s.cfg.Metrics.Abandoned(router.Thinking, len(answer))
		return c.putBack(first)
	}
	thinking.discarded = result.Usage.CompletionTokens
	s.cfg.Metrics.Abandoned(router.Instruct, thinking.discarded)
	return second.putBack(answer)
}

// judged is what there is to judge of a whole answer; without a result it has failed.
func (c *carried) judged(items []item) (*escalation.Answer, *engine.Result) {
	var text strings.Builder
	var result *engine.Result
	sum, n := 0.0, 0
	for i := range items {
		if items[i].err != nil {
			return nil, nil
		}
		ev := &items[i].event
		text.WriteString(ev.Text)
		for j := range ev.Tokens {
			sum += ev.Tokens[j].Logprob
			n++
		}
		if ev.Result != nil {
			result = ev.Result
		}
	}
	if result == nil {
		return nil, nil
	}
	a := &escalation.Answer{Text: text.String(), Truncated: result.FinishReason == engine.FinishLength, MeanLogprob: math.NaN(), Kind: c.decision.Kind}
	if n > 0 {
		a.MeanLogprob = sum / float64(n)
	}
	if f := c.req.Form; c.req.formed() && result.StopString == "" {
		a.Malformed = a.Truncated || !c.req.Loose && checkForm(f, []byte(a.Text)) != nil
	}
	return a, result
}
