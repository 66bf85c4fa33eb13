package video

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/qwenvld/qwenvld/multimodal"
)

// looped repeats a made video without coding it again.
func looped(b *testing.B, times string, args ...string) []byte {
	b.Helper()
	return makeVideo(b, "looped.mp4", "-stream_loop", times, "-i", write(b, b.TempDir(), makeVideo(b, "once.mp4", args...)), "-c", "copy")
}

// measure runs do and reports beside the clock's time that of the processors, decoders included, which other work on the machine does
// not stretch.
func measure(b *testing.B, do func() error) {
	b.Helper()
	used := func() (seconds float64) {
		for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
			var u syscall.Rusage
			if err := syscall.Getrusage(who, &u); err != nil {
				b.Fatal(err)
			}
			seconds += float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
		}
		return seconds
	}
	before := used()
	for b.Loop() {
		if err := do(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((used()-before)/float64(b.N), "cpu-s/op")
}

// What a 30 s film in 1080p takes until its 60 frames could be encoded.
func BenchmarkHalfAMinuteOf1080p(b *testing.B) {
	tool := newTool(b, Options{})
	data := looped(b, "9", append(pattern("1920x1080", "30", "3"), "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")...)
	request := &Request{Factor: 32, Budget: DefaultPixelBudget()}
	b.Run("probe", func(b *testing.B) {
		measure(b, func() error {
			src, err := tryOpen(b, tool, data)
			if err != nil {
				return err
			}
			return src.Close()
		})
	})
	src := open(b, tool, data)
	plan, err := NewPlan(src, request)
	if err != nil {
		b.Fatal(err)
	}
	pass := func(int, *multimodal.Image) error { return nil }
	keep := func(int, []byte) error { return nil }
	b.Run("ffmpeg alone", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "in.mp4")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			b.Fatal(err)
		}
		measure(b, func() error {
			return exec.Command("ffmpeg", "-v", "error", "-threads", "2", "-i", path, "-f", "null", "-").Run()
		})
	})
	b.Run("decode", func(b *testing.B) {
		measure(b, func() error { return src.Read(context.Background(), plan.Indices, pass) })
	})
	b.Run("decode and resize", func(b *testing.B) {
		measure(b, func() error { return ReadPairs(context.Background(), src, plan, keep) })
	})
	b.Run("first pair", func(b *testing.B) {
		seen := errors.New("one is enough")
		measure(b, func() error {
			err := ReadPairs(context.Background(), src, plan, func(int, []byte) error { return seen })
			if errors.Is(err, seen) {
				return nil
			}
			return err
		})
	})
}

// The most that is shown of a long film: 768 frames of two hours with a key frame every 10 s.
func BenchmarkTwoHours(b *testing.B) {
	tool := newTool(b, Options{})
	for _, size := range []string{"320x180", "1280x720"} {
		b.Run(size, func(b *testing.B) {
			data := looped(b, "359", append(pattern(size, "25", "20"),
				"-c:v", "libx264", "-preset", "ultrafast", "-crf", "40", "-g", "250", "-keyint_min", "250", "-sc_threshold", "0", "-pix_fmt", "yuv420p")...)
			measure(b, func() error {
				src, err := tryOpen(b, tool, data)
				if err != nil {
					return err
				}
				defer src.Close()
				plan, err := NewPlan(src, &Request{Factor: 32, Budget: DefaultPixelBudget()})
				if err != nil || len(plan.Indices) != DefaultMaxFrames {
					return fmt.Errorf("no plan of %d frames: %w", DefaultMaxFrames, err)
				}
				return ReadPairs(context.Background(), src, plan, func(int, []byte) error { return nil })
			})
		})
	}
}
