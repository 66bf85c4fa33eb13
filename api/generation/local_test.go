package generation

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/media"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/enginetest"
	"github.com/qwenvld/qwenvld/router"
)

// onePixel is a picture of one pixel, in a format that is decoded without much ado.
const onePixel = "data:image/gif;base64,R0lGODdhAQABAIAAAP///////ywAAAAAAQABAAACAkQBADs="

// newLocal is a core with engines, and the engine that answers as instruct.
func newLocal(t *testing.T, edit func(*Options)) (*bench, *enginetest.Fake) {
	t.Helper()
	b := &bench{}
	b.Core = newCore(t, plainly, b, edit)
	t.Cleanup(func() {
		if b.InFlight() != 0 {
			t.Errorf("%d are in flight", b.InFlight())
		}
	})
	return b, b.catalog.pairs[0].backends[router.Instruct].(*Local).engine.(*enginetest.Fake)
}

func (b *bench) decide(t *testing.T, req *request.Request) *Decided {
	t.Helper()
	d, err := b.Decide(t.Context(), req, &Caller{ID: "1"})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const rendered = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"

func TestPromptsAreCounted(t *testing.T) {
	b, eng := newLocal(t, func(o *Options) {
		oneAtATime(o)
		o.Media = media.New(media.Options{})
	})
	for range 2 { // a place that was kept would be missed
		n, err := b.Count(t.Context(), b.decide(t, question()))
		if err != nil || n.InputTokens != len(rendered) || n.ImageTokens+n.VideoTokens+len(n.Images)+len(n.Videos) > 0 {
			t.Fatalf("%+v, %v", n, err)
		}
		tokens, err := b.PromptTokens(t.Context(), b.decide(t, question()), true)
		if err != nil || len(tokens.IDs) != len(rendered) || string(tokens.Bytes[0]) != "<" || tokens.ContextSize != 4096 {
			t.Fatalf("%+v, %v", tokens, err)
		}
		text, err := b.TextTokens(t.Context(), &Caller{}, "m", "abc", true, false)
		if err != nil || len(text.IDs) != 3 || text.Bytes != nil {
			t.Fatalf("%+v, %v", text, err)
		}
		pieces, err := b.TokenBytes(t.Context(), &Caller{}, "m-thinking", []int32{'a', 'b'})
		if err != nil || string(pieces[0])+string(pieces[1]) != "ab" {
			t.Fatalf("%q, %v", pieces, err)
		}
		if d, err := b.Route(t.Context(), question(), &Caller{}); err != nil || d.Variant() != "instruct" || d.Tokens() != 0 {
			t.Fatalf("%+v, %v", d, err)
		}
	}
	seeing := question()
	image := &request.Image{Path: "messages[0].content[0]", URL: onePixel}
	seeing.Images, seeing.Messages[0] = []*request.Image{image}, request.Message{Role: request.RoleUser, Parts: []request.Part{{Image: image}}}
	var refused *fault.Error
	if _, err := b.Count(t.Context(), b.decide(t, seeing)); !errors.As(err, &refused) || refused.Param != image.Path {
		t.Errorf("weights that do not see: %v", err)
	}
	eng.Model.Vision = &engine.VisionInfo{PatchSize: 16, MergeSize: 2, MinPixels: 1024, MaxPixels: 262144}
	n, err := b.Count(t.Context(), b.decide(t, seeing))
	if err != nil || n.ImageTokens != 1 || n.InputTokens <= 1 {
		t.Errorf("%+v, %v", n, err)
	}
	eng.TextError = engine.ErrOverloaded
	for name, count := range map[string]func() error{
		"count":  func() error { _, err := b.Count(t.Context(), b.decide(t, question())); return err },
		"prompt": func() error { _, err := b.PromptTokens(t.Context(), b.decide(t, question()), false); return err },
		"text":   func() error { _, err := b.TextTokens(t.Context(), &Caller{}, "", "abc", false, false); return err },
		"bytes":  func() error { _, err := b.TokenBytes(t.Context(), &Caller{}, "", nil); return err },
		"echo": func() error {
			_, _, err := b.StartText(t.Context(), &request.Request{}, []TextPrompt{{Tokens: []int32{'a'}}}, true, &Caller{})
			return err
		},
	} {
		if err := count(); !errors.Is(err, engine.ErrOverloaded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.Drain()
	if _, err := b.Count(t.Context(), b.decide(t, question())); !errors.As(err, &refused) || refused.Code != fault.CodeShuttingDown {
		t.Errorf("while draining: %v", err)
	}
}

func TestWhatAnEngineIsAsked(t *testing.T) {
	b, eng := newLocal(t, nil)
	eng.Events = []engine.Event{{Text: "Hello"}, {Result: &engine.Result{FinishReason: engine.FinishStop}}}
	req := question()
	seed, most := int64(5), 9
	req.Choices, req.Sampling.Seed, req.MaxTokens, req.Stop, req.Logprobs, req.TopLogprobs = 3, &seed, &most, []string{"x"}, true, 2
	if _, _, err := b.answer(t, req); err != nil {
		t.Fatal(err)
	}
	ids, seeds := map[string]bool{}, map[uint64]bool{}
	for _, r := range eng.Asked() {
		ids[r.ID], seeds[*r.Sampling.Seed] = true, true
		var text strings.Builder
		for _, p := range r.Prompt {
			text.WriteString(p.Text)
		}
		if text.String() != rendered || r.MaxTokens != 9 || !cmp.Equal(r.Stop, req.Stop) || !r.Logprobs || r.TopLogprobs != 2 || r.FirstTop != 0 {
			t.Errorf("%+v", r)
		}
	}
	if !cmp.Equal(ids, map[string]bool{"1": true, "1-1": true, "1-2": true}) || !cmp.Equal(seeds, map[uint64]bool{5: true, 6: true, 7: true}) {
		t.Errorf("ids %v, seeds %v", ids, seeds)
	}
	if n := eng.Open(); n != 0 {
		t.Errorf("%d streams are open", n)
	}
}

func TestRequestsThatTheWeightsCannotAnswerAreRefused(t *testing.T) {
	image := &request.Image{Path: "messages[0].content[0]", URL: onePixel}
	for name, c := range map[string]struct {
		edit  func(*request.Request)
		param string
	}{
		"no such token": {func(r *request.Request) { r.Sampling.LogitBias = map[int32]float64{256: 1} }, "logit_bias"},
		"no eyes":       {func(r *request.Request) { r.Images = []*request.Image{image} }, image.Path},
	} {
		b, _ := newLocal(t, oneAtATime)
		req := question()
		c.edit(req)
		var e *fault.Error
		if _, err := b.Start(t.Context(), b.decide(t, req)); !errors.As(err, &e) || e.Param != c.param || e.Status != 400 {
			t.Errorf("%s: %v", name, err)
		}
	}
	b, _ := newLocal(t, nil)
	req := &request.Request{Sampling: request.Sampling{LogitBias: map[int32]float64{256: 1}}}
	if _, _, err := b.StartText(t.Context(), req, []TextPrompt{{Text: "a"}}, false, &Caller{}); err == nil {
		t.Error("a text was continued with a bias of no token")
	}
	if _, _, err := b.StartText(t.Context(), &request.Request{Model: "other"}, nil, false, &Caller{}); err == nil {
		t.Error("a model answered that is not there")
	}
}

func TestPromptsAreEchoedAndCountedWithoutAnAnswer(t *testing.T) {
	b, eng := newLocal(t, oneAtATime)
	none := 0
	prompts := []TextPrompt{{Text: "abc"}, {Tokens: []int32{'d', 0xc3}}}
	for range 2 {
		run, texts, err := b.StartText(t.Context(), &request.Request{MaxTokens: &none, Choices: 2}, prompts, true, &Caller{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"abc", "d\uFFFD"}, texts); diff != "" {
			t.Error(diff)
		}
		if run.Ready() {
			t.Error("what is not counted yet is ready")
		}
		whole, err := Collect(run)
		run.Close()
		if err != nil || len(whole.Answers) != 4 || whole.Usage != (engine.Usage{PromptTokens: 5}) {
			t.Fatalf("%+v, %v", whole, err)
		}
		for _, a := range whole.Answers {
			if a.Ending.Finish != engine.FinishLength || len(a.Blocks) != 0 || a.Routing.MaxTokens != 0 {
				t.Errorf("%+v", a)
			}
		}
	}
	if eng.Last() != nil {
		t.Error("the engine was asked for an answer")
	}
	eng.TextError = engine.ErrOverloaded
	run, _, err := b.StartText(t.Context(), &request.Request{MaxTokens: &none}, prompts[:1], false, &Caller{})
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	if _, err := Collect(run); !errors.Is(err, engine.ErrOverloaded) {
		t.Error(err)
	}
}

// A text is continued by instruct, unless the client names thinking or nothing else is loaded.
func TestWhoContinuesATextIsNotRouted(t *testing.T) {
	for name, c := range map[string]struct {
		model string
		edit  func(*bench)
		want  string
	}{
		"nobody named":      {"", func(*bench) {}, "m-instruct"},
		"thinking named":    {"m-thinking", func(*bench) {}, "m-thinking"},
		"instruct is down":  {"m", func(b *bench) { b.instruct.down = engine.ErrUnavailable }, "m-thinking"},
		"the named is down": {"m-instruct", func(b *bench) { b.instruct.down = engine.ErrUnavailable }, ""},
	} {
		b := newBench(t, plainly, nil)
		c.edit(b)
		run, _, err := b.StartText(t.Context(), &request.Request{Model: c.model}, []TextPrompt{{Text: "a"}}, false, &Caller{})
		var e *fault.Error
		if c.want == "" {
			if !errors.As(err, &e) || e.Code != fault.CodeModelNotLoaded {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := run.Decided().ModelID(); got != c.want || b.conversations.modes.Len() != 0 {
			t.Errorf("%s: %s", name, got)
		}
		run.Close()
	}
}

func TestAnswersGoOnFromWhereTheClientBeganThem(t *testing.T) {
	for name, c := range map[string]struct {
		variant router.Variant
		last    request.Message
		newTurn bool
		end     string
	}{
		"text":           {router.Instruct, request.Message{IsText: true, Text: "It"}, false, "assistant\nIt"},
		"thoughts alone": {router.Instruct, request.Message{IsText: true, Reasoning: new("hm")}, false, "<|im_start|>assistant\n"},
		"thought about":  {router.Thinking, request.Message{IsText: true, Text: "It", Reasoning: new("hm")}, false, "<think>\nhm\n</think>\n\nIt"},
		"still thinking": {router.Thinking, request.Message{IsText: true, Reasoning: new("hm")}, false, "<think>\nhm"},
		"a new turn":     {router.Instruct, request.Message{IsText: true, Text: "It"}, true, "It<|im_end|>\n<|im_start|>assistant\n"},
	} {
		b := &bench{}
		b.Core = newCore(t, decided{Variant: c.variant}, b, nil)
		req := question()
		c.last.Role = request.RoleAssistant
		req.Messages, req.NewTurn = append(req.Messages, c.last), c.newTurn
		tokens, err := b.PromptTokens(t.Context(), b.decide(t, req), false)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		for _, id := range tokens.IDs {
			text.WriteByte(byte(id))
		}
		if !strings.HasSuffix(text.String(), c.end) {
			t.Errorf("%s: %q", name, text.String())
		}
	}
}
