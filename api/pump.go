package api

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/qwenvld/qwenvld/engine"
)

// eventBuffer is how many engine events may wait for a slow client before the engine's stream is no
// longer read.
const eventBuffer = 64

// item is what a pump hands on: the news that the engine took the request, an event, or the end.
type item struct {
	accepted bool
	event    engine.Event
	err      error
}

// pump runs a generation and sends what comes to items, which it closes when the engine has let go of
// the request. It ends soon after ctx is done, whether or not items are read.
func pump(ctx context.Context, eng engine.Engine, req *engine.Request, items chan<- item) {
	defer close(items)
	send := func(it item) bool {
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
	if !send(item{accepted: true}) {
		return
	}
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

// drain waits until a cancelled pump is done.
func drain(items <-chan item) {
	for range items { // not wanted any more
	}
}
