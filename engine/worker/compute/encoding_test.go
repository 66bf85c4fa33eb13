package compute

import (
	"context"
	"errors"
	"testing"

	"github.com/qwenvld/qwenvld/engine/worker/rowcache"
	"github.com/qwenvld/qwenvld/engine/worker/schedule"
)

// submit starts a job.
func submit(ctx context.Context, t *testing.T, l *Loop, s Spec) *Job {
	t.Helper()
	j, err := l.Submit(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// An answer gets its tokens between the slices of an encode.
func TestAnswersGoOnBetweenSlices(t *testing.T) {
	m := newFakeModel(t, 1000)
	e := &fakeEncoder{t: t, slices: 40}
	between := 0
	m.fail = func([]Row) error {
		if e.open.Load() > 0 {
			between++
		}
		return nil
	}
	l := start(t, m, e, Options{})
	streaming := submit(t.Context(), t, l, spec(900, text(1)))
	got := do(t, l, spec(2, picture(1, 2, 2), text(1)))
	streaming.Cancel()
	if got.err != nil || between < e.slices-1 {
		t.Errorf("%d steps while %d slices were computed: %+v", between, e.slices, got)
	}
}

func TestAPictureThatSeveralShowIsEncodedOnce(t *testing.T) {
	gate := make(chan struct{}, 2)
	e := &fakeEncoder{t: t, gate: gate}
	l := start(t, newFakeModel(t, 1000), e, Options{Rows: rowcache.New(1 << 20), Limits: schedule.Limits{AheadBytes: 1 << 20, RowBytes: 4}})
	var jobs []*Job
	for i := range int32(3) {
		jobs = append(jobs, submit(t.Context(), t, l, spec(3, text(i), picture(7, 2, 2), text(1))))
	}
	gate <- struct{}{}
	for _, j := range jobs {
		if got := read(j); got.err != nil || len(got.text) != 3 {
			t.Errorf("%+v", got)
		}
	}
	if got := do(t, l, spec(3, picture(7, 2, 2), text(1))); got.err != nil || e.begun.Load() != 1 {
		t.Errorf("%d encodes, %v", e.begun.Load(), got.err)
	}
	if stats := l.o.Rows.Stats(); stats.Used != 0 || stats.Kept != 4*2*2 {
		t.Errorf("%+v", stats)
	}
}

// While one answer has the only slot, the picture of the next request is encoded, and rows that are in use stay.
func TestPicturesAreEncodedAheadOfASlot(t *testing.T) {
	e := &fakeEncoder{t: t}
	m := newFakeModel(t, 5000)
	encoded := make(chan struct{})
	m.fail = func([]Row) error {
		select {
		case <-encoded:
		default:
			if e.begun.Load() == 1 && e.open.Load() == 0 {
				close(encoded)
			}
		}
		return nil
	}
	m.script = func(int32, int) (int32, bool) { return 1, true } // for ever
	l := start(t, m, e, Options{Limits: schedule.Limits{Sequences: 1, AheadBytes: 1 << 20, RowBytes: 4}})
	first := submit(t.Context(), t, l, spec(4900, text(1)))
	second := submit(t.Context(), t, l, spec(3, picture(7, 2, 2), text(1)))
	<-encoded
	first.Cancel()
	if got := read(second); got.err != nil || len(got.text) != 3 || e.begun.Load() != 1 {
		t.Errorf("%+v, %d encodes", got, e.begun.Load())
	}
}

// A run that nobody waits for any more is closed.
func TestAnEncodeEndsWithItsLastViewer(t *testing.T) {
	e := &fakeEncoder{t: t, slices: 1 << 30}
	l := start(t, newFakeModel(t, 1000), e, Options{})
	ctx, leave := context.WithCancel(t.Context())
	viewers := []*Job{
		submit(ctx, t, l, spec(3, picture(7, 2, 2), text(1))), submit(ctx, t, l, spec(3, text(2), picture(7, 2, 2))),
	}
	if got := do(t, l, spec(30, text(1))); got.err != nil {
		t.Error(got.err)
	}
	leave()
	for _, j := range viewers {
		if got := read(j); !errors.Is(got.err, context.Canceled) {
			t.Errorf("%+v", got)
		}
	}
	if got := do(t, l, spec(3, text(1))); got.err != nil || e.open.Load() != 0 {
		t.Errorf("%d encodings are open, %v", e.open.Load(), got.err)
	}
}

func TestAFailedEncodeEndsAllWhoWaitForIt(t *testing.T) {
	boom := errors.New("boom")
	e := &fakeEncoder{t: t, err: boom}
	l := start(t, newFakeModel(t, 1000), e, Options{})
	jobs := []*Job{
		submit(t.Context(), t, l, spec(3, picture(7, 2, 2), text(1))), submit(t.Context(), t, l, spec(3, text(2), picture(7, 2, 2))),
	}
	for _, j := range jobs {
		if got := read(j); !errors.Is(got.err, boom) {
			t.Errorf("%+v", got)
		}
	}
}
