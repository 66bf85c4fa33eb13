package compute

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestTheEncoderGoesToWhoWaitsLongestAndStillWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q encoderQueue
		if err := q.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		left := errors.New("left")
		ctx, leave := context.WithCancelCause(t.Context())
		results := make(chan string, 3)
		for _, c := range []struct {
			name string
			ctx  context.Context
		}{{"first", t.Context()}, {"leaves", ctx}, {"last", t.Context()}} {
			go func() {
				if err := q.acquire(c.ctx); err != nil {
					results <- err.Error()
					return
				}
				results <- c.name
			}()
			synctest.Wait() // they come one after the other
		}
		leave(left)
		if got := <-results; got != "left" {
			t.Errorf("%q", got)
		}
		for _, want := range []string{"first", "last"} {
			synctest.Wait()
			if len(results) != 0 {
				t.Error("two have the encoder")
			}
			q.release()
			if got := <-results; got != want {
				t.Errorf("%q has the encoder, want %q", got, want)
			}
		}
		q.release()
		if err := q.acquire(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
