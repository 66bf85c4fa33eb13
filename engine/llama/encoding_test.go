package llama

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"
)

// begin takes images in, and closes the encoding with the test.
func begin(t testing.TB, v *Vision, width, height int, images ...Frames) *Encoding {
	t.Helper()
	e, err := v.Begin(images, width, height)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func advance(t testing.TB, e *Encoding, within time.Duration) bool {
	t.Helper()
	done, err := e.Advance(context.Background(), within)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func whole(t testing.TB, v *Vision, width, height int, frames Frames) []float32 {
	t.Helper()
	rows, err := v.Encode(context.Background(), frames, width, height)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// An encode that stops wherever it can, beside another one that does and beside decoding, gives the rows of one that
// runs through.
func TestSlicesGiveTheSameRows(t *testing.T) {
	runtime.LockOSThread() // threads that compute are kept for each that ever did
	defer runtime.UnlockOSThread()
	v := loadVision(t, denseProjector, 0)
	c := newContext(t, loadModel(t, denseModel), ContextOptions{ContextSize: 64, BatchSize: 8, MaxSequences: 1})
	b := NewTokenBatch(8)
	defer func() { _ = b.Close() }()
	still, first, second := gradient(160, 96), gradient(64, 64), make([]byte, 3*64*64)
	want := [2][]float32{whole(t, v, 160, 96, Frames{still, still}), whole(t, v, 64, 64, Frames{first, second})}
	both := [2]*Encoding{begin(t, v, 160, 96, Frames{still, still}), begin(t, v, 64, 64, Frames{first, second})}
	steps := 0
	for done := false; !done; steps++ {
		if both[0].Rows() != nil && !both[0].done {
			t.Fatal("an encoding has rows before its end")
		}
		done = advance(t, both[0], 0)
		done = advance(t, both[1], 0) && done
		b.Reset()
		b.AddToken(1, int32(steps%64), 0, true)
		c.RemoveSequence(0, int32(steps%64), -1)
		if err := c.Decode(b); err != nil {
			t.Fatal(err)
		}
	}
	if steps < 20 {
		t.Errorf("only %d slices", steps)
	}
	for i, e := range both {
		if !slices.Equal(e.Rows(), want[i]) {
			t.Errorf("the image %d has other rows than in one go: they differ by %g", i, relative(e.Rows(), want[i]))
		}
	}
}

func TestImagesThatShareARunDoNotSeeEachOther(t *testing.T) {
	v := loadVision(t, denseProjector, 0)
	var pairs []Frames
	for i := range 5 {
		a, b := gradient(96, 64), gradient(96, 64)
		for j := range a {
			a[j], b[j] = a[j]+byte(i*50), b[j]*byte(i)
		}
		pairs = append(pairs, Frames{a, b})
	}
	e := begin(t, v, 96, 64, pairs...)
	if !advance(t, e, ToEnd) || !advance(t, e, 0) {
		t.Fatal("it is not at its end")
	}
	rows, each := e.Rows(), v.Rows(96, 64)*v.RowWidth()
	for i, p := range pairs {
		if r := relative(rows[i*each:(i+1)*each], whole(t, v, 96, 64, p)); r > 1e-6 {
			t.Errorf("the image %d differs by %g from itself alone", i, r)
		}
	}
	alone, err1 := v.Plan(1, 96, 64)
	together, err2 := v.Plan(5, 96, 64)
	if err1 != nil || err2 != nil || together <= alone {
		t.Errorf("five images take %d bytes, one %d (%v, %v)", together, alone, err1, err2)
	}
}

func TestAnEncodingEndsWhenItsContextDoes(t *testing.T) {
	v := loadVision(t, denseProjector, 0)
	img := gradient(96, 64)
	e := begin(t, v, 96, 64, Frames{img, img})
	advance(t, e, 0)
	left := errors.New("left")
	ctx, leave := context.WithCancelCause(context.Background())
	leave(left)
	if _, err := e.Advance(ctx, ToEnd); !errors.Is(err, left) {
		t.Errorf("%v", err)
	}
	for range 2 {
		if e.Close() != nil || e.Rows() != nil {
			t.Error("it is not closed")
		}
	}
	if _, err := e.Advance(context.Background(), 0); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	whole(t, v, 96, 64, Frames{img, img})
}

func TestBeginRefusesWrongSizes(t *testing.T) {
	v := loadVision(t, denseProjector, 0)
	img := gradient(96, 64)
	for name, images := range map[string][]Frames{
		"none":           {},
		"one without":    {{img, img}, {img, nil}},
		"one of another": {{img, img}, {img, img[3:]}},
	} {
		if _, err := v.Begin(images, 96, 64); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// What slices cost: the same image in one go and in as many slices as there can be. QWENVLD_BENCH_PROJECTOR names a
// projector of real size.
func BenchmarkSlices(b *testing.B) {
	path := os.Getenv("QWENVLD_BENCH_PROJECTOR")
	if path == "" {
		path = modelFile(b, denseProjector)
	}
	v, err := LoadVision(context.Background(), VisionOptions{Path: path, Threads: 2})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = v.Close() }()
	img := gradient(512, 512)
	for name, within := range map[string]time.Duration{"whole": ToEnd, "sliced": 0} {
		b.Run(name, func(b *testing.B) {
			slices := 0
			for b.Loop() {
				e := begin(b, v, 512, 512, Frames{img, img})
				for done := false; !done; slices++ {
					done = advance(b, e, within)
				}
				_ = e.Close()
			}
			b.ReportMetric(float64(slices)/float64(b.N), "slices")
		})
	}
}
