package remote

import (
	"context"
	"io"
	"slices"
	"strings"

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

// Tokenize asks a server. Special tokens are recognised in all of the text as soon as a part of it is the template's.
func (e *texts) Tokenize(ctx context.Context, pieces []engine.Piece) ([]int32, error) {
	if !e.cluster.Can().Tokenizes {
		return nil, &engine.RequestError{Field: "prompt", Message: "the servers of this model do not tell its tokens"}
	}
	var out []int32
	var text strings.Builder
	special := slices.ContainsFunc(pieces, func(p engine.Piece) bool { return p.Kind == engine.PieceControl })
	flush := func() error {
		if text.Len() == 0 {
			return nil
		}
		ids, err := e.tokenize(ctx, text.String(), special)
		text.Reset()
		out = append(out, ids...)
		return err
	}
	for i := range pieces {
		switch p := &pieces[i]; p.Kind {
		case engine.PieceTokens:
			if err := flush(); err != nil {
				return nil, err
			}
			out = append(out, p.Tokens...)
		case engine.PieceControl, engine.PieceText, engine.PieceImage, engine.PieceVideo:
			text.WriteString(p.Text)
		}
	}
	return out, flush()
}

func (e *texts) tokenize(ctx context.Context, text string, special bool) ([]int32, error) {
	data, d, err := e.cluster.Ask(ctx, func(d *dialect.Dialect) string { return d.Paths.Tokenize },
		func(d *dialect.Dialect, model string) ([]byte, error) { return d.Tokenize(model, text, special) })
	if err != nil {
		return nil, explain(err, "prompt")
	}
	return d.Tokens(data)
}

// bytesPerToken guesses the tokens of a text where nobody tells them.
const bytesPerToken = 3

// count is how many tokens a prompt is, by a guess where the servers do not tell.
func (e *texts) count(ctx context.Context, pieces []engine.Piece) (int, error) {
	if e.cluster.Can().Tokenizes {
		tokens, err := e.Tokenize(ctx, pieces)
		return len(tokens), err
	}
	return guess(pieces), nil
}

func guess(pieces []engine.Piece) int {
	n, tokens := 0, 0
	for i := range pieces {
		n += len(pieces[i].Text)
		tokens += len(pieces[i].Tokens)
	}
	return tokens + (n+bytesPerToken-1)/bytesPerToken
}

// maxTokenTexts bounds the tokens whose texts are asked for, each of which is a question.
const maxTokenTexts = 1024

// TokenBytes asks a server for each token by itself, since only so it is known which text is whose.
func (e *texts) TokenBytes(ctx context.Context, tokens []int32) ([][]byte, error) {
	if !e.cluster.Can().Tokenizes || len(tokens) > maxTokenTexts {
		return nil, &engine.RequestError{Field: "tokens", Message: "the servers of this model do not tell what so many tokens stand for"}
	}
	out := make([][]byte, len(tokens))
	for i := 0; i < len(tokens); {
		// A part of a character has no text: the tokens of one count together, as the first of them.
		const most = 8 // tokens of a character
		n := 1
		text, err := e.textOf(ctx, tokens[i:i+n])
		for err == nil && strings.Contains(text, replacement) && n < most && i+n < len(tokens) {
			n++
			text, err = e.textOf(ctx, tokens[i:i+n])
		}
		if err != nil {
			return nil, err
		}
		out[i] = []byte(text)
		i += n
	}
	return out, nil
}

const replacement = "\uFFFD"

func (e *texts) textOf(ctx context.Context, tokens []int32) (string, error) {
	data, d, err := e.cluster.Ask(ctx, func(d *dialect.Dialect) string { return d.Paths.Detokenize },
		func(d *dialect.Dialect, model string) ([]byte, error) { return d.Detokenize(model, tokens) })
	if err != nil {
		return "", explain(err, "tokens")
	}
	return d.DetokenizedText(data)
}

// Generate continues a text.
func (e *texts) Generate(ctx context.Context, req *engine.Request) (engine.Stream, error) {
	t := dialect.Text{
		ID: req.ID, Form: req.Constraint, MaxTokens: req.MaxTokens, Sampling: req.Sampling, MayRepeat: req.MayRepeat,
		Logprobs: req.Logprobs, TopLogprobs: req.TopLogprobs, CacheSalt: req.CacheScope,
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
		upstream: stream, req: req, text: answer.New(answer.Options{Stop: req.Stop}), meter: meter{guess: guess(req.Prompt)},
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
	started  bool
	over     bool
}

var _ engine.Stream = (*textStream)(nil)

// Next gives Start first, then texts, then the result.
func (s *textStream) Next() (engine.Event, error) {
	if s.over {
		return engine.Event{}, io.EOF
	}
	if !s.started {
		s.started = true
		s.meter.look(s.upstream)
		return engine.Event{Start: &engine.Start{Usage: s.meter.usage(), MaxTokens: s.req.MaxTokens}}, nil
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
