package compute

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/worker/schedule"
)

// timings reads a job to its end and gives what its events tell of its first token, and when the first of them came.
func timings(j *Job) (told []*engine.Timing, first time.Time) {
	for {
		events, done, err := j.Events(j.ctx)
		for i := range events {
			if events[i].Timing != nil {
				told = append(told, events[i].Timing)
				first = time.Now()
			}
		}
		if done || err != nil {
			return told, first
		}
	}
}

func TestARequestIsToldWhatItWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const step, slice = 10 * time.Millisecond, 3 * time.Millisecond
		m := newFakeModel(t, 1000)
		m.fail = func([]Row) error {
			time.Sleep(step)
			return nil
		}
		l := start(t, m, &fakeEncoder{t: t, slices: 2, slice: slice}, Options{Limits: schedule.Limits{Sequences: 1}})
		begun := time.Now()
		first := submit(t.Context(), t, l, spec(5, text(1)))
		second := submit(t.Context(), t, l, spec(3, text(1), picture(7, 2, 2), text(1)))
		alone, _ := timings(first)
		// A step for the prompt gives the first token, and each of the others takes one.
		if want := (engine.Timing{Taken: begun, FirstToken: step}); len(alone) != 1 || *alone[0] != want {
			t.Errorf("%+v, want %+v once", alone, want)
		}
		waited, at := timings(second)
		if len(waited) != 1 {
			t.Fatalf("told %d times", len(waited))
		}
		got := waited[0]
		// It waits for the five steps of the first, and then takes three of its own: no batch mixes tokens and pictures.
		if got.Taken != begun || got.Queued < 5*step || got.FirstToken != 8*step+3*slice || got.FirstToken != at.Sub(begun) {
			t.Errorf("%+v, and its first token came after %s", got, at.Sub(begun))
		}
		// Its picture is encoded between steps, while it waits or later.
		if got.EncodeEnd < got.EncodeBegin+3*slice || got.EncodeEnd > got.FirstToken-2*step {
			t.Errorf("a picture of three slices: %+v", got)
		}
		again, _ := timings(submit(t.Context(), t, l, spec(1, text(2))))
		if len(again) != 1 || again[0].EncodeEnd != 0 || again[0].Queued != 0 {
			t.Errorf("nothing to wait for: %+v", again)
		}
	})
}
