package generation

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// beginning is an answer whose first token has the probabilities that come in pairs with texts.
func beginning(pairs ...any) []standInEvent {
	token := engine.Token{ID: 1, Bytes: []byte(pairs[0].(string)), Logprob: math.Log(pairs[1].(float64))}
	for i := 0; i < len(pairs); i += 2 {
		token.Top = append(token.Top, engine.TopToken{ID: int32(i), Bytes: []byte(pairs[i].(string)), Logprob: math.Log(pairs[i+1].(float64))})
	}
	out := answered(pairs[0].(string), " it is")
	out[1].Tokens = []engine.Token{token}
	return out
}

// cut is an answer that was cut by length.
func cut(texts ...string) []standInEvent {
	out := answered(texts...)
	last := out[len(out)-1].Result
	last.FinishReason, last.Usage.CompletionTokens = engine.FinishLength, 9
	return out
}

// What is not chosen is closed, or was never prepared: the bench checks it.
func TestSecondLooks(t *testing.T) {
	sure, wavering := beginning("Red", 0.9, "Blue", 0.1), beginning("Red", 0.5, "Blue", 0.45)
	options, option := beginning("B", 0.6, "C", 0.4), beginning("B", 0.95, "C", 0.05)
	const escalated, back = "escalated to thinking: second_look", "escalated to instruct: second_look"
	for name, c := range map[string]struct {
		chosen router.Variant
		edit   func(*bench)
		want   string
		err    error
		notes  []string // between begin and settled
		reason string
	}{
		"instruct is sure": {
			router.Instruct, func(b *bench) { b.instruct.events = sure }, "Red it is", nil, nil, "second look: the beginning is clear",
		},
		"instruct wavers": {
			router.Instruct, func(b *bench) { b.instruct.events = wavering }, "42", nil,
			[]string{"abandoned 1 of instruct", escalated},
			"second look: token 1 is a close call",
		},
		"instruct says nothing": {
			router.Instruct, func(b *bench) { b.instruct.events = answered() }, "42", nil,
			[]string{"abandoned 0 of instruct", escalated},
			"second look: there is no answer",
		},
		"instruct breaks off at once": {
			router.Instruct, func(b *bench) { b.instruct.events, b.instruct.failed = nil, errBroken }, "", errBroken, nil, "",
		},
		"instruct breaks off later": {
			router.Instruct, func(b *bench) { b.instruct.events, b.instruct.failed = sure[:2], errBroken }, "", errBroken, nil, "",
		},
		"thinking cannot be prepared": {
			router.Instruct, func(b *bench) { b.instruct.events, b.thinking.refuse = wavering, errPrepare }, "Red it is", nil, nil, "",
		},
		"thinking was chosen, an option is certain": {
			router.Thinking, func(b *bench) { b.instruct.events = option }, "B it is", nil, []string{back}, "second look: the beginning is clear",
		},
		"thinking was chosen, options are likely": {
			router.Thinking, func(b *bench) { b.instruct.events = options }, "42", nil,
			[]string{"abandoned 1 of instruct"},
			"second look: no option is certain",
		},
		"thinking was chosen, instruct breaks off": {
			router.Thinking, func(b *bench) { b.instruct.events, b.instruct.failed = nil, errBroken }, "42", nil,
			[]string{"abandoned 0 of instruct"},
			"",
		},
		"thinking was chosen, instruct cannot be prepared": {
			router.Thinking, func(b *bench) { b.instruct.refuse = errPrepare }, "42", nil, nil, "",
		},
		"thinking breaks off": {
			router.Instruct, func(b *bench) { b.instruct.events, b.thinking.events, b.thinking.failed = wavering, nil, errBroken }, "", errBroken,
			[]string{"abandoned 1 of instruct", escalated},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, byRouter(c.chosen), lookAtAll)
			c.edit(b)
			text, routing, err := b.answer(t, question())
			if text != c.want || !errors.Is(err, c.err) {
				t.Fatalf("%q, %v", text, err)
			}
			if c.reason != "" && !slices.Contains(routing.Reasons, c.reason) {
				t.Errorf("reasons %q", routing.Reasons)
			}
			notes := b.journal.notes()
			if got := notes[3 : len(notes)-2]; !slices.Equal(got, c.notes) {
				t.Errorf("%q", notes)
			}
			if notes[len(notes)-1] != "end, cancelled: false" {
				t.Errorf("%q", notes)
			}
		})
	}
}

func TestWhatASecondLookAsksFor(t *testing.T) {
	b := newBench(t, byRouter(router.Instruct), lookAtAll)
	b.instruct.events = beginning("Red", 0.9, "Blue", 0.1)
	if _, _, err := b.answer(t, question()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Demand{Places: 1, FirstTop: 20, FirstTokens: 1}, b.instruct.demand, cmpopts.IgnoreFields(Demand{}, "Now")); diff != "" {
		t.Error(diff)
	}
	certain := byRouter(router.Instruct)
	certain.Uncertain = false
	b = newBench(t, certain, lookAtAll)
	if _, _, err := b.answer(t, question()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Demand{Places: 1}, b.instruct.demand, cmpopts.IgnoreFields(Demand{}, "Now")); diff != "" {
		t.Error(diff)
	}
}

// A peek waits for the first answer's tokens. What comes of others meanwhile is kept in its place.
func TestASecondLookKeepsTheOrderOfSeveralAnswers(t *testing.T) {
	b := newBench(t, byRouter(router.Instruct), lookAtAll)
	first, second := beginning("Red", 0.9, "Blue", 0.1), answered("Two")
	for i := range second {
		second[i].choice = 1
	}
	b.instruct.events = slices.Concat(second, first)
	req := question()
	req.Choices = 2
	run, err := b.start(t, req)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	var order []int
	for {
		if !run.Ready() {
			t.Error("not ready, though all has come")
		}
		ev, err := run.Next()
		if err != nil {
			t.Fatal(err)
		}
		if ev.Kind == End {
			break
		}
		if ev.Kind == Started || ev.Kind == AnswerEnd {
			order = append(order, ev.Choice)
		}
	}
	if !slices.Equal(order, []int{1, 1, 0, 0}) {
		t.Errorf("%v", order)
	}
}

func TestReruns(t *testing.T) {
	const escalated, settled = "escalated to thinking: rerun", "settled thinking, whole: true"
	stays := []string{"settled instruct, whole: true"}
	for name, c := range map[string]struct {
		edit      func(*bench)
		want      string
		err       error
		notes     []string // after begin, without end
		discarded int
	}{
		"a good answer stands": {func(*bench) {}, "Hello world", nil, stays, 0},
		"cut": {
			func(b *bench) { b.instruct.events = cut("It is") }, "42", nil, []string{"abandoned 9 of instruct", escalated, settled}, 9,
		},
		"both are cut": {
			func(b *bench) { b.instruct.events, b.thinking.events = cut("It is"), cut("So") }, "It is", nil,
			[]string{"abandoned 3 of thinking", stays[0]},
			0,
		},
		"thinking cannot be prepared": {
			func(b *bench) { b.instruct.events, b.thinking.refuse = cut("It is"), errPrepare }, "It is", nil, stays, 0,
		},
		"thinking is down": {
			func(b *bench) { b.instruct.events, b.thinking.down = cut("It is"), engine.ErrUnavailable }, "It is", nil, stays, 0,
		},
		"thinking breaks off": {
			func(b *bench) {
				b.instruct.events, b.thinking.events, b.thinking.failed = cut("It is"), answered("4")[:2], errBroken
			}, "It is", nil, []string{"abandoned 2 of thinking", stays[0]}, 0,
		},
		"instruct ends without a result": {
			func(b *bench) { b.instruct.events = answered("It is")[:2] }, "", errNoResult, stays, 0,
		},
		"instruct breaks off": {
			func(b *bench) { b.instruct.events, b.instruct.failed = answered("It is")[:2], errBroken }, "", errBroken, stays, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, byRouter(router.Instruct), rerunAll)
			c.edit(b)
			text, routing, err := b.answer(t, question())
			if text != c.want || !errors.Is(err, c.err) {
				t.Fatalf("%q, %v", text, err)
			}
			if err == nil && routing.DiscardedTokens != c.discarded {
				t.Errorf("%d tokens are discarded", routing.DiscardedTokens)
			}
			if notes := b.journal.notes(); !slices.Equal(notes[3:len(notes)-1], c.notes) {
				t.Errorf("%q", notes)
			}
		})
	}
}

func TestBothSecondThoughtsMayComeTogether(t *testing.T) {
	b := newBench(t, byRouter(router.Instruct), func(o *Options) {
		lookAtAll(o)
		rerunAll(o)
	})
	sure := beginning("Red", 0.9, "Blue", 0.1)
	sure[len(sure)-1].Result.FinishReason = engine.FinishLength
	b.instruct.events = sure
	text, routing, err := b.answer(t, question())
	want := []string{"answered again: length", "second look: the beginning is clear"}
	if err != nil || text != "42" || !slices.Equal(routing.Reasons, want) {
		t.Errorf("%q, %v, %+v", text, err, routing)
	}
}

// A panic ends the request and not the daemon: what both attempts hold is given back, which the bench checks, and the generation has ended.
func TestAPanicDuringSecondThoughtsGivesEverythingBack(t *testing.T) {
	for name, c := range map[string]struct {
		chosen router.Variant
		edit   func(*Options)
		broken func(*bench)
	}{
		"as a second look prepares":      {router.Instruct, lookAtAll, func(b *bench) { b.thinking.breaks = "broken" }},
		"as a second look goes back":     {router.Thinking, lookAtAll, func(b *bench) { b.instruct.breaks = "broken" }},
		"as a second look reads":         {router.Instruct, lookAtAll, func(b *bench) { b.instruct.events = unreadable() }},
		"as a rerun prepares":            {router.Instruct, rerunAll, func(b *bench) { b.instruct.events, b.thinking.breaks = cut("It is"), "broken" }},
		"as a rerun reads":               {router.Instruct, rerunAll, func(b *bench) { b.instruct.events = unreadable() }},
		"as a rerun reads the other one": {router.Instruct, rerunAll, func(b *bench) { b.instruct.events, b.thinking.events = cut("It is"), unreadable() }},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, byRouter(c.chosen), func(o *Options) {
				oneAtATime(o)
				c.edit(o)
			})
			c.broken(b)
			func() {
				defer func() {
					if recover() == nil {
						t.Error("nothing panicked")
					}
				}()
				_, _ = b.start(t, question())
			}()
			if !b.instruct.let() || !b.thinking.let() || b.InFlight() != 0 {
				t.Errorf("instruct %s; thinking %s; %d in flight", b.instruct, b.thinking, b.InFlight())
			}
			if !b.journal.told("end, cancelled: false") {
				t.Errorf("%q", b.journal.notes())
			}
			if pass, err := b.slots.Enter(t.Context(), "", 1); err != nil {
				t.Error("its place is taken")
			} else {
				pass.Leave()
			}
		})
	}
}

// unreadable is an answer that has no start, without which its text cannot be cut.
func unreadable() []standInEvent { return answered("a")[1:] }
