package generation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/qwenvld/qwenvld/engine"
)

// eventBuffer is how many engine events may wait for a slow client before the engine's stream is no longer read.
const eventBuffer = 64

// errNoResult is an engine that broke its contract.
var errNoResult = errors.New("the engine's stream ended without a result")

// item is what a pump hands on about one of a request's answers: an event, or why there are no more.
type item struct {
	choice int
	event  engine.Event
	err    error
}

// Streams answer a request from elsewhere than an engine of this daemon.
type Streams struct {
	// Answers is how many there are, AtOnce how many of them are made at a time, in their order.
	Answers, AtOnce int
	// Open has the answer of a choice begun. What it gives is read as that of an engine.
	Open func(ctx context.Context, choice int) (engine.Stream, error)
	// Beside, unless nil, runs meanwhile; Done, unless nil, is called when all has ended.
	Beside func(context.Context)
	Done   func()
	// NewID makes the random part of ids.
	NewID func() string
}

// NewEvents are the events of answers to d that streams give.
func NewEvents(ctx context.Context, d *Decided, s Streams) Events {
	if s.Beside == nil {
		s.Beside = func(context.Context) {}
	}
	if s.Done == nil {
		s.Done = func() {}
	}
	return startWork(ctx, s.Open, newAnswers(d, s.Answers, s.NewID, false), s.AtOnce, s.Beside, s.Done)
}

// work is an engine at work on a request's answers. Its goroutines end when the engine has let go of all of them.
type work struct {
	ctx    context.Context //nolint:containedctx // that of the request, as long as it is worked on
	cancel context.CancelFunc
	items  <-chan item
	// answers cut what comes; queue is what is cut and not read yet.
	answers []*answer
	queue   []Event
	left    int // answers that have not ended
	// explain names what an error is about.
	explain func(error) error
}

// opener has the answer of a choice begun.
type opener func(ctx context.Context, choice int) (engine.Stream, error)

// startWork has open begin the answers, at most so many at once, while beside does what it has to; done is called when
// all has ended.
func startWork(
	ctx context.Context, open opener, answers []*answer, atOnce int, beside func(context.Context), done func(),
) *work {
	ctx, cancel := context.WithCancel(ctx)
	items := make(chan item, eventBuffer)
	go func() {
		defer close(items)
		defer done()
		var besides sync.WaitGroup
		defer besides.Wait()
		besides.Go(func() { beside(ctx) })
		pumpAll(ctx, open, len(answers), atOnce, items)
	}()
	return &work{
		ctx: ctx, cancel: cancel, items: items, answers: answers, left: len(answers), explain: func(err error) error { return err },
	}
}

// Next gives the next event; after the end of the last answer io.EOF.
func (w *work) Next() (Event, error) {
	for len(w.queue) == 0 {
		if w.left == 0 {
			return Event{}, io.EOF
		}
		it, err := w.receive()
		if err != nil {
			return Event{}, err
		}
		w.queue = w.answers[it.choice].cut(&it.event)
		if it.event.Result != nil {
			w.left--
		}
	}
	ev := w.queue[0]
	w.queue = w.queue[1:]
	return ev, nil
}

func (w *work) receive() (item, error) {
	var it item
	var open bool
	select {
	case it, open = <-w.items:
	case <-w.ctx.Done():
		return it, context.Cause(w.ctx)
	}
	switch {
	case !open && w.ctx.Err() != nil:
		return it, context.Cause(w.ctx)
	case !open:
		return it, errNoResult
	}
	return it, w.explain(it.err)
}

// Ready says whether something has come that was not read.
func (w *work) Ready() bool { return len(w.queue) > 0 || len(w.items) > 0 }

// Close ends the work and waits until the engine has let go.
func (w *work) Close() {
	w.cancel()
	for range w.items { // nobody wants the rest
	}
}

// pumpAll runs n generations, at most so many at once, in their order. It returns when the engine has let go of all of
// them, which is soon after ctx is done, whether or not items are read.
func pumpAll(ctx context.Context, open opener, n, atOnce int, items chan<- item) {
	places := make(chan struct{}, max(1, atOnce))
	var running sync.WaitGroup
	defer running.Wait()
	for i := range n {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		running.Go(func() {
			defer func() { <-places }()
			pump(ctx, open, i, items)
		})
	}
}

// pump runs a generation and sends what comes to items.
func pump(ctx context.Context, open opener, choice int, items chan<- item) {
	send := func(it item) bool {
		it.choice = choice
		select {
		case items <- it:
			return true
		case <-ctx.Done():
			return false
		}
	}
	defer func() {
		// A panic here would end the daemon instead of the request.
		if p := recover(); p != nil {
			send(item{err: fmt.Errorf("generation panicked: %v", p)})
		}
	}()
	stream, err := open(ctx, choice)
	if err != nil {
		send(item{err: err})
		return
	}
	defer func() { _ = stream.Close() }()
	for {
		ev, err := stream.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if !send(item{event: ev, err: err}) || err != nil {
			return
		}
	}
}
