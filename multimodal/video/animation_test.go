package video

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"testing"

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
