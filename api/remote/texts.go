package remote

import (
	"context"
	"io"

	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/upstream"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
	"github.com/qwenvld/qwenvld/engine/worker/answer"
)

// texts is the engine of servers as far as texts go: it continues them, and counts. Conversations take another way.
type texts struct {
	cluster *upstream.Cluster
	info    func() engine.Info
}

var _ engine.Engine = (*texts)(nil)

// Info tells of the weights while a server takes requests.
func (e *texts) Info(context.Context) (engine.Info, error) {
	if !e.cluster.Ready() {
		return engine.Info{}, &engine.UnavailableError{State: engine.StateRestarting, Reason: "none of its servers is up"}
	}
	return e.info(), nil
}

// Generate continues a text.
func (e *texts) Generate(ctx context.Context, req *engine.Request) (engine.Stream, error) {
	t := dialect.Text{
		ID: req.ID, Form: req.Constraint, MaxTokens: req.MaxTokens, Sampling: req.Sampling, MayRepeat: req.MayRepeat,
		Logprobs: req.Logprobs, TopLogprobs: req.TopLogprobs, CacheSalt: req.CacheScope,
		Tier: string(request.TierOf(req.Weight)),
	}
	for i := range req.Prompt {
		t.Prompt += req.Prompt[i].Text
		t.Tokens = append(t.Tokens, req.Prompt[i].Tokens...)
	}
	stream, err := e.cluster.Open(ctx, &upstream.Call{
		Key: t.Prompt[:min(len(t.Prompt), textKey)], Path: pathTexts, Header: map[string][]string{"X-Request-Id": {req.ID}},
		Body: func(d *dialect.Dialect, model string) ([]byte, error) {
			own := t
			own.Model = model
			return d.Text(&own)
		},
	})
	if err != nil {
		return nil, explain(err, "prompt")
	}
	return &textStream{
		upstream: stream, req: req, text: answer.New(answer.Options{Stop: req.Stop}), context: e.info().ContextSize,
		meter: meter{guess: guess(req.Prompt), knows: stream.Dialect().Can.Verifies},
	}, nil
}

const (
	pathChats = "/v1/chat/completions"
	pathTexts = "/v1/completions"
	// textKey is how much of a text's beginning says which server it goes to, in bytes.
	textKey = 256
)

// textStream is the continuation of a text.
type textStream struct {
	upstream *upstream.Stream
	req      *engine.Request
	text     *answer.Text
	meter    meter
	context  int // of the weights, in tokens
	started  bool
	over     bool
}

var _ engine.Stream = (*textStream)(nil)

// maxTokens is how long the text may get.
func (s *textStream) maxTokens() int {
	return room(s.req.MaxTokens, s.upstream.Most(), s.context-s.meter.promptTokens())
}

// Next gives Start first, then texts, then the result.
func (s *textStream) Next() (engine.Event, error) {
	if s.over {
		return engine.Event{}, io.EOF
	}
	if !s.started {
		s.started = true
		s.meter.look(s.upstream)
		return engine.Event{Start: &engine.Start{Usage: s.meter.usage(), MaxTokens: s.maxTokens()}}, nil
	}
	finish := ""
	for {
		d, err := s.upstream.Next()
		if err == io.EOF { //nolint:errorlint // it is never wrapped
			return s.end(finish), nil
		}
		if err != nil {
			s.over = true
			return engine.Event{}, explain(err, "prompt")
		}
		s.meter.add(&d, false)
		if d.Finish != "" {
			finish = d.Finish
		}
		ev := engine.Event{Text: s.text.Add([]byte(d.Text)), Tokens: wanted(s.req.Logprobs, d.Tokens)}
		switch {
		case s.text.Stopped() != "":
			last := s.end("stop")
			last.Text, last.Tokens = ev.Text, ev.Tokens
			return last, nil
		case ev.Text != "" || ev.Tokens != nil:
			ev.Usage = s.running()
			return ev, nil
		}
	}
}

func (s *textStream) end(finish string) engine.Event {
	s.over = true
	text := s.text.Close()
	return engine.Event{Text: text, Usage: s.running(), Result: &engine.Result{
		FinishReason: finishOf(finish), StopString: s.text.Stopped(), Usage: s.meter.usage(),
	}}
}

func (s *textStream) running() *engine.Usage {
	if !s.req.RunningUsage {
		return nil
	}
	u := s.meter.usage()
	return &u
}

// Close ends the stream at its server.
func (s *textStream) Close() error {
	s.upstream.Close()
	return nil
}

func wanted(asked bool, tokens []engine.Token) []engine.Token {
	if !asked {
		return nil
	}
	return tokens
}

// finishOf is a server's reason in this daemon's words.
func finishOf(reason string) engine.FinishReason {
	if reason == "length" {
		return engine.FinishLength
	}
	return engine.FinishStop
}
