package compute

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/schedule"
	"github.com/qwenvld/qwenvld/internal/testkit"
)

// slowConstraint allows any letter and ends after some tokens. Each one takes until gate gives way.
type slowConstraint struct {
	gate chan struct{}
	left int
	fail error
}

func (f *slowConstraint) Allowed() []uint64      { return []uint64{1<<vocabShown - 1} }
func (f *slowConstraint) MayEnd() bool           { return f.left == 0 }
func (f *slowConstraint) MustEnd() bool          { return f.left == 0 }
func (f *slowConstraint) Follows([]int32) int    { return 0 }
func (f *slowConstraint) AcceptKnown(int32) bool { return false }
func (f *slowConstraint) Accept(int32) error {
	<-f.gate
	f.left--
	return f.fail
}

const vocabShown = 52 // tokens that are letters

func constrained(maxTokens int, c Constraint) Spec {
	s := spec(maxTokens, text(1, 2, 3))
	s.Constraint = c
	return s
}

// A constraint that is slow to take a token in holds up its own answer and no other.
func TestOthersGoOnWhileAConstraintIsSlow(t *testing.T) {
	l := start(t, newFakeModel(t, 1000), nil, Options{})
	want := do(t, l, spec(60, text(1, 2)))
	held := &slowConstraint{gate: make(chan struct{}), left: 5}
	slow, err := l.Submit(t.Context(), constrained(50, held))
	if err != nil {
		t.Fatal(err)
	}
	if got := do(t, l, spec(60, text(1, 2))); got.err != nil || got.text != want.text {
		t.Errorf("beside a slow constraint: %+v, alone %+v", got, want)
	}
	close(held.gate)
	got := read(slow)
	if got.err != nil || got.result.FinishReason != engine.FinishStop || got.result.Usage.CompletionTokens != 5 || len(got.text) != 5 {
		t.Errorf("the slow one: %+v %+v", got, got.result)
	}
}

func TestAConstraintThatFailsEndsItsAnswerAlone(t *testing.T) {
	l := start(t, newFakeModel(t, 1000), nil, Options{})
	gate := make(chan struct{})
	close(gate)
	hostile, err := l.Submit(t.Context(), constrained(50, &slowConstraint{gate: gate, left: 5, fail: errors.New("too much")}))
	if err != nil {
		t.Fatal(err)
	}
	other := do(t, l, spec(60, text(1, 2)))
	var refused *engine.RequestError
	if got := read(hostile); !errors.As(got.err, &refused) || refused.Field != "constraint" {
		t.Errorf("%+v", got)
	}
	if other.err != nil || len(other.text) != 60 {
		t.Errorf("the other: %+v", other)
	}
}

func TestAnAnswerThatWaitsForItsMaskCanBeGivenUp(t *testing.T) {
	l := start(t, newFakeModel(t, 1000), nil, Options{Limits: schedule.Limits{Sequences: 1}})
	held := &slowConstraint{gate: make(chan struct{}), left: 5}
	ctx, cancel := context.WithCancel(t.Context())
	j, err := l.Submit(ctx, constrained(50, held))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := j.Events(t.Context()); err != nil {
		t.Fatal(err)
	}
	cancel()
	if got := do(t, l, spec(9, text(1))); got.err != nil || len(got.text) != 9 {
		t.Errorf("the next: %+v", got)
	}
	close(held.gate)
}

func TestAnAnswerThatOnlyRepeatsItselfEnds(t *testing.T) {
	for name, c := range map[string]struct {
		may  bool
		want bool
	}{"ended": {false, true}, "asked to go on": {true, false}} {
		m := newFakeModel(t, 6000)
		m.script = func(_ int32, rows int) (int32, bool) { return int32(rows % 64 % 53), true } // a paragraph for ever
		s := spec(1300, text(1, 2))
		s.MayRepeat = c.may
		got := do(t, start(t, m, nil, Options{}), s)
		if got.err != nil || got.result.Repetition != c.want || got.result.FinishReason != engine.FinishLength ||
			(got.result.Usage.CompletionTokens < 1200) != c.want {
			t.Errorf("%s: %+v", name, got.result)
		}
	}
}

// A sequence that is preempted while its mask is built goes on with it when it comes back.
func TestPreemptionDoesNotLoseAMask(t *testing.T) {
	var lines testkit.Buffer
	logger := slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	encoder := &fakeEncoder{t: t, gate: make(chan struct{})}
	l := start(t, newFakeModel(t, 70), encoder, Options{Logger: logger})
	opened := make(chan struct{})
	close(opened)
	want := do(t, l, constrained(50, &slowConstraint{gate: opened, left: 20}))
	older, err := l.Submit(t.Context(), spec(60, picture(1, 1, 1), text(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the encode of the older", func() bool { return encoder.begun.Load() == 1 }) // it has its cells
	slow := &slowConstraint{gate: make(chan struct{}), left: 20}
	younger, err := l.Submit(t.Context(), constrained(50, slow))
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		slow.gate <- struct{}{}
	}
	close(encoder.gate) // now the older one fills the cache
	if got := read(older); got.err != nil || len(got.text) != 60 {
		t.Errorf("the older: %+v", got)
	}
	close(slow.gate)
	if got := read(younger); got.err != nil || got.text != want.text || *got.result != *want.result {
		t.Errorf("the younger: %+v, alone %+v", got, want)
	}
	if n := strings.Count(lines.String(), "preempted"); n != 1 {
		t.Errorf("%d preemptions", n)
	}
}
