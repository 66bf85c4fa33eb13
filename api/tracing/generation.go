package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// Plan is what is known of a generation when it begins.
type Plan struct {
	// At is when the request came.
	At time.Time
	// Asked is the id of the model that the request names, ModelOf that of a variant of it.
	Asked   string
	ModelOf func(router.Variant) string
	// Plain says that a text is continued: there is no conversation.
	Plain, Stream, JSON bool
	// Answers are all that were asked for, PerPrompt those that share a prompt, whose tokens count once.
	Answers, PerPrompt int
	// MaxTokens is nil where the request sets no bound.
	MaxTokens *int
	Sampling  engine.Sampling
	// Images and Videos are how many the prompt shows.
	Images, Videos int
}

// Generation is the span of a generation, from Generate to End. It is not safe for concurrent use.
type Generation struct {
	t    *Tracer
	ctx  context.Context //nolint:containedctx // the span's, for those of its stages
	span trace.Span
	plan Plan

	first, answer bool // a token came, and one that is no reasoning
	ended         int
	finish        []string
	usage         engine.Usage
}

// Generate begins the span of a generation. What is done for it is to have the context that it returns.
func (t *Tracer) Generate(ctx context.Context, p *Plan) (context.Context, *Generation) {
	now := t.now()
	t.received(ctx, now)
	operation := "chat"
	if p.Plain {
		operation = "text_completion"
	}
	ctx, span := t.tracer.Start(ctx, operation+" "+p.Asked, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(now))
	g := &Generation{t: t, ctx: ctx, span: span, plan: *p}
	if span.IsRecording() {
		span.SetAttributes(attribute.String("gen_ai.operation.name", operation))
		span.SetAttributes(p.attributes()...)
	}
	return ctx, g
}

// attributes are those that are known at the beginning.
func (p *Plan) attributes() []attribute.KeyValue {
	s := &p.Sampling
	out := []attribute.KeyValue{
		attribute.String("gen_ai.provider.name", "qwenvld"), attribute.String("gen_ai.request.model", p.Asked),
		attribute.Bool("gen_ai.request.stream", p.Stream),
		attribute.Float64("gen_ai.request.temperature", s.Temperature), attribute.Float64("gen_ai.request.top_p", s.TopP),
		attribute.Float64("gen_ai.request.top_k", float64(s.TopK)),
		attribute.Float64("gen_ai.request.presence_penalty", s.PresencePenalty),
		attribute.Float64("gen_ai.request.frequency_penalty", s.FrequencyPenalty),
		attribute.Int("qwenvld.request.images", p.Images), attribute.Int("qwenvld.request.videos", p.Videos),
	}
	if p.MaxTokens != nil {
		out = append(out, attribute.Int("gen_ai.request.max_tokens", *p.MaxTokens))
	}
	if s.Seed != nil {
		out = append(out, attribute.Int64("gen_ai.request.seed", int64(*s.Seed)))
	}
	if p.Answers != 1 {
		out = append(out, attribute.Int("gen_ai.request.choice.count", p.Answers))
	}
	kind := "text"
	if p.JSON {
		kind = "json"
	}
	return append(out, attribute.String("gen_ai.output.type", kind))
}

// Settled says who answers after all.
func (g *Generation) Settled(v router.Variant) {
	g.span.SetAttributes(attribute.String("gen_ai.response.model", g.plan.ModelOf(v)), attribute.String("qwenvld.variant", string(v)))
}

// Event notes an event of an answer; content says that some of it is no reasoning.
func (g *Generation) Event(choice int, ev *engine.Event, content bool) {
	if !g.span.IsRecording() {
		return
	}
	if !g.first && (ev.Text != "" || ev.Result != nil) {
		g.first = true
		now := g.t.now()
		g.span.AddEvent("first_token", trace.WithTimestamp(now))
		if g.plan.Stream {
			g.span.SetAttributes(attribute.Float64("gen_ai.response.time_to_first_chunk", now.Sub(g.plan.At).Seconds()))
		}
	}
	if content && !g.answer {
		g.answer = true
		g.span.AddEvent("first_answer_token", trace.WithTimestamp(g.t.now()))
	}
	if ev.Timing != nil {
		g.timed(choice, ev.Timing)
	}
	if ev.Result != nil {
		g.end(choice, ev.Result)
	}
}

// timed tells of the stages in the worker, by its own clock, which is this machine's.
func (g *Generation) timed(choice int, t *engine.Timing) {
	var which []attribute.KeyValue
	if g.plan.Answers > 1 {
		which = append(which, attribute.Int("qwenvld.answer", choice))
	}
	at := func(d time.Duration) time.Time { return t.Taken.Add(d) }
	g.t.span(g.ctx, stageWorkerQueue, t.Taken, at(t.Queued), which...)
	if t.EncodeEnd > 0 {
		g.t.span(g.ctx, stageEncode, at(t.EncodeBegin), at(t.EncodeEnd), which...)
	}
	g.t.span(g.ctx, stagePrefill, at(t.Queued), at(t.FirstToken), which...)
}

// end notes an answer that is complete.
func (g *Generation) end(choice int, r *engine.Result) {
	g.ended++
	g.finish = append(g.finish, string(r.FinishReason))
	sum, u := &g.usage, &r.Usage
	if choice%max(1, g.plan.PerPrompt) == 0 {
		sum.PromptTokens += u.PromptTokens
		sum.CachedTokens += u.CachedTokens
		sum.ImageTokens += u.ImageTokens
		sum.VideoTokens += u.VideoTokens
	}
	sum.CompletionTokens += u.CompletionTokens
	sum.ReasoningTokens += u.ReasoningTokens
}

// Outcomes of a generation.
const (
	outcomeCompleted = "completed"
	outcomeCancelled = "cancelled"
	outcomeFailed    = "failed"
)

// End ends the span. Without all answers the generation was cancelled by the client, or it failed.
func (g *Generation) End(cancelled bool) {
	outcome := outcomeCompleted
	switch {
	case g.ended == g.plan.Answers:
	case cancelled:
		outcome = outcomeCancelled
	default:
		outcome = outcomeFailed
		g.span.SetAttributes(attribute.String("error.type", outcomeFailed))
		g.span.SetStatus(codes.Error, "")
	}
	g.span.SetAttributes(attribute.String("qwenvld.outcome", outcome))
	if g.ended > 0 {
		u := &g.usage
		g.span.SetAttributes(
			attribute.StringSlice("gen_ai.response.finish_reasons", g.finish),
			attribute.Int("gen_ai.usage.input_tokens", u.PromptTokens),
			attribute.Int("gen_ai.usage.cache_read.input_tokens", u.CachedTokens),
			attribute.Int("gen_ai.usage.image.input_tokens", u.ImageTokens),
			attribute.Int("gen_ai.usage.video.input_tokens", u.VideoTokens),
			attribute.Int("gen_ai.usage.output_tokens", u.CompletionTokens),
			attribute.Int("gen_ai.usage.reasoning.output_tokens", u.ReasoningTokens),
		)
	}
	g.span.End(trace.WithTimestamp(g.t.now()))
}
