package enginetest

import (
	"errors"
	"io"
	"testing"

	"go.uber.org/goleak"

	"github.com/qwenvld/qwenvld/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func model() engine.Info {
	return engine.Info{
		Name: "fake", ContextSize: 256, MaxSequences: 3, VocabSize: 256, Vision: &engine.VisionInfo{PatchSize: 16, MergeSize: 2},
	}
}

func TestFakeWithoutAScriptConforms(t *testing.T) {
	f := &Fake{Model: model()}
	Run(t, f)
	if f.Open() != 0 || f.MostOpen() < 1 || len(f.Asked()) == 0 {
		t.Errorf("%d open, %d at most, %d asked", f.Open(), f.MostOpen(), len(f.Asked()))
	}
}

func TestFakeOfATextModelConforms(t *testing.T) {
	m := model()
	m.Vision = nil
	Run(t, &Fake{Model: m})
}

func TestFakePlaysItsScriptWhateverIsAsked(t *testing.T) {
	closed := make(chan struct{})
	broken := errors.New("broken")
	f := &Fake{Model: model(), Events: []engine.Event{{Text: "a"}, {}, {Text: "b"}}, Fail: broken, Closed: closed}
	stream, err := f.Generate(t.Context(), &engine.Request{RunningUsage: true})
	if err != nil {
		t.Fatal(err)
	}
	if ev, err := stream.Next(); err != nil || ev.Start == nil || ev.Usage != nil {
		t.Errorf("%+v, %v", ev, err)
	}
	for i, want := range []int{1, 1, 2} {
		if ev, err := stream.Next(); err != nil || ev.Usage.CompletionTokens != want {
			t.Errorf("event %d: %+v, %v", i, ev, err)
		}
	}
	for range 2 {
		if _, err := stream.Next(); !errors.Is(err, broken) {
			t.Errorf("at the end: %v", err)
		}
	}
	_ = stream.Close()
	<-closed
}

func TestFakeHoldsEventsBack(t *testing.T) {
	f := &Fake{Model: model(), Events: []engine.Event{{Result: &engine.Result{}}}, Hold: make(chan struct{}, 2)}
	stream, err := f.Generate(t.Context(), &engine.Request{})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if _, err := stream.Next(); err != nil {
		t.Fatal(err)
	}
	f.Hold <- struct{}{}
	if ev, err := stream.Next(); err != nil || ev.Result == nil || len(f.Hold) != 0 {
		t.Errorf("%+v, %v", ev, err)
	}
	f.Hold <- struct{}{}
	if _, err := stream.Next(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func TestFakeThatIsDownAnswersNothing(t *testing.T) {
	f := &Fake{Model: model(), Down: true}
	_, info := f.Info(t.Context())
	_, generate := f.Generate(t.Context(), bound("yes"))
	_, tokenize := f.Tokenize(t.Context(), nil)
	_, bytes := f.TokenBytes(t.Context(), nil)
	for i, err := range []error{info, generate, tokenize, bytes} {
		if !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("method %d: %v", i, err)
		}
	}
}
