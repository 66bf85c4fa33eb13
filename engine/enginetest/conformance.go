package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/qwenvld/qwenvld/engine"
)

// Run tests of an engine what package engine promises. The engine is ready, asked by nobody else, and its context has
// at least leastContext tokens.
func Run(t *testing.T, e engine.Engine) {
	t.Helper()
	info, err := e.Info(t.Context())
	if err != nil {
		t.Fatalf("it is not ready: %v", err)
	}
	s := &subject{Engine: e, info: info}
	t.Run("Info", s.describesItself)
	t.Run("Tokens", s.tokens)
	t.Run("TokensRefused", s.refusesTokens)
	t.Run("Length", s.length)
	t.Run("RunningUsage", s.runningUsage)
	t.Run("Constraint", s.constraint)
	t.Run("Stop", s.stop)
	t.Run("Logprobs", s.logprobs)
	t.Run("FirstLogprobs", s.firstLogprobs)
	t.Run("ThinkBlock", s.thinkBlock)
	t.Run("ThinkBlockOfNoPatience", s.hurriedThinkBlock)
	t.Run("EmptyThinkBlock", s.emptyThinkBlock)
	t.Run("Cancelled", s.cancelled)
	t.Run("Closed", s.closed)
	t.Run("Together", s.together)
	t.Run("Refused", s.refuses)
	if info.Vision == nil {
		return
	}
	t.Run("Image", s.image)
	t.Run("LatePixels", s.latePixels)
	t.Run("FailedPixels", s.failedPixels)
	t.Run("AbandonedPixels", s.abandonedPixels)
}

const leastContext = 128

// subject is an engine under test.
type subject struct {
	engine.Engine

	info engine.Info
}

// question is a request with a prompt that any model takes.
func question(more ...engine.Piece) *engine.Request {
	prompt := append([]engine.Piece{{Kind: engine.PieceText, Text: "What is two "}, {Kind: engine.PieceText, Text: "and two?"}}, more...)
	return &engine.Request{ID: "question", Prompt: prompt}
}

// bound is a question whose answer is a text.
func bound(answer string, more ...engine.Piece) *engine.Request {
	req := question(more...)
	req.Constraint = &engine.Constraint{Text: answer}
	return req
}

// answer is a stream that was read to its end.
type answer struct {
	start  engine.Start
	text   string
	tokens []engine.Token
	result engine.Result
}

// ask reads the answer to req, and fails the test where the stream is not as it must be whatever was asked.
func (s *subject) ask(t *testing.T, req *engine.Request) answer {
	t.Helper()
	stream, err := s.Generate(t.Context(), req)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	defer func() {
		if err := stream.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	a, err := read(stream, req)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if ev, err := stream.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("after the result: %+v, %v", ev, err)
		}
	}
	return a
}

// read reads a stream up to its result.
func read(stream engine.Stream, req *engine.Request) (a answer, err error) {
	first, err := stream.Next()
	if err != nil {
		return a, fmt.Errorf("the first event: %w", err)
	}
	if first.Start == nil || first.Text != "" || first.Tokens != nil || first.Usage != nil || first.Result != nil {
		return a, fmt.Errorf("the first event is %+v, want Start and nothing else", first)
	}
	a.start = *first.Start
	var text strings.Builder
	for used := a.start.Usage; ; {
		ev, err := stream.Next()
		if err != nil {
			return a, fmt.Errorf("after %q: %w", text.String(), err)
		}
		if err := checkEvent(&ev, req, &used); err != nil {
			return a, err
		}
		text.WriteString(ev.Text)
		a.tokens = append(a.tokens, ev.Tokens...)
		if ev.Result != nil {
			a.text, a.result = text.String(), *ev.Result
			return a, checkResult(&a)
		}
	}
}

func checkEvent(ev *engine.Event, req *engine.Request, used *engine.Usage) error {
	switch {
	case ev.Start != nil:
		return errors.New("a second Start")
	case !utf8.ValidString(ev.Text):
		return fmt.Errorf("%q is no UTF-8", ev.Text)
	case (ev.Usage != nil) != req.RunningUsage:
		return fmt.Errorf("usage %+v, asked for: %v", ev.Usage, req.RunningUsage)
	case len(ev.Tokens) > 0 && !req.Logprobs && req.FirstTokens == 0:
		return fmt.Errorf("%d tokens that nobody asked for", len(ev.Tokens))
	}
	if ev.Usage != nil {
		if ev.Usage.CompletionTokens < used.CompletionTokens {
			return fmt.Errorf("usage goes from %+v to %+v", *used, *ev.Usage)
		}
		*used = *ev.Usage
	}
	if ev.Usage != nil && ev.Result != nil && *ev.Usage != ev.Result.Usage {
		return fmt.Errorf("usage ends at %+v, the result has %+v", *ev.Usage, ev.Result.Usage)
	}
	return nil
}

func checkResult(a *answer) error {
	r, u := &a.result, a.result.Usage
	switch {
	case u.PromptTokens <= 0 || u.PromptTokens != a.start.Usage.PromptTokens:
		return fmt.Errorf("a prompt of %d tokens, at the start of %d", u.PromptTokens, a.start.Usage.PromptTokens)
	case u.CompletionTokens > a.start.MaxTokens || u.ReasoningTokens > u.CompletionTokens:
		return fmt.Errorf("usage %+v of at most %d tokens", u, a.start.MaxTokens)
	case r.FinishReason != engine.FinishStop && r.FinishReason != engine.FinishLength:
		return fmt.Errorf("it ends for the reason %q", r.FinishReason)
	case r.FinishReason == engine.FinishLength && !r.Repetition && u.CompletionTokens != a.start.MaxTokens:
		return fmt.Errorf("cut at %d of %d tokens", u.CompletionTokens, a.start.MaxTokens)
	case (r.StopString != "" || r.Repetition) && r.StopString != "" == r.Repetition:
		return fmt.Errorf("it ends for two reasons: %+v", r)
	}
	return nil
}

func (s *subject) describesItself(t *testing.T) {
	if s.info.Name == "" || s.info.ContextSize < leastContext || s.info.MaxSequences < 1 || s.info.VocabSize < 1 {
		t.Errorf("%+v", s.info)
	}
	if v := s.info.Vision; v != nil && (v.PatchSize < 1 || v.MergeSize < 1) {
		t.Errorf("%+v", v)
	}
}

func (s *subject) tokens(t *testing.T) {
	const said = "naïve 漢字 👍 <|im_end|>"
	whole, err := s.Tokenize(t.Context(), []engine.Piece{{Kind: engine.PieceText, Text: said}})
	if err != nil {
		t.Fatal(err)
	}
	const cutAt = len("naï")
	cut, err := s.Tokenize(t.Context(), []engine.Piece{
		{Kind: engine.PieceText, Text: said[:cutAt]}, {Kind: engine.PieceText, Text: said[cutAt:]},
	})
	if err != nil || !slices.Equal(whole, cut) {
		t.Errorf("in two pieces %v, %v, in one %v", cut, err, whole)
	}
	for _, token := range whole {
		if token < 0 || int(token) >= s.info.VocabSize {
			t.Errorf("token %d of a vocabulary of %d", token, s.info.VocabSize)
		}
	}
	parts, err := s.TokenBytes(t.Context(), whole)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(slices.Concat(parts...)); len(parts) != len(whole) || got != said {
		t.Errorf("%d parts %q of %d tokens", len(parts), got, len(whole))
	}
	if none, err := s.Tokenize(t.Context(), nil); err != nil || len(none) != 0 {
		t.Errorf("of nothing %v, %v", none, err)
	}
}

func (s *subject) refusesTokens(t *testing.T) {
	var field *engine.RequestError
	for _, id := range []int32{-1, int32(s.info.VocabSize)} {
		if got, err := s.TokenBytes(t.Context(), []int32{id}); !errors.As(err, &field) {
			t.Errorf("bytes of token %d: %q, %v", id, got, err)
		}
	}
	if got, err := s.Tokenize(t.Context(), []engine.Piece{{Kind: engine.PieceImage}}); !errors.As(err, &field) {
		t.Errorf("tokens of a picture: %v, %v", got, err)
	}
}

func (s *subject) refuses(t *testing.T) {
	text := []engine.Piece{{Kind: engine.PieceText, Text: "hello"}}
	for name, req := range map[string]engine.Request{
		"no prompt":          {},
		"video in a prompt":  {Prompt: []engine.Piece{{Kind: engine.PieceVideo}}},
		"missing picture":    {Prompt: []engine.Piece{{Kind: engine.PieceImage, Image: 1}}},
		"no such token":      {Prompt: []engine.Piece{{Kind: engine.PieceTokens, Tokens: []int32{int32(s.info.VocabSize)}}}},
		"negative length":    {Prompt: text, MaxTokens: -1},
		"bias of no token":   {Prompt: text, Sampling: engine.Sampling{LogitBias: map[int32]float64{int32(s.info.VocabSize): 1}}},
		"alternatives":       {Prompt: text, Logprobs: true, TopLogprobs: 21},
		"first alternatives": {Prompt: text, FirstTokens: 1, FirstTop: 21},
		"unclosed thoughts":  {Prompt: text, Thinking: engine.Thinking{Open: true}},
	} {
		t.Run(name, func(t *testing.T) {
			var field *engine.RequestError
			if err := s.refusal(t, &req); !errors.As(err, &field) || field.Field == "" || field.Message == "" {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("long prompt", func(t *testing.T) {
		for _, contexts := range []int{2, 50} {
			text := strings.Repeat("a b ", contexts*s.info.ContextSize)
			req := &engine.Request{Prompt: []engine.Piece{{Kind: engine.PieceText, Text: text}}}
			var length *engine.ContextLengthError
			if err := s.refusal(t, req); !errors.As(err, &length) || length.ContextSize != s.info.ContextSize || length.PromptTokens == 0 {
				t.Errorf("%d contexts: %v", contexts, err)
			}
		}
	})
	if got := s.ask(t, bound("yes")); got.text != "yes" {
		t.Errorf("after the refusals: %q", got.text)
	}
}

// refusal returns why req is refused.
func (s *subject) refusal(t *testing.T, req *engine.Request) error {
	t.Helper()
	stream, err := s.Generate(t.Context(), req)
	if err == nil {
		_ = stream.Close()
	}
	return err
}

// sentinel is an error of the test's own.
type sentinel string

func (e sentinel) Error() string { return string(e) }

// cancellable is a context that ends with a cause.
func cancellable(t *testing.T) (ctx context.Context, cancel func(), cause error) {
	t.Helper()
	cause = sentinel("the test has left")
	ctx, end := context.WithCancelCause(t.Context())
	return ctx, func() { end(cause) }, cause
}
