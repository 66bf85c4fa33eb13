package generation

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// plainly decides for instruct, without second thoughts.
var plainly = decided{Variant: router.Instruct}

// read gives the kinds of a run's events up to its end or an error.
func read(r *Run) (kinds []EventKind, last Event, err error) {
	for {
		ev, err := r.Next()
		if err != nil {
			return kinds, last, err
		}
		kinds, last = append(kinds, ev.Kind), ev
	}
}

func TestARunGoesFromItsStartToItsEnd(t *testing.T) {
	b := newBench(t, plainly, nil)
	run, err := b.start(t, question())
	if err != nil {
		t.Fatal(err)
	}
	if s := run.Summary(); s.Usage != nil || s.Produced != 0 || run.Tokens() != 0 || b.InFlight() != 1 {
		t.Errorf("%+v", s)
	}
	kinds, last, err := read(run)
	if !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if diff := cmp.Diff([]EventKind{Started, BlockOpen, BlockText, BlockText, BlockClose, AnswerEnd, End}, kinds); diff != "" {
		t.Error(diff)
	}
	usage := engine.Usage{PromptTokens: 7, CompletionTokens: 2}
	if last.Usage != usage || last.Running != nil {
		t.Errorf("%+v", last)
	}
	if _, err := run.Next(); !errors.Is(err, io.EOF) || !run.Ready() {
		t.Errorf("after the end: %v", err)
	}
	run.Close()
	s := run.Summary()
	if *s.Usage != usage || s.Finish != engine.FinishStop || s.Produced != 3 || run.Tokens() != 9 || len(run.Attrs()) != 7 {
		t.Errorf("%+v of %v", s, run.Attrs())
	}
	want := []string{
		"decided instruct", "carried 0 0", "begin instruct 1/1", "settled instruct, whole: false", "end, cancelled: false",
	}
	if diff := cmp.Diff(want, b.journal.notes()); diff != "" {
		t.Error(diff)
	}
}

func TestUsageIsSummedOverAnswersAndPrompts(t *testing.T) {
	b := newBench(t, plainly, nil)
	b.instruct.events = nil
	usage := func(completion int) *engine.Usage {
		return &engine.Usage{
			PromptTokens: 7, CachedTokens: 3, ImageTokens: 2, VideoTokens: 1, CompletionTokens: completion, ReasoningTokens: completion - 1,
		}
	}
	for choice, n := range []int{1, 2, 3, 4} {
		b.instruct.events = append(b.instruct.events,
			standInEvent{choice, engine.Event{Start: &engine.Start{Usage: *usage(0)}}},
			standInEvent{choice, engine.Event{Text: "a", Usage: usage(n)}},
			standInEvent{choice, engine.Event{Usage: usage(n + 1), Result: &engine.Result{FinishReason: engine.FinishStop, Usage: *usage(n + 1)}}},
		)
	}
	req := &request.Request{Choices: 2, RunningUsage: true}
	run, _, err := b.StartText(t.Context(), req, []TextPrompt{{Text: "A"}, {Text: "B"}}, false, &Caller{})
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	var running []engine.Usage
	var last Event
	for last.Kind != End {
		if last, err = run.Next(); err != nil {
			t.Fatal(err)
		}
		if last.Kind == AnswerEnd || last.Kind == Started {
			running = append(running, *last.Running)
		}
	}
	sum := func(prompts, completion, reasoning int) engine.Usage {
		return engine.Usage{
			PromptTokens: 7 * prompts, CachedTokens: 3 * prompts, ImageTokens: 2 * prompts, VideoTokens: prompts,
			CompletionTokens: completion, ReasoningTokens: reasoning,
		}
	}
	want := []engine.Usage{{}, sum(1, 2, 1), sum(1, 2, 1), sum(1, 5, 3), sum(1, 5, 3), sum(2, 9, 6), sum(2, 9, 6), sum(2, 14, 10)}
	if diff := cmp.Diff(want, running); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(sum(2, 14, 10), last.Usage); diff != "" {
		t.Error(diff)
	}
	if run.Tokens() != 28 || !b.journal.told("begin instruct 4/2") {
		t.Errorf("%d tokens", run.Tokens())
	}
}

func TestWhatIsBrokenOffIsBilledByWhatItProduced(t *testing.T) {
	b := newBench(t, plainly, nil)
	b.instruct.events, b.instruct.failed = answered("a", "b", "c")[:4], errBroken
	run, err := b.start(t, question())
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	if _, _, err := read(run); !errors.Is(err, errBroken) || run.Tokens() != 3 || run.Summary().Usage != nil {
		t.Errorf("%v, %d tokens", err, run.Tokens())
	}
}

// Whoever ends a run is told as its cause, by Next and by the context, and to the meter where it was the client.
func TestCausesOfAnEarlyEnd(t *testing.T) {
	gone := errors.New("gone away")
	for name, c := range map[string]struct {
		end       func(b *bench, run *Run, leave func())
		cause     error
		cancelled bool
		code      string
	}{
		"abort":             {func(b *bench, _ *Run, _ func()) { b.Abort() }, fault.ErrShuttingDown, false, fault.CodeShuttingDown},
		"cancel":            {func(_ *bench, run *Run, _ func()) { run.Cancel(gone) }, gone, true, fault.CodeClientGone},
		"the client leaves": {func(_ *bench, _ *Run, leave func()) { leave() }, context.Canceled, true, fault.CodeClientGone},
		"the first cause stays": {func(b *bench, run *Run, _ func()) {
			b.Abort()
			run.Cancel(gone)
		}, fault.ErrShuttingDown, false, fault.CodeShuttingDown},
	} {
		t.Run(name, func(t *testing.T) {
			b := &bench{}
			eng := fakeEngine("")
			eng.Hold, eng.Closed = make(chan struct{}), make(chan struct{})
			b.Core = newCore(t, plainly, b, nil)
			b.catalog.pairs[0].backends[router.Instruct].(*Local).engine = eng
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			run, _, err := b.StartText(ctx, &request.Request{}, []TextPrompt{{Text: "A"}}, false, &Caller{})
			if err != nil {
				t.Fatal(err)
			}
			if ev, err := run.Next(); err != nil || ev.Kind != Started {
				t.Fatalf("%+v, %v", ev, err)
			}
			c.end(b, run, leave)
			if _, err := run.Next(); !errors.Is(err, c.cause) {
				t.Errorf("Next fails with %v", err)
			} else if e := fault.From(run.Context(), err, fault.Origin{}); e.Code != c.code {
				t.Errorf("told as %s", e.Code)
			}
			if cause := context.Cause(run.Context()); !errors.Is(cause, c.cause) {
				t.Errorf("the context ends with %v", cause)
			}
			run.Close()
			if <-eng.Closed; eng.Open() != 0 || b.InFlight() != 0 {
				t.Errorf("%d streams are open, %d in flight", eng.Open(), b.InFlight())
			}
			if b.journal.told("end, cancelled: true") != c.cancelled {
				t.Errorf("%q", b.journal.notes())
			}
		})
	}
}

func TestAnswersThatBreakTheirSchemaAreReported(t *testing.T) {
	constraint := &engine.Constraint{Schema: []byte(`{"type":"object","properties":{"a":{"$ref":"#/$defs/n"}},"$defs":{"n":{"type":"integer"}}}`)}
	for name, c := range map[string]struct {
		text   string
		edit   func(*request.Request, []standInEvent)
		report bool
	}{
		"as it says": {`{"a": 1}`, nil, false},
		"otherwise":  {`{"a": "secret"}`, nil, true},
		"no JSON":    {`{"a": `, nil, true},
		"cut":        {`{"a": `, func(_ *request.Request, e []standInEvent) { e[2].Result.FinishReason = engine.FinishLength }, false},
		"stopped":    {`{"a": `, func(_ *request.Request, e []standInEvent) { e[2].Result.StopString = "x" }, false},
		"loose":      {`{"a": "secret"}`, func(r *request.Request, _ []standInEvent) { r.Loose = true }, false},
		"free text":  {`secret`, func(r *request.Request, _ []standInEvent) { r.FreeText = true }, false},
		"no schema":  {`secret`, func(r *request.Request, _ []standInEvent) { r.Constraint = &engine.Constraint{Choices: []string{"a"}} }, false},
		"bad schema": {`{}`, func(r *request.Request, _ []standInEvent) {
			r.Constraint = &engine.Constraint{Schema: []byte(`{"type":1}`)}
		}, true},
		"other files": {`{}`, func(r *request.Request, _ []standInEvent) {
			r.Constraint = &engine.Constraint{Schema: []byte(`{"$ref":"file:///etc/passwd"}`)}
		}, true},
	} {
		b := newBench(t, plainly, nil)
		b.instruct.events = answered(c.text)
		req := question()
		req.Constraint = constraint
		if c.edit != nil {
			c.edit(req, b.instruct.events)
		}
		if _, _, err := b.answer(t, req); err != nil {
			t.Fatal(err)
		}
		if log := b.log.String(); strings.Contains(log, "does not follow its schema") != c.report || strings.Contains(log, "secret") {
			t.Errorf("%s: %q", name, log)
		}
	}
}

// An error ends a run, whatever else the source would still tell.
func TestAnErrorIsToldOnce(t *testing.T) {
	b := newBench(t, plainly, nil)
	run, err := b.start(t, question())
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	run.source = &failing{Events: run.source, err: errBroken}
	if _, err := run.Next(); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	if ev, err := run.Next(); !errors.Is(err, io.EOF) || !run.Ready() {
		t.Errorf("afterwards %+v, %v", ev, err)
	}
}

// failing fails once, and then goes on.
type failing struct {
	Events

	err error
}

func (f *failing) Next() (Event, error) {
	if err := f.err; err != nil {
		f.err = nil
		return Event{}, err
	}
	return f.Events.Next()
}

func TestASourceThatEndsEarlyIsAnError(t *testing.T) {
	b := newBench(t, plainly, nil)
	b.instruct.events = answered("It is")[:2]
	if text, _, err := b.answer(t, question()); !errors.Is(err, errNoResult) {
		t.Errorf("%q, %v", text, err)
	}
}

// An engine may have words of its own for having been cancelled.
func TestAnErrorAfterACancellationHasItsCause(t *testing.T) {
	b := newBench(t, plainly, nil)
	b.instruct.events, b.instruct.failed = nil, errBroken
	run, err := b.start(t, question())
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	b.Abort()
	if _, err := run.Next(); !errors.Is(err, fault.ErrShuttingDown) {
		t.Error(err)
	}
}

// Prompts of different lengths leave different room: what an answer was cut to is its own.
func TestEachAnswerIsCutToItsOwnRoom(t *testing.T) {
	b := newBench(t, plainly, nil)
	start := func(choice, room int) standInEvent {
		return standInEvent{choice, engine.Event{Start: &engine.Start{MaxTokens: room}}}
	}
	end := func(choice int) standInEvent {
		return standInEvent{choice, engine.Event{Result: &engine.Result{FinishReason: engine.FinishLength}}}
	}
	b.instruct.events = []standInEvent{start(0, 5), start(1, 50), end(0), end(1)}
	most := 50
	run, _, err := b.StartText(t.Context(), &request.Request{MaxTokens: &most}, []TextPrompt{{Text: "long"}, {Text: "A"}}, false, &Caller{})
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	whole, err := Collect(run)
	if err != nil {
		t.Fatal(err)
	}
	if long, short := whole.Answers[0].Routing.MaxTokens, whole.Answers[1].Routing.MaxTokens; long != 5 || short != 0 {
		t.Errorf("%d and %d", long, short)
	}
}

func TestThoughtsInTheContentAreNoPartOfWhatFollowsASchema(t *testing.T) {
	for text, report := range map[string]bool{`{"a": 1}`: false, `{"a": "b"}`: true} {
		b := newBench(t, plainly, nil)
		b.instruct.events = answered("hm", "</think>\n\n", text)
		b.instruct.events[0].Start.ThinkOpen = true
		req := question()
		req.MergeReasoning = true
		req.Constraint = &engine.Constraint{Schema: []byte(`{"type":"object","properties":{"a":{"type":"integer"}}}`)}
		if _, _, err := b.answer(t, req); err != nil {
			t.Fatal(err)
		}
		if log := b.log.String(); strings.Contains(log, "does not follow its schema") != report {
			t.Errorf("%s: %q", text, log)
		}
	}
}

// A relay flushes what it has sent unless more is ready: progress of which nothing is sent must not keep a client waiting.
func TestProgressAloneIsNotReady(t *testing.T) {
	b := newBench(t, plainly, nil)
	req := question()
	req.HideReasoning = true
	b.instruct.events = answered("hm", "so", "</think>\n\n42")
	b.instruct.events[0].Start.ThinkOpen = true
	later := b.instruct.events[3:]
	b.instruct.events = b.instruct.events[:3]
	run, err := b.start(t, req)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	source := run.source.(*standInEvents)
	if ev, err := run.Next(); err != nil || ev.Kind != Started {
		t.Fatalf("%+v, %v", ev, err)
	}
	if !source.Ready() || run.Ready() {
		t.Error("thoughts that are hidden are ready")
	}
	if run.Tokens() != 2 {
		t.Errorf("%d tokens were produced", run.Tokens())
	}
	source.rest = later
	for _, kind := range []EventKind{BlockOpen, BlockText, BlockClose, AnswerEnd, End} {
		for range 2 {
			if !run.Ready() {
				t.Error("nothing is ready")
			}
		}
		if ev, err := run.Next(); err != nil || ev.Kind != kind {
			t.Errorf("%+v, %v", ev, err)
		}
	}
}

func TestAnErrorIsReady(t *testing.T) {
	b := newBench(t, plainly, nil)
	b.instruct.events, b.instruct.failed = answered("a")[:2], errBroken
	run, err := b.start(t, question())
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	run.source = &replay{failed: errBroken, rest: run.source}
	for range 2 {
		if !run.Ready() {
			t.Error("an error that has come is not ready")
		}
	}
	if _, err := run.Next(); !errors.Is(err, errBroken) {
		t.Error(err)
	}
}
