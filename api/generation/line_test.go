package generation

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/media"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/engine"
)

// Once it is known what requests take, one that would wait for too long is refused before anything of it is prepared,
// and told when it would not.
func TestALongLineRefusesBeforeAnythingIsPrepared(t *testing.T) {
	var at atomic.Int64
	b := newBench(t, plainly, func(o *Options) {
		o.MaxBacklog = 9 * time.Second
		o.Now = func() time.Time { return time.Unix(at.Load(), 0) }
	})
	answer := func() {
		run, err := b.start(t, question())
		if err != nil {
			t.Fatal(err)
		}
		at.Add(6)
		if _, err := Collect(run); err != nil {
			t.Error(err)
		}
		run.Close()
	}
	answer()
	var held []*Run
	for range 2 { // of about 6 s each
		run, err := b.start(t, question())
		var busy *fault.Error
		if len(held) == 1 {
			if !errors.As(err, &busy) || busy.Code != fault.CodeOverloaded || busy.RetryAfter < time.Second || busy.RetryAfter > 4*time.Second {
				t.Fatalf("%v, %+v", err, busy)
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, run)
	}
	flex := question()
	flex.Tier = request.TierFlex
	at.Add(4)
	if _, err := b.start(t, flex); err == nil {
		t.Error("who is not in a hurry gets all of the time")
	}
	if b.instruct.prepared != 2 {
		t.Errorf("%d were prepared", b.instruct.prepared)
	}
	run, err := b.start(t, question())
	if err != nil {
		t.Fatalf("after the time that was told: %v", err)
	}
	run.Close()
	held[0].Close()
	if left := b.catalog.pairs[0].lines[run.decided.decision.Variant].Wait(); left != 0 {
		t.Errorf("%v are left of nothing", left)
	}
}

// Once it is known what requests take, one whose answer would begin after its deadline is refused before anything of it
// is prepared, and told what it would wait for.
func TestWhoseAnswerWouldBeginTooLateIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, plainly, nil)
		teach(t, b)
		held, err := b.start(t, question())
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		long := question()
		long.Messages[0].Text = strings.Repeat("word ", 10_000)
		within := func(d time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			decided, err := b.Decide(ctx, long, &Caller{ID: "2", Client: "bob"})
			if err != nil {
				t.Fatal(err)
			}
			run, err := b.Start(ctx, decided)
			if err == nil {
				run.Close()
			}
			return err
		}
		before := b.instruct.prepared
		var late *fault.Error
		if err := within(time.Minute); !errors.As(err, &late) || late.Code != fault.CodeDeadline || late.RetryAfter < time.Second ||
			!strings.Contains(late.Message, "the request may take 1m0s") {
			t.Errorf("%v", err)
		}
		if b.instruct.prepared != before {
			t.Error("it was prepared")
		}
		if err := within(24 * time.Hour); err != nil {
			t.Errorf("in time: %v", err)
		}
	})
}

// Who waits for a place leaves when there is no time left for the prompt, and not when nobody waits for it any more.
func TestWhoCannotBeginInTimeStopsWaitingForAPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, plainly, func(o *Options) { o.MaxConcurrent, o.Patience = 1, time.Hour })
		teach(t, b)
		held, err := b.start(t, question())
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		decided, err := b.Decide(ctx, question(), &Caller{ID: "2", Client: "bob"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Start(ctx, decided); !errors.Is(err, engine.ErrLate) || ctx.Err() != nil {
			t.Errorf("%v, %v", err, ctx.Err())
		}
	})
}

// teach has a core see an answer that takes 6 s.
func teach(t *testing.T, b *bench) {
	t.Helper()
	run, err := b.start(t, question())
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	time.Sleep(6 * time.Second)
	if _, err := Collect(run); err != nil {
		t.Fatal(err)
	}
}

// What cannot fit however its pictures turn out is refused before they are fetched.
func TestMorePicturesThanTheContextHoldsAreNotFetched(t *testing.T) {
	b := newBench(t, plainly, func(o *Options) { o.Media = media.New(media.Options{}) })
	b.instruct.info = engine.Info{
		ContextSize: 1000, TokenBytes: 8, Vision: &engine.VisionInfo{PatchSize: 16, MergeSize: 2, MinPixels: 100 * 32 * 32},
	}
	for pictures, fits := range map[int]bool{9: true, 10: false} {
		req := question()
		for range pictures {
			req.Images = append(req.Images, &request.Image{Path: "image", URL: "https://x/a.png"})
		}
		run, err := b.start(t, req)
		var tooLong *engine.ContextLengthError
		if fits != (err == nil) || !fits && (!errors.As(err, &tooLong) || !tooLong.More || tooLong.PromptTokens != 1000) {
			t.Errorf("%d pictures of 100 tokens at least: %v", pictures, err)
		}
		if err == nil {
			run.Close()
		}
	}
	if b.instruct.prepared != 1 {
		t.Errorf("%d were prepared", b.instruct.prepared)
	}
}

// Pictures that a request brings along are weighed by their sizes before anything is decoded, others by their number.
func TestPicturesAreWeighedByTheirSizes(t *testing.T) {
	b := newBench(t, plainly, func(o *Options) { o.Media = media.New(media.Options{}) })
	b.instruct.info = engine.Info{ContextSize: 1000, Vision: &engine.VisionInfo{PatchSize: 16, MergeSize: 2, MinPixels: 32 * 32}}
	req := question()
	const dot = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAUAAAADACAAAAABQPOUaAAAAD0lEQVQ=" // of 320 by 192 pixels
	for _, url := range []string{dot, "https://x/a.png"} {
		req.Images = append(req.Images, &request.Image{Path: "image", URL: url})
	}
	d, err := b.Decide(t.Context(), req, &Caller{})
	if err != nil {
		t.Fatal(err)
	}
	if w := b.expected(d, nil, 1); w.Images != 2 || w.Sized != 1 || w.ImageTokens != 10*6 {
		t.Errorf("%+v", w)
	}
}
