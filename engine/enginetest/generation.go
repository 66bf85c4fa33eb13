package enginetest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
)

func (s *subject) length(t *testing.T) {
	req := question()
	for _, n := range []int{1, 12} {
		req.MaxTokens = n
		if got := s.ask(t, req); got.start.MaxTokens != n {
			t.Errorf("asked for %d tokens, it may give %d", n, got.start.MaxTokens)
		}
	}
	for _, n := range []int{0, 10 * s.info.ContextSize} {
		req := bound("yes")
		req.MaxTokens = n
		got := s.ask(t, req)
		if rest := s.info.ContextSize - got.start.Usage.PromptTokens; got.start.MaxTokens != rest {
			t.Errorf("asked for %d tokens, it may give %d of the %d that are left", n, got.start.MaxTokens, rest)
		}
	}
}

func (s *subject) runningUsage(t *testing.T) {
	req := question()
	req.MaxTokens, req.RunningUsage = 12, true
	s.ask(t, req)
}

func (s *subject) constraint(t *testing.T) {
	const want = "Ω is 4"
	got := s.ask(t, bound(want))
	if got.text != want || got.result.FinishReason != engine.FinishStop || got.result.Usage.CompletionTokens == 0 {
		t.Errorf("%q, %+v", got.text, got.result)
	}
	req := bound(strings.Repeat("long ", 20))
	req.MaxTokens = 3
	if got := s.ask(t, req); got.result.FinishReason != engine.FinishLength || !strings.HasPrefix(req.Constraint.Text, got.text) {
		t.Errorf("%q, %+v", got.text, got.result)
	}
}

func (s *subject) stop(t *testing.T) {
	req := bound("alpha beta gamma")
	req.Stop = []string{"delta", "gam", "a gamma", "ta"}
	got := s.ask(t, req)
	if got.text != "alpha be" || got.result.StopString != "ta" || got.result.FinishReason != engine.FinishStop {
		t.Errorf("%q, %+v", got.text, got.result)
	}
	req.Stop = []string{"gamma ray"}
	if got := s.ask(t, req); got.text != "alpha beta gamma" || got.result.StopString != "" {
		t.Errorf("without a match: %q, %+v", got.text, got.result)
	}
}

func (s *subject) logprobs(t *testing.T) {
	const want, top = "four 漢", 3
	req := bound(want)
	req.Logprobs, req.TopLogprobs = true, top
	got := s.ask(t, req)
	var said []byte
	for _, token := range got.tokens {
		said = append(said, token.Bytes...)
		if token.Logprob > 0 || len(token.Top) != top {
			t.Errorf("%+v", token)
		}
		for i := 1; i < len(token.Top); i++ {
			if token.Top[i].Logprob > token.Top[i-1].Logprob {
				t.Errorf("alternatives are not in order: %+v", token.Top)
			}
		}
	}
	if string(said) != want || len(got.tokens) != got.result.Usage.CompletionTokens {
		t.Errorf("%d tokens say %q, %+v", len(got.tokens), said, got.result.Usage)
	}
}

func (s *subject) firstLogprobs(t *testing.T) {
	req := bound("one two three four five six seven")
	req.FirstTokens, req.FirstTop = 2, 4
	got := s.ask(t, req)
	if len(got.tokens) != 2 || len(got.tokens[0].Top) != 4 || len(got.tokens[1].Top) != 4 {
		t.Errorf("%+v", got.tokens)
	}
}

const endTag = "</think>"

// thoughtful is a question whose prompt ends inside a think block, and whose answer is "yes".
func thoughtful() *engine.Request {
	req := bound("yes", engine.Piece{Kind: engine.PieceControl, Text: "<think>\n"})
	req.MaxTokens = 90
	const closing = "\n" + endTag + "\n\n"
	req.Thinking = engine.Thinking{Open: true, Budget: 4, CloseText: closing, EmptyText: closing, EndTag: endTag}
	return req
}

func (s *subject) thinkBlock(t *testing.T) {
	got := s.ask(t, thoughtful())
	if !got.start.ThinkOpen || got.start.ThinkingBudget < 1 || got.start.ThinkingBudget > 4 {
		t.Errorf("%+v", got.start)
	}
	if strings.Count(got.text, endTag) != 1 || !strings.HasSuffix(got.text, "yes") || got.result.Usage.ReasoningTokens == 0 ||
		got.result.ThinkingClosedBy == "" {
		t.Errorf("%q, %+v", got.text, got.result)
	}
}

// hurriedThinkBlock holds an engine to Thinking.Now: the block is closed once, however soon, and an answer follows.
func (s *subject) hurriedThinkBlock(t *testing.T) {
	req := thoughtful()
	req.MaxTokens, req.Thinking.Budget = 0, 0
	now := make(chan struct{})
	close(now)
	req.Thinking.Now = now
	got := s.ask(t, req)
	if strings.Count(got.text, endTag) != 1 || !strings.HasSuffix(got.text, "yes") {
		t.Errorf("%q, %+v", got.text, got.result)
	}
	if got.result.ThinkingClosedBy == "" || got.result.Usage.ReasoningTokens == 0 {
		t.Errorf("%+v", got.result)
	}
}

func (s *subject) emptyThinkBlock(t *testing.T) {
	unwanted, cramped := thoughtful(), thoughtful()
	unwanted.Thinking.Empty = true
	cramped.MaxTokens = 5
	for name, req := range map[string]*engine.Request{"unwanted": unwanted, "no room": cramped} {
		got := s.ask(t, req)
		if got.start.ThinkOpen || got.text != "yes" || got.result.Usage.ReasoningTokens != 0 || got.result.ThinkingClosedBy != "" {
			t.Errorf("%s: %+v, %q, %+v", name, got.start, got.text, got.result)
		}
	}
}

func (s *subject) cancelled(t *testing.T) {
	for range s.info.MaxSequences + 1 {
		ctx, cancel, cause := cancellable(t)
		stream, err := s.Generate(ctx, question())
		if err != nil {
			t.Fatal(err)
		}
		_, err = stream.Next()
		cancel()
		complete := false
		for err == nil {
			var ev engine.Event
			ev, err = stream.Next()
			complete = complete || ev.Result != nil
		}
		// It may have been at its end before.
		if !errors.Is(err, cause) && !(complete && errors.Is(err, io.EOF)) {
			t.Errorf("it ended with %v", err)
		}
		if err := stream.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if stream, err := s.Generate(ctx, question()); err == nil {
			_ = stream.Close()
			t.Error("it takes a request that nobody waits for")
		} else if !errors.Is(err, cause) {
			t.Errorf("a request that nobody waits for is refused with %v", err)
		}
	}
	if got := s.ask(t, bound("yes")); got.text != "yes" {
		t.Errorf("afterwards: %q", got.text)
	}
}

func (s *subject) closed(t *testing.T) {
	for range s.info.MaxSequences + 1 {
		stream, err := s.Generate(t.Context(), question())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Next(); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := stream.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
	}
	if got := s.ask(t, bound("yes")); got.text != "yes" {
		t.Errorf("afterwards: %q", got.text)
	}
}

// together has more requests than sequences each get its own answer.
func (s *subject) together(t *testing.T) {
	var all sync.WaitGroup
	for i := range 2*s.info.MaxSequences + 1 {
		all.Go(func() {
			want := fmt.Sprintf("answer %d", i)
			stream, err := s.Generate(t.Context(), bound(want))
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = stream.Close() }()
			if got, err := read(stream, bound(want)); err != nil || got.text != want {
				t.Errorf("%q, %v, want %q", got.text, err, want)
			}
		})
	}
	all.Wait()
}

// shown is a question about a picture of two tokens, with the answer "yes".
func (s *subject) shown(late *engine.Pixels) *engine.Request {
	edge := s.info.Vision.PatchSize * s.info.Vision.MergeSize
	req := bound("yes", engine.Piece{Kind: engine.PieceImage, Image: 0})
	img := engine.Image{Width: 2 * edge, Height: edge, Later: late}
	if late == nil {
		img.RGB = make([]byte, img.Size())
	}
	req.Images = []engine.Image{img}
	return req
}

func (s *subject) image(t *testing.T) {
	without, with := s.ask(t, bound("yes")), s.ask(t, s.shown(nil))
	more := with.start.Usage.PromptTokens - without.start.Usage.PromptTokens
	if with.text != "yes" || more != 2 || with.start.Usage.ImageTokens != 2 {
		t.Errorf("%q, %d more tokens, %+v", with.text, more, with.start.Usage)
	}
}

func (s *subject) latePixels(t *testing.T) {
	late := engine.NewPixels()
	req := s.shown(late)
	var came atomic.Bool
	var decoding sync.WaitGroup
	decoding.Go(func() {
		// The engine has the time of another call to return too early.
		if _, err := s.Tokenize(t.Context(), req.Prompt[:1]); err != nil {
			t.Error(err)
		}
		came.Store(true)
		late.Set(make([]byte, req.Images[0].Size()), nil)
	})
	defer decoding.Wait()
	stream, err := s.Generate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	if !came.Load() {
		t.Error("it returned before the pixels had come")
	}
	if got, err := read(stream, req); err != nil || got.text != "yes" {
		t.Errorf("%q, %v", got.text, err)
	}
}

func (s *subject) failedPixels(t *testing.T) {
	late, broken := engine.NewPixels(), sentinel("the video is broken")
	late.Set(nil, broken)
	if err := s.refusal(t, s.shown(late)); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

func (s *subject) abandonedPixels(t *testing.T) {
	ctx, cancel, cause := cancellable(t)
	defer cancel()
	var leaving sync.WaitGroup
	leaving.Go(func() {
		if _, err := s.Tokenize(t.Context(), question().Prompt[:1]); err != nil {
			t.Error(err)
		}
		cancel()
	})
	defer leaving.Wait()
	if _, err := s.Generate(ctx, s.shown(engine.NewPixels())); !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
}
