package video

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/internal/hostile"
	"github.com/qwenvld/qwenvld/multimodal"
)

// Animated WebP needs no ffmpeg. testdata/make_goldens.py wrote what Pillow sees, over white.
func TestAnimatedWebPIsSeenAsPillowSeesIt(t *testing.T) {
	tool, err := NewTool(context.Background(), Options{FFmpeg: "/nonexistent/ffmpeg"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"opaque", "transparent"} {
		data, err := os.ReadFile("testdata/" + name + ".webp")
		if err != nil {
			t.Fatal(err)
		}
		var want struct {
			Durations []int
			Frames    [][]byte
		}
		golden, err := os.ReadFile("testdata/" + name + ".webp.json")
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(golden, &want); err != nil {
			t.Fatal(err)
		}
		src := open(t, tool, data)
		info, at := src.Info(), 0.0
		if info.Frames != len(want.Frames) {
			t.Fatalf("%s: %d frames", name, info.Frames)
		}
		for i, d := range want.Durations {
			if math.Abs(info.Time(i)-at) > 1e-9 {
				t.Errorf("%s: frame %d is at %v, want %v", name, i, info.Time(i), at)
			}
			at += float64(d) / 1000
		}
		seen := 0
		err = src.Read(context.Background(), []int{0, 1, 2, 2, 3, 4}, func(n int, img *multimodal.Image) error {
			seen++
			f := want.Frames[[]int{0, 1, 2, 2, 3, 4}[n]]
			for i, v := range img.RGB {
				// Blending rounds in two places here and in one there.
				if d := int(v) - int(f[i]); d > 1 || d < -1 {
					t.Errorf("%s: frame %d, byte %d is %d, want %d", name, n, i, v, f[i])
					break
				}
			}
			return nil
		})
		if err != nil || seen != 6 {
			t.Errorf("%s: %d frames, %v", name, seen, err)
		}
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(gone)
		if err := src.Read(ctx, []int{4}, func(int, *multimodal.Image) error { return nil }); !errors.Is(err, gone) {
			t.Errorf("%v", err)
		}
	}
}

// They are decoded here and not by children, so their memory is bounded here too.
func TestAnimationsAreBounded(t *testing.T) {
	tool := newTool(t, Options{Children: 1})
	var media *multimodal.Error
	if _, err := tryOpen(t, tool, append([]byte("RIFF\xff\xff\xff\x7fWEBP"), make([]byte, animationBytes)...)); !errors.As(err, &media) || media.Kind != multimodal.KindTooManyBytes {
		t.Errorf("%v", err)
	}
	data, err := os.ReadFile("testdata/opaque.webp")
	if err != nil {
		t.Fatal(err)
	}
	src := open(t, tool, data)
	pass := func(int, *multimodal.Image) error { return nil }
	if err := tool.slots.Acquire(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := src.Read(ctx, []int{0}, pass); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("beside another decoder: %v", err)
	}
	tool.slots.Release(1)
	if err := src.Read(context.Background(), []int{0}, pass); err != nil {
		t.Error(err)
	}
}

// 22 KB of it are some hundred frames of any size, which would be drawn one after the other.
func TestAnimationsEndInTime(t *testing.T) {
	tool := newTool(t, Options{DecodeTimeout: 100 * time.Millisecond})
	src := open(t, tool, hostile.AnimatedWebP(1200, 1000, 300))
	begun := time.Now()
	var media *multimodal.Error
	err := src.Read(context.Background(), []int{299}, func(int, *multimodal.Image) error { return nil })
	if !errors.As(err, &media) || media.Kind != multimodal.KindDecodeTime {
		t.Errorf("%v", err)
	}
	t.Logf("ended after %v", time.Since(begun))
}

// While others decode, a good video waits; the time does not count as its own, and in the end it is told to come again.
func TestWaitingForADecoderIsNotTheVideosFault(t *testing.T) {
	good := makeVideo(t, "a.mp4", append(pattern("64x48", "25", "1"), "-c:v", "libx264", "-pix_fmt", "yuv420p")...)
	moving, err := os.ReadFile("testdata/opaque.webp")
	if err != nil {
		t.Fatal(err)
	}
	tool := newTool(t, Options{Children: 1, Wait: 50 * time.Millisecond})
	clip, animated := open(t, tool, good), open(t, tool, moving)
	if err := tool.slots.Acquire(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	defer tool.slots.Release(1)
	pass := func(int, *multimodal.Image) error { return nil }
	_, opened := tryOpen(t, tool, good)
	for name, err := range map[string]error{
		"opening": opened, "a clip": clip.Read(context.Background(), []int{0}, pass), "an animation": animated.Read(context.Background(), []int{0}, pass),
	} {
		var media *multimodal.Error
		if !errors.As(err, &media) || media.Kind != multimodal.KindBusy {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDiskIsBoundedOverAllFiles(t *testing.T) {
	disk := NewDisk(t.TempDir(), 100)
	a, err := disk.NewFile()
	if err != nil {
		t.Fatal(err)
	}
	b, err := disk.NewFile()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := a.Write(make([]byte, 80)); err != nil {
		t.Fatal(err)
	}
	var media *multimodal.Error
	if _, err := b.Write(make([]byte, 30)); !errors.As(err, &media) || media.Kind != multimodal.KindBusy {
		t.Errorf("%v", err)
	}
	if err := errors.Join(a.Close(), a.Close()); err != nil {
		t.Error(err)
	}
	if _, err := b.Write(make([]byte, 100)); err != nil {
		t.Errorf("after the other was closed: %v", err)
	}
}

func TestAFullDiskIsNotTheVideosFault(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("this system has no file that is always full: %v", err)
	}
	disk := NewDisk(t.TempDir(), 100)
	f := &File{f: full, disk: disk}
	defer f.Close()
	var media *multimodal.Error
	if _, err := f.Write([]byte("a film")); !errors.As(err, &media) || media.Kind != multimodal.KindBusy || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v", err)
	}
	if used := disk.used.Load(); used != 0 {
		t.Errorf("%d bytes count as used", used)
	}
}
