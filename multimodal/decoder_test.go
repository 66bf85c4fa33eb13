package multimodal

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/internal/hostile"
)

// Thousands of scans are refused before the first of them is decoded; what encoders make is not.
func TestProgressiveJPEGsWithTooManyScansAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want Kind
	}{
		"5,000 scans":                   {hostile.ProgressiveJPEG(640, 480, 5000), KindTooManyPixels},
		"60 scans of 64 million pixels": {hostile.ProgressiveJPEG(8000, 8000, 60), KindTooManyPixels},
		"40 scans":                      {hostile.ProgressiveJPEG(640, 480, 40), ""},
	} {
		if _, err := Decode(t.Context(), c.data, 100_000_000); kindOf(t, err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A reader that is given up while the decoder works ends it, whatever the format.
func TestLeavingEndsDecoding(t *testing.T) {
	files := map[string][]byte{
		"progressive JPEG": hostile.ProgressiveJPEG(300, 200, 200),
		"PNG":              hostile.DeepPNG(600, 400, true),
		"TIFF":             hostile.DeepTIFF(600, 400),
	}
	for _, name := range []string{"first-frame.gif", "plain.bmp", "subsampled-420.jpg", "lossy.webp", "lossless.webp"} {
		files[name] = sample(t, name)
	}
	for name, data := range files {
		h, err := readHeader(data)
		if err != nil {
			t.Fatal(err)
		}
		// The context ends when it is asked again, which is in the middle.
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		asked := &countingContext{Context: ctx, left: 1, end: func() { cancel(gone) }}
		if _, err := h.decode(asked, data); err == nil || !strings.Contains(err.Error(), errInterrupted.Error()) { // some say it in words only
			t.Errorf("%s: %v", name, err)
		}
		cancel(nil)
	}
}

// countingContext ends itself when it is asked for the second time.
type countingContext struct {
	context.Context
	left int
	end  func()
}

func (c *countingContext) Err() error {
	if c.left--; c.left < 0 {
		c.end()
	}
	return c.Context.Err()
}

func TestDecodingEndsInTime(t *testing.T) {
	d := NewDecoder(DecoderOptions{Timeout: time.Millisecond, Run: untilDone})
	if _, err := d.Decode(t.Context(), sample(t, "page.png"), 0, 0); kindOf(t, err) != KindDecodeTime {
		t.Errorf("an image: %v", err)
	}
	j := &Job{Data: hostile.AnimatedWebP(64, 64, 50), MaxPixels: 1 << 20, Frames: []int{49}}
	if err := d.Animate(t.Context(), j, time.Millisecond, nil); kindOf(t, err) != KindDecodeTime {
		t.Errorf("an animation: %v", err)
	}
}

// untilDone is a decoder that never ends by itself.
func untilDone(ctx context.Context, _ *Job, _ func(int, *Image) error) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// Time that others take is not the picture's, and who waits in vain is told that it is not his fault.
func TestWaitingForMemoryIsNobodysFault(t *testing.T) {
	page := sample(t, "page.png")
	j := &Job{Data: page, MaxPixels: 1 << 20}
	weight, err := j.memory()
	if err != nil {
		t.Fatal(err)
	}
	held := make(chan struct{})
	d := NewDecoder(DecoderOptions{
		Memory: weight + weight/2, AtOnce: 9, Wait: 10 * time.Millisecond, Timeout: time.Hour,
		Run: func(ctx context.Context, j *Job, frame func(int, *Image) error) error {
			close(held)
			return untilDone(ctx, j, frame)
		},
	})
	ctx, leave := context.WithCancel(t.Context())
	var other sync.WaitGroup
	other.Go(func() { _, _ = d.Decode(ctx, page, 0, 0) })
	<-held
	if _, err := d.Decode(t.Context(), page, 0, 0); kindOf(t, err) != KindBusy {
		t.Errorf("%v", err)
	}
	leave()
	other.Wait()
}

// What alone takes more than all may is refused before anything is allocated, with what it takes.
func TestPicturesThatTakeTooMuchMemoryAreRefused(t *testing.T) {
	d := NewDecoder(DecoderOptions{Memory: 64 << 20})
	for name, data := range map[string][]byte{
		"TIFF": hostile.DeepTIFF(3000, 2000), "interlaced PNG": hostile.DeepPNG(3000, 2000, true),
		"progressive JPEG": hostile.ProgressiveJPEG(3000, 2000, 3),
	} {
		var err error
		took := allocated(func() { _, err = d.Decode(t.Context(), data, 64, 64) })
		if kindOf(t, err) != KindTooManyPixels || took > 4<<20 {
			t.Errorf("%s: %v after %d bytes", name, err, took)
		}
	}
}
