package compute

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/qwenvld/qwenvld/engine/worker/schedule"
)

// A loop whose decoder does not come back looks busy and stands still, which is how a hang is told from rest.
func TestHangingDecoderShowsInThePulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		m := newFakeModel(t, 100)
		m.fail = func([]Row) error {
			<-hang
			return nil
		}
		l := New(Options{Limits: schedule.Limits{Cells: 100, Sequences: 1, BatchRows: 16, PrefillRows: 8}, MaxQueue: 1}, m, nil, fakeVocab{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			l.Run(ctx)
		}()
		synctest.Wait()
		if p := l.Decoding(); p.Busy {
			t.Errorf("at rest: %+v", p)
		}
		j, err := l.Submit(t.Context(), spec(3, text(4)))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		hung := l.Decoding()
		synctest.Wait()
		if p := l.Decoding(); !p.Busy || p != hung || p.Steps != 0 {
			t.Errorf("hanging: %+v, then %+v", hung, p)
		}
		close(hang)
		if got := read(j); got.err != nil {
			t.Error(got.err)
		}
		synctest.Wait()
		if p := l.Decoding(); p.Busy || p.Steps == 0 || p.Beats <= hung.Beats {
			t.Errorf("afterwards: %+v", p)
		}
		cancel()
		<-ended
	})
}

func TestHangingEncoderShowsInThePulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		l := New(Options{Limits: schedule.Limits{Cells: 100, Sequences: 1, BatchRows: 16, PrefillRows: 8}, MaxQueue: 1}, newFakeModel(t, 100),
			&fakeEncoder{t: t, gate: gate}, fakeVocab{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			l.Run(ctx)
		}()
		j, err := l.Submit(t.Context(), spec(3, picture(1, 1, 1), text(1)))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if d, e := l.Decoding(), l.Encoding(); d.Busy || !e.Busy || e.Steps != 0 {
			t.Errorf("hanging: decoding %+v, encoding %+v", d, e)
		}
		close(gate)
		if got := read(j); got.err != nil {
			t.Error(got.err)
		}
		synctest.Wait()
		if e := l.Encoding(); e.Busy || e.Steps != 1 {
			t.Errorf("afterwards: %+v", e)
		}
		cancel()
		<-ended
	})
}
