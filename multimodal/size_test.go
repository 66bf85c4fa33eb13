package multimodal

import (
	"errors"
	"fmt"
	"testing"
)

func TestSmartResizeChoosesWhatTransformersChooses(t *testing.T) {
	for _, c := range []struct{ h, w, wantH, wantW int }{
		{32, 32, 256, 256},
		{720, 1280, 704, 1280},
		{30, 305, 96, 832},
		{1200, 1040, 1216, 1024},
		{200, 300, 224, 320},
		{1080, 1920, 1088, 1920},
		{10, 1500, 32, 3136},
		{2160, 3840, 2176, 3840},
		{80, 1000, 96, 928},
		{3000, 4000, 3008, 4000},
		{480, 640, 480, 640},
		{4100, 4100, 4096, 4096},
		{1, 1, 256, 256},
		{1, 200, 32, 3648},
		{48, 80, 224, 352},
		{10000, 10000, 4096, 4096},
	} {
		h, w, err := SmartResize(c.h, c.w, 32, DefaultPixelLimits())
		if err != nil || h != c.wantH || w != c.wantW {
			t.Errorf("%d x %d (height x width) becomes %d x %d, %v, want %d x %d", c.h, c.w, h, w, err, c.wantH, c.wantW)
		}
	}
}

func TestSmartResizeKeepsToNarrowLimits(t *testing.T) {
	for _, limits := range []PixelLimits{{Min: 1024, Max: 4096}, {Min: 65536, Max: 65536}, {Min: 1, Max: 1024}} {
		for _, side := range []int{1, 31, 48, 100, 700, 3000} {
			h, w, err := SmartResize(side, 2*side, 32, limits)
			if err != nil || h%32 != 0 || w%32 != 0 || h < 32 || w < 32 {
				t.Errorf("%d x %d in %v becomes %d x %d, %v", side, 2*side, limits, h, w, err)
			}
		}
	}
}

func TestSmartResizeRefusesImpossibleSizes(t *testing.T) {
	for _, c := range []struct {
		h, w int
		kind Kind
	}{{1, 201, KindAspectRatio}, {4020, 20, KindAspectRatio}, {0, 5, KindCorrupt}, {-1, 5, KindCorrupt}} {
		_, _, err := SmartResize(c.h, c.w, 32, DefaultPixelLimits())
		var e *Error
		if !errors.As(err, &e) || e.Kind != c.kind {
			t.Errorf("%d x %d: %v", c.h, c.w, err)
		}
	}
	if _, _, err := SmartResize(1, 200, 32, DefaultPixelLimits()); err != nil {
		t.Errorf("1 x 200: %v", err)
	}
}

func TestPositionsFollowTheThreeAxes(t *testing.T) {
	cases := []struct {
		spans []Span
		want  string
		next  int32
	}{
		{nil, "[]", 0},
		{[]Span{{Tokens: 2}}, "[{0 0 0} {1 1 1}]", 2},
		{
			[]Span{{Tokens: 1}, {Rows: 2, Cols: 3}, {Tokens: 2}},
			"[{0 0 0} {1 1 1} {1 1 2} {1 1 3} {1 2 1} {1 2 2} {1 2 3} {4 4 4} {5 5 5}]", 6,
		},
		{[]Span{{Rows: 3, Cols: 1}, {Rows: 1, Cols: 2}}, "[{0 0 0} {0 1 0} {0 2 0} {3 3 3} {3 3 4}]", 5},
	}
	for _, c := range cases {
		got, next := Positions(c.spans)
		if fmt.Sprint(got) != c.want || next != c.next {
			t.Errorf("%v gives %v, next %d, want %s, %d", c.spans, got, next, c.want, c.next)
		}
	}
}

func TestSmartResizeNeverLosesASide(t *testing.T) {
	for _, c := range [][2]int{{1, 1}, {10, 300}, {300, 10}, {15, 15}} {
		h, w, err := SmartResize(c[0], c[1], 32, PixelLimits{Min: 0, Max: 4096})
		if err != nil || h < 32 || w < 32 {
			t.Errorf("%v becomes %d x %d, %v", c, h, w, err)
		}
	}
}
