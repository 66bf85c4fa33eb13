package generation

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/router"
)

// fetched is a request that has to be fetched for.
func fetched() *request.Request {
	req := question()
	req.Images = []*request.Image{{Path: "image", URL: "https://x/a.png"}}
	return req
}

// oneAtATime has a single place, and three to fetch in for a client.
func oneAtATime(o *Options) { o.MaxConcurrent, o.MaxWaiting = 1, -1 }

// A core of one place works again after each of these, so none of them has kept it, nor the place to fetch in.
func TestWhatIsNotStartedGivesItsPlacesBack(t *testing.T) {
	for name, c := range map[string]struct {
		edit   func(b *bench)
		mend   func(b *bench)
		err    error
		panics bool
	}{
		"it cannot be prepared": {
			edit: func(b *bench) { b.instruct.refuse = errPrepare }, mend: func(b *bench) { b.instruct.refuse = nil }, err: errPrepare,
		},
		"preparing panics": {
			edit: func(b *bench) { b.instruct.breaks = "broken" }, mend: func(b *bench) { b.instruct.breaks = nil }, panics: true,
		},
		"it comes while the server drains": {
			edit: func(b *bench) { b.Drain() }, mend: func(b *bench) { b.draining.Store(false) }, err: &fault.Error{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, plainly, oneAtATime)
			c.edit(b)
			for range 5 {
				panicked, err := true, error(nil)
				func() {
					defer func() { _ = recover() }()
					_, err = b.start(t, fetched())
					panicked = false
				}()
				var refused *fault.Error
				if panicked != c.panics || !panicked && !errors.Is(err, c.err) && !errors.As(err, &refused) {
					t.Fatalf("%v, panicked %v", err, panicked)
				}
				if b.InFlight() != 0 || !b.instruct.let() {
					t.Fatalf("%d in flight, %s", b.InFlight(), b.instruct)
				}
			}
			if b.conversations.modes.Len() != 0 {
				t.Error("a conversation is remembered that did not begin")
			}
			c.mend(b)
			if text, _, err := b.answer(t, fetched()); text != "Hello world" || err != nil {
				t.Errorf("afterwards %q, %v", text, err)
			}
		})
	}
}

func TestWhatFindsNoPlaceIsClosed(t *testing.T) {
	b := newBench(t, plainly, oneAtATime)
	run, err := b.start(t, question())
	if err != nil {
		t.Fatal(err)
	}
	var refused *fault.Error
	if _, err := b.start(t, question()); !errors.As(err, &refused) || refused.Code != fault.CodeOverloaded {
		t.Errorf("%v", err)
	}
	if b.instruct.closed != 1 || b.InFlight() != 1 {
		t.Errorf("%s, %d in flight", b.instruct, b.InFlight())
	}
	run.Close()
	if b.journal.told("begin instruct 1/1") && len(b.journal.notes()) != 7 {
		t.Errorf("%q", b.journal.notes())
	}
	if working, fetching := b.Waiting(); working+fetching != 0 {
		t.Errorf("%d, %d wait", working, fetching)
	}
	if b.RetryIn() <= 0 {
		t.Error("no time to try again in")
	}
}

func TestARunOfManyAnswersTakesAQuarterOfThePlaces(t *testing.T) {
	b := newBench(t, plainly, func(o *Options) { o.MaxConcurrent = 8 })
	req := question()
	req.Choices = 5
	admitted := 0
	d, err := b.Decide(t.Context(), req, &Caller{Admitted: func() { admitted++ }})
	if err != nil {
		t.Fatal(err)
	}
	run, err := b.Start(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	if b.instruct.demand.Places != 2 || admitted != 1 {
		t.Errorf("%+v, admitted %d times", b.instruct.demand, admitted)
	}
}

// The reason for which a request ended is told, not what followed from it.
func TestARefusalAfterACancellationHasItsCause(t *testing.T) {
	b := newBench(t, plainly, nil)
	b.instruct.refuse = errPrepare
	cause := errors.New("gone away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	d, err := b.Decide(ctx, question(), &Caller{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Start(ctx, d); !errors.Is(err, cause) {
		t.Error(err)
	}
}

func TestDecideRecordsNothing(t *testing.T) {
	b := newBench(t, byRouter(router.Instruct), func(o *Options) {
		oneAtATime(o)
		lookAtAll(o)
		rerunAll(o)
	})
	caller := &Caller{Client: "ann", Session: "s"}
	var first *Routing
	for range 20 {
		d, err := b.Decide(t.Context(), question(), caller)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = d.Routing()
		}
		if d.Variant() != "instruct" || d.Source() != "router" || d.ModelID() != "m-instruct" || !slices.Equal(d.Routing().Reasons, first.Reasons) {
			t.Errorf("%+v", d.Routing())
		}
	}
	if n := b.conversations.modes.Len(); n != 0 || len(b.journal.said) != 0 || b.InFlight() != 0 || b.instruct.prepared != 0 {
		t.Errorf("%d conversations, %q, %d in flight, %s", n, b.journal.said, b.InFlight(), b.instruct)
	}
	// The quotas begin with one request each: deciding has added nothing.
	if !b.rules.Load().escalator.looks.Take() || b.rules.Load().escalator.looks.Take() || !b.rules.Load().escalator.reruns.Take() || b.rules.Load().escalator.reruns.Take() {
		t.Error("a quota has grown")
	}
}

// remembering is a router that tells what it was given to decide by.
type remembering struct {
	decided

	seen *[]router.Input
}

func (r remembering) Decide(in *router.Input) (router.Decision, error) {
	*r.seen = append(*r.seen, *in)
	return router.Decision(r.decided), nil
}

func TestConversationsAreRememberedOnceTheyHaveBegun(t *testing.T) {
	var seen []router.Input
	b := newBench(t, remembering{byRouter(router.Thinking), &seen}, nil)
	ask := func(caller Caller) *router.Mode {
		t.Helper()
		d, err := b.Decide(t.Context(), question(), &caller)
		if err != nil {
			t.Fatal(err)
		}
		run, err := b.Start(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		run.Close()
		return seen[len(seen)-1].Mode
	}
	session := Caller{Session: "s", Key: "ann"}
	if ask(session) != nil {
		t.Error("a conversation was known before it began")
	}
	if m := ask(session); m == nil || m.Variant != router.Thinking || seen[len(seen)-1].Facts.Warm != router.Thinking {
		t.Errorf("then %+v", m)
	}
	if ask(Caller{Session: "s", Key: "bob"}) != nil || ask(Caller{Key: "ann"}) != nil {
		t.Error("a conversation is mixed up with another")
	}
	b.conversations.modes.Purge()
	b.thinking.refuse = errPrepare
	if _, err := b.start(t, question()); !errors.Is(err, errPrepare) || b.conversations.modes.Len() != 0 {
		t.Errorf("%v, %d are remembered", err, b.conversations.modes.Len())
	}
}

func TestModelsAreNamedInSeveralWays(t *testing.T) {
	var seen []router.Input
	b := newBench(t, remembering{plainly, &seen}, nil)
	b.thinking.down = &engine.UnavailableError{State: engine.StateLoading, Progress: 0.5}
	quality := 7.5
	for id, want := range map[string]struct {
		quality *float64
		variant router.Variant
		code    string
	}{
		"":                 {},
		"m":                {},
		"auto":             {},
		"auto:quality=7.5": {quality: &quality},
		"m:quality=7.5":    {quality: &quality},
		"m-instruct":       {variant: router.Instruct},
		"m-thinking":       {code: fault.CodeModelNotLoaded},
		"m:quality=11":     {code: fault.CodeInvalidValue},
		"m:quality=":       {code: fault.CodeInvalidValue},
		"m:quality=NaN":    {code: fault.CodeInvalidValue},
		"other":            {code: fault.CodeModelNotFound},
		"m-other":          {code: fault.CodeModelNotFound},
	} {
		req := question()
		req.Model = id
		_, err := b.Decide(t.Context(), req, &Caller{})
		var e *fault.Error
		switch {
		case want.code != "":
			if !errors.As(err, &e) || e.Code != want.code {
				t.Errorf("%q: %v", id, err)
			}
		case err != nil:
			t.Errorf("%q: %v", id, err)
		default:
			c := seen[len(seen)-1].Controls
			if c.Model != want.variant || (c.Quality == nil) != (want.quality == nil) || c.Quality != nil && *c.Quality != *want.quality {
				t.Errorf("%q: %+v", id, c)
			}
		}
	}
	var e *fault.Error
	if _, err := b.Decide(t.Context(), question(), &Caller{Route: "sideways"}); !errors.As(err, &e) || e.Param != "X-Qwenvld-Route" {
		t.Errorf("%v", err)
	}
	pair := b.Catalog().Pairs()[0]
	if s := pair.Standing(t.Context(), router.Thinking); s.State() != engine.StateLoading || s.err() == nil {
		t.Errorf("%+v", s)
	}
	if s := pair.Standing(t.Context(), router.Instruct); s.State() != engine.StateReady || s.err() != nil {
		t.Errorf("%+v", s)
	}
}
