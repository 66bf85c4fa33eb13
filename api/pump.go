package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/qwenvld/qwenvld/engine"
)

// eventBuffer is how many engine events may wait for a slow client before the engine's stream is no
// longer read.
const eventBuffer = 64

// item is what a pump hands on about one of a request's answers: an event, or why there are no more.
type item struct {
	choice int
	// accepted says that the engine has taken the request: event.Start is set.
	accepted bool
	event    engine.Event
	err      error
}

// pumpAll runs one generation for each request, at most so many at once, in their order. It returns when the engine has let go of all of
// them, which is soon after ctx is done, whether or not items are read.
func pumpAll(ctx context.Context, eng engine.Engine, requests []*engine.Request, atOnce int, items chan<- item) {
	places := make(chan struct{}, max(1, atOnce))
	var running sync.WaitGroup
	defer running.Wait()
	for i, req := range requests {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		running.Go(func() {
			defer func() { <-places }()
			pump(ctx, eng, req, i, items)
		})
	}
}

// pump runs a generation and sends what comes to items.
func pump(ctx context.Context, eng engine.Engine, req *engine.Request, choice int, items chan<- item) {
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
	stream, err := eng.Generate(ctx, req)
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
		if !send(item{accepted: ev.Start != nil, event: ev, err: err}) || err != nil {
			return
		}
	}
}
