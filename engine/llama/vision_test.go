package llama

import (
	"context"
	"errors"
	"testing"
	"time"
)

func gradient(width, height int) []byte {
	rgb := make([]byte, 3*width*height)
	for i := range rgb {
		rgb[i] = byte(i*7 + i/(3*width)*13)
	}
	return rgb
}

func TestPlanGrowsWithTheImageAndRefusesWhatDoesNotFit(t *testing.T) {
	v := loadVision(t, denseProjector, 8<<20)
	small, err := v.Plan(1, 64, 64)
	if err != nil {
		t.Fatal(err)
	}
	large, err := v.Plan(1, 4096, 4096)
	var memory *MemoryError
	if !errors.As(err, &memory) {
		t.Fatalf("err = %v, want *MemoryError", err)
	}
	if small <= 0 || large <= 100*small || memory.Needed != large || memory.Limit != 8<<20 {
		t.Errorf("small %d, large %d, error %+v", small, large, memory)
	}
	img := gradient(4096, 4096)
	if _, err := v.Encode(context.Background(), [2][]byte{img, img}, 4096, 4096); !errors.As(err, &memory) {
		t.Errorf("Encode: %v, want *MemoryError", err)
	}
}

func TestEncodeRefusesWrongSizes(t *testing.T) {
	v := loadVision(t, denseProjector, 0)
	img := gradient(64, 64)
	for name, tc := range map[string]struct {
		frames        [2][]byte
		width, height int
	}{
		"not a multiple of the merged patch": {[2][]byte{img, img}, 64, 48},
		"no pixels":                          {[2][]byte{nil, nil}, 0, 0},
		"negative":                           {[2][]byte{img, img}, -64, 64},
		"short frame":                        {[2][]byte{img, img[1:]}, 64, 64},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := v.Encode(context.Background(), tc.frames, tc.width, tc.height); err == nil {
				t.Fatal("accepted")
			}
		})
	}
}

func TestEncodeEndsWhenItsContextDoes(t *testing.T) {
	v := loadVision(t, denseProjector, 0)
	img := gradient(2048, 2048)
	patience := 50 * time.Millisecond
	if len(testCards()) > 0 {
		patience = time.Millisecond // a card may be done with this picture in 50
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	start := time.Now()
	if _, err := v.Encode(ctx, [2][]byte{img, img}, 2048, 2048); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("err = %v after %v, want context.DeadlineExceeded", err, time.Since(start))
	}
	small := gradient(64, 64)
	if _, err := v.Encode(context.Background(), [2][]byte{small, small}, 64, 64); err != nil {
		t.Fatalf("after a cancelled encode: %v", err)
	}
}

func TestEncodeIsDeterministicAndSeesBothFrames(t *testing.T) {
	v := loadVision(t, denseProjector, 0)
	a, b := gradient(96, 64), make([]byte, 3*96*64)
	still, err := v.Encode(context.Background(), [2][]byte{a, a}, 96, 64)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(still), v.Rows(96, 64)*v.RowWidth(); got != want || v.Rows(96, 64) != 6 {
		t.Fatalf("%d floats, want %d in 6 rows", got, want)
	}
	copied := append([]byte(nil), a...) // another slice with the same pixels takes the frame-pair path
	again, err := v.Encode(context.Background(), [2][]byte{a, copied}, 96, 64)
	if err != nil {
		t.Fatal(err)
	}
	if r := relative(again, still); r > 1e-6 {
		t.Errorf("a still image as a pair differs by %g", r)
	}
	pair, err := v.Encode(context.Background(), [2][]byte{a, b}, 96, 64)
	if err != nil {
		t.Fatal(err)
	}
	if relative(pair, still) < 1e-3 {
		t.Error("the second frame does not matter")
	}
}

func BenchmarkEncode(b *testing.B) {
	v := loadVision(b, denseProjector, 0)
	img := gradient(640, 480)
	for b.Loop() {
		if _, err := v.Encode(context.Background(), [2][]byte{img, img}, 640, 480); err != nil {
			b.Fatal(err)
		}
	}
}
