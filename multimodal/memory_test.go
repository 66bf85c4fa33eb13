package multimodal

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/internal/hostile"
)

// What a job is weighed with is what it allocates, or more: the sum over all that are decoded at a time is bounded by it.
func TestMemoryIsWeighedByWhatDecodersAllocate(t *testing.T) {
	files := map[string][]byte{
		"progressive":    hostile.ProgressiveJPEG(800, 600, 3),
		"lossless WebP":  hostile.LosslessWebP(800, 600),
		"deep TIFF":      hostile.DeepTIFF(800, 600),
		"deep PNG":       hostile.DeepPNG(800, 600, false),
		"interlaced PNG": hostile.DeepPNG(800, 600, true),
	}
	names, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		switch filepath.Ext(name) {
		case ".png", ".jpg", ".gif", ".webp", ".bmp", ".tiff":
			if files[name], err = os.ReadFile(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, data := range files {
		if strings.Contains(name, "truncated") {
			continue
		}
		j := &Job{Data: data, MaxPixels: 1 << 24, Width: 320, Height: 256}
		weight, err := j.memory()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		took := allocated(func() {
			if err := j.Run(context.Background(), func(int, *Image) error { return nil }); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		// Beside pixels there are tables and buffers, which do not grow with them but for what the race detector adds.
		const beside = 2 << 20
		if took > weight+beside {
			t.Errorf("%s: weighed with %d bytes, allocates %d", name, weight, took)
		}
		if took > beside && weight > 4*took {
			t.Errorf("%s: weighed with %d bytes, allocates only %d", name, weight, took)
		}
		t.Logf("%-40s %4d of %4d KiB", name, took>>10, weight>>10)
	}
}

// allocated is how many bytes do takes.
func allocated(do func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}
