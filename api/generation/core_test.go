package generation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/enginetest"
	"github.com/qwenvld/qwenvld/engine/prompt"
	"github.com/qwenvld/qwenvld/internal/testkit"
	"github.com/qwenvld/qwenvld/router"
	"github.com/qwenvld/qwenvld/router/escalation"
)

var (
	errPrepare = errors.New("cannot be prepared")
	errBroken  = errors.New("broken off")
)

// journal is a Meter and a Measure that note what they are told.
type journal struct {
	mu   sync.Mutex
	said []string
}

var (
	_ Meter   = (*journal)(nil)
	_ Measure = (*journal)(nil)
)

func (j *journal) note(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.said = append(j.said, fmt.Sprintf(format, args...))
}

// told says whether something was noted that begins with so.
func (j *journal) told(so string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.ContainsFunc(j.said, func(s string) bool { return strings.HasPrefix(s, so) })
}

// notes are all but how long things took and who came and went.
func (j *journal) notes() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(j.said), func(s string) bool {
		return s == "routed" || s == "admitted" || s == "released" || s == "event"
	})
}

func (j *journal) Routed(context.Context, time.Time, time.Duration) { j.note("routed") }
func (j *journal) Decided(d *router.Decision)                       { j.note("decided %s", d.Variant) }

func (j *journal) Carried(images, videos int) { j.note("carried %d %d", images, videos) }

func (j *journal) Escalated(to router.Variant, cause string) {
	j.note("escalated to %s: %s", to, cause)
}

func (j *journal) Abandoned(v router.Variant, tokens int)  { j.note("abandoned %d of %s", tokens, v) }
func (j *journal) Held(context.Context, time.Duration)     {}
func (j *journal) Admitted(context.Context, time.Duration) { j.note("admitted") }
func (j *journal) Released()                               { j.note("released") }
func (j *journal) Begin(ctx context.Context, d *Decided, answers int) (context.Context, Measure) {
	j.note("begin %s %d/%d", d.Variant(), answers, d.Request.Answers())
	return ctx, j
}

func (j *journal) Settled(v router.Variant, whole bool) { j.note("settled %s, whole: %v", v, whole) }
func (j *journal) Event(int, *engine.Event, bool)       { j.note("event") }
func (j *journal) FirstToken() time.Duration            { return 0 }
func (j *journal) End(cancelled bool)                   { j.note("end, cancelled: %v", cancelled) }

// decided is a router that has decided.
type decided router.Decision

func (d decided) Decide(*router.Input) (router.Decision, error) { return router.Decision(d), nil }

func (d decided) DecideAt(_ *router.Input, qualities []float64) ([]router.Decision, error) {
	return slices.Repeat([]router.Decision{router.Decision(d)}, len(qualities)), nil
}

// byRouter is what the router chose. Either variant may still answer for the other.
func byRouter(v router.Variant) decided {
	d := decided{Variant: v, Source: router.SourceRouter, Uncertain: true, EscalationBudget: 512, Mode: router.Mode{Variant: v}, Options: 4}
	if v == router.Thinking {
		d.ThinkingBudget, d.EscalationBudget = 512, 0
	}
	return d
}

// standIn is a Backend that plays a script.
type standIn struct {
	Backend

	info engine.Info
	// down, refuse and breaks are errors of Info and Prepare, and what Prepare panics with.
	down, refuse error
	breaks       any
	// events of each answer, in the order in which they come; failed is what ends them, io.EOF where it is nil.
	events []standInEvent
	failed error

	mu sync.Mutex
	// prepared counts what Prepare made, started and closed what became of it, ended how many events were closed.
	prepared, started, closed, ended int
	demand                           Demand
}

// standInEvent is an engine's event about an answer.
type standInEvent struct {
	choice int
	engine.Event
}

func (s *standIn) Info(context.Context) (engine.Info, error) { return s.info, s.down }

func (s *standIn) Prepare(_ context.Context, d *Decided) (Prepared, error) {
	if s.breaks != nil {
		panic(s.breaks)
	}
	if s.refuse != nil {
		return nil, s.refuse
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prepared++
	return &standInRun{standIn: s, request: d.Request}, nil
}

func (s *standIn) PrepareText(ctx context.Context, d *Decided, _ []TextPrompt) (Prepared, error) {
	return s.Prepare(ctx, d)
}

// let says that nothing is held: what was prepared was started or closed, once, and what was started has ended.
func (s *standIn) let() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started+s.closed == s.prepared && s.ended == s.started
}

func (s *standIn) String() string {
	return fmt.Sprintf("%d prepared, %d started, %d closed, %d ended", s.prepared, s.started, s.closed, s.ended)
}

// standInRun is what a standIn prepared.
type standInRun struct {
	*standIn

	request *request.Request
}

func (r *standInRun) Start(_ context.Context, d Demand) Events {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started++
	r.demand = d
	return &standInEvents{standIn: r.standIn, rest: r.events, request: r.request, answers: map[int]*answer{}}
}

func (r *standInRun) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed++
}

// standInEvents are the events of a script.
type standInEvents struct {
	*standIn

	request *request.Request
	answers map[int]*answer
	rest    []standInEvent
	queue   []Event
	over    sync.Once
}

func (e *standInEvents) Next() (Event, error) {
	for len(e.queue) == 0 {
		if len(e.rest) == 0 {
			if e.failed != nil {
				return Event{}, e.failed
			}
			return Event{}, io.EOF
		}
		next := e.rest[0]
		e.rest = e.rest[1:]
		a := e.answers[next.choice]
		if a == nil {
			a = &answer{choice: next.choice, request: e.request, newID: numbered()}
			e.answers[next.choice] = a
		}
		e.queue = a.cut(&next.Event)
	}
	ev := e.queue[0]
	e.queue = e.queue[1:]
	return ev, nil
}

func (e *standInEvents) Ready() bool { return len(e.queue)+len(e.rest) > 0 }

func (e *standInEvents) Close() {
	e.over.Do(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.ended++
	})
}

// answered are the events of an answer of these texts.
func answered(texts ...string) []standInEvent {
	out := []standInEvent{{Event: engine.Event{Start: &engine.Start{Usage: engine.Usage{PromptTokens: 7}, MaxTokens: 99}}}}
	for _, s := range texts {
		out = append(out, standInEvent{Event: engine.Event{Text: s}})
	}
	return append(out, standInEvent{Event: engine.Event{Result: &engine.Result{
		FinishReason: engine.FinishStop, Usage: engine.Usage{PromptTokens: 7, CompletionTokens: len(texts)},
	}}})
}

// bench is a core under test.
type bench struct {
	*Core

	journal            journal
	log                testkit.Buffer
	instruct, thinking *standIn
}

// newBench is a core whose backends are stand-ins.
func newBench(t *testing.T, d Decider, edit func(*Options)) *bench {
	t.Helper()
	b := &bench{instruct: &standIn{events: answered("Hello", " world")}, thinking: &standIn{events: answered("42")}}
	b.Core = newCore(t, d, b, edit)
	b.catalog.pairs[0].backends = map[router.Variant]Backend{router.Instruct: b.instruct, router.Thinking: b.thinking}
	t.Cleanup(func() {
		if !b.instruct.let() || !b.thinking.let() || b.InFlight() != 0 {
			t.Errorf("something is held: instruct %s; thinking %s; %d in flight", b.instruct, b.thinking, b.InFlight())
		}
	})
	return b
}

func newCore(t *testing.T, d Decider, b *bench, edit func(*Options)) *Core {
	t.Helper()
	o := Options{
		Router: d, RouterVersion: "v1", Meter: &b.journal, Logger: slog.New(slog.NewTextHandler(&b.log, nil)),
		Now: time.Now, NewID: numbered(), Models: []Model{{ID: "m", Engines: map[router.Variant]engine.Engine{
			router.Instruct: fakeEngine(prompt.InstructTemplate()), router.Thinking: fakeEngine(prompt.ThinkingTemplate()),
		}}},
	}
	if edit != nil {
		edit(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func fakeEngine(template string) *enginetest.Fake {
	return &enginetest.Fake{Model: engine.Info{
		Name: "fake", ContextSize: 4096, MaxSequences: 2, VocabSize: 256, ChatTemplate: template,
		SpecialTokens: []string{"<|im_start|>", "<|im_end|>"},
	}}
}

// question is a request for an answer to a question.
func question() *request.Request {
	return &request.Request{PromptParam: "messages", Messages: []request.Message{{Role: request.RoleUser, IsText: true, Text: "hi"}}}
}

func (b *bench) start(t *testing.T, req *request.Request) (*Run, error) {
	t.Helper()
	caller := &Caller{ID: "1", Client: "ann"}
	d, err := b.Decide(t.Context(), req, caller)
	if err != nil {
		t.Fatal(err)
	}
	return b.Start(t.Context(), d)
}

// answer is the text of the first answer to req.
func (b *bench) answer(t *testing.T, req *request.Request) (text string, r *Routing, err error) {
	t.Helper()
	run, err := b.start(t, req)
	if err != nil {
		return "", nil, err
	}
	defer run.Close()
	whole, err := Collect(run)
	if err != nil {
		return "", nil, err
	}
	return whole.Answers[0].Text(Content), whole.Routing, nil
}

func lookAtAll(o *Options) {
	o.SecondLook = SecondLook{Share: 1, Limits: escalation.Thresholds{Tokens: 1, Margin: 0.3, Entropy: 0.5}}
}

func rerunAll(o *Options) { o.Rerun = Rerun{Share: 1, Causes: escalation.Causes()} }

func TestACoreNeedsAModelEnginesAndARouter(t *testing.T) {
	eng := fakeEngine("")
	for name, o := range map[string]Options{
		"no model":  {Router: decided{}},
		"no name":   {Models: []Model{{Engines: map[router.Variant]engine.Engine{router.Instruct: eng}}}, Router: decided{}},
		"no engine": {Models: []Model{{ID: "m"}}, Router: decided{}},
		"no router": {Models: []Model{{ID: "m", Engines: map[router.Variant]engine.Engine{router.Instruct: eng}}}},
		"variant":   {Models: []Model{{ID: "m", Engines: map[router.Variant]engine.Engine{"other": eng}}}, Router: decided{}},
		"nil":       {Models: []Model{{ID: "m", Engines: map[router.Variant]engine.Engine{router.Instruct: nil}}}, Router: decided{}},
	} {
		if c, err := New(o); err == nil {
			t.Errorf("%s: %v", name, c)
		}
	}
}
