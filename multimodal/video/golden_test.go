package video

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/multimodal"
)

// golden is a line of testdata/selection.jsonl, made by testdata/make_goldens.py.
type golden struct {
	Frames        int      `json:"frames"`
	Rate          [2]int   `json:"rate"`
	Width         int      `json:"width"`
	Height        int      `json:"height"`
	MinTotal      int      `json:"min_total"`
	MaxTotal      int      `json:"max_total"`
	FPS           float64  `json:"fps"`
	NumFrames     int      `json:"num_frames"`
	MinFrames     int      `json:"min_frames"`
	MaxFrames     int      `json:"max_frames"`
	Start         float64  `json:"start"`
	End           *float64 `json:"end"`
	Indices       []int    `json:"indices"`
	IndicesSHA256 string   `json:"indices_sha256"`
	Stamps        []string `json:"stamps"`
	StampsSHA256  string   `json:"stamps_sha256"`
	Resized       [2]int   `json:"resized"`
	Error         string   `json:"error"`
}

func digest[T any](items []T) string {
	texts := make([]string, len(items))
	for i, v := range items {
		texts[i] = fmt.Sprint(v)
	}
	sum := sha256.Sum256([]byte(strings.Join(texts, ",")))
	return hex.EncodeToString(sum[:])
}

// fixed is a source of which only the description counts.
type fixed struct{ info Info }

func (f fixed) Info() *Info             { return &f.info }
func (fixed) Reach(indices []int) []int { return indices }
func (fixed) Files() ([][]byte, error)  { panic("nothing is read") }
func (fixed) Close() error              { return nil }
func (fixed) Read(context.Context, []int, func(int, *multimodal.Image) error) error {
	panic("nothing is read")
}

func TestPlansMatchTransformers(t *testing.T) {
	data, err := os.ReadFile("testdata/selection.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); n++ {
		var g golden
		if err := json.Unmarshal(lines.Bytes(), &g); err != nil {
			t.Fatal(err)
		}
		src := fixed{Info{Width: g.Width, Height: g.Height, Frames: g.Frames, FPS: float64(g.Rate[0]) / float64(g.Rate[1])}}
		plan, err := NewPlan(src, &Request{
			Factor: 32, Budget: PixelBudget{MinTotal: g.MinTotal, MaxTotal: g.MaxTotal},
			Sampling: Sampling{FPS: g.FPS, NumFrames: g.NumFrames, MinFrames: g.MinFrames, MaxFrames: g.MaxFrames, Start: g.Start, End: g.End},
		})
		if g.Error != "" {
			if err == nil {
				t.Errorf("%s: is accepted", lines.Bytes())
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", lines.Bytes(), err)
			continue
		}
		if g.IndicesSHA256 == "" && !slices.Equal(plan.Indices, g.Indices) || g.IndicesSHA256 != "" && digest(plan.Indices) != g.IndicesSHA256 {
			t.Errorf("%s: frames %v", lines.Bytes(), plan.Indices)
		}
		if plan.Width != g.Resized[0] || plan.Height != g.Resized[1] {
			t.Errorf("%s: %d x %d", lines.Bytes(), plan.Width, plan.Height)
		}
		if g.StampsSHA256 == "" && !slices.Equal(plan.Stamps, g.Stamps) || g.StampsSHA256 != "" && digest(plan.Stamps) != g.StampsSHA256 {
			t.Errorf("%s: stamps %v", lines.Bytes(), plan.Stamps)
		}
	}
	if n < 60 {
		t.Errorf("only %d goldens", n)
	}
}

// transformers resizes video frames with torchvision, whose rounding differs from Pillow's by one level at most.
func TestResizedFramesMatchTransformers(t *testing.T) {
	data, err := os.ReadFile("testdata/resized.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Width, Height   int
		To              [2]int
		Frames, Resized [][]byte
	}
	if err := json.Unmarshal(data, &cases); err != nil || len(cases) == 0 {
		t.Fatal(len(cases), err)
	}
	for _, c := range cases {
		differ, all := 0, 0
		for i := range c.Frames {
			img := &multimodal.Image{Width: c.Width, Height: c.Height, RGB: c.Frames[i]}
			got, err := multimodal.Resize(context.Background(), img, c.To[0], c.To[1])
			if err != nil {
				t.Fatal(err)
			}
			for j, v := range got.RGB {
				all++
				switch d := int(v) - int(c.Resized[i][j]); d {
				case 0:
				case 1, -1:
					differ++
				default:
					t.Fatalf("%dx%d: %d levels apart", c.Width, c.Height, d)
				}
			}
		}
		if share := float64(differ) / float64(all); share > 0.01 {
			t.Errorf("%dx%d: %.2f%% of bytes differ", c.Width, c.Height, 100*share)
		}
	}
}

func TestHMSStamps(t *testing.T) {
	for seconds, want := range map[float64]string{
		0: "<00:00:00.0>", 3: "<00:00:03.0>", 0.25: "<00:00:00.2>", 59.96: "<00:01:00.0>", 3599.94: "<00:59:59.9>", 7384.55: "<02:03:04.6>",
		360_000: "<100:00:00.0>",
	} {
		if got := stamp(seconds, StampHMS); got != want {
			t.Errorf("%v is %s, want %s", seconds, got, want)
		}
	}
}

// Frames without a rate of their own have the times that the file gives them.
func TestStampsOfAVariableRate(t *testing.T) {
	info := &Info{Frames: 5, FPS: 1, Times: []float64{0, 0.1, 2, 7.5, 9}}
	if got := Stamps(info, []int{0, 1, 2, 3, 4}, StampSeconds); !slices.Equal(got, []string{"<0.1 seconds>", "<4.8 seconds>", "<9.0 seconds>"}) {
		t.Errorf("%v", got)
	}
	end := 8.0
	got, err := Select(info, Sampling{Start: 0.05, End: &end, NumFrames: 3})
	if err != nil || !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestPixelBudgetsBoundFrames(t *testing.T) {
	b := DefaultPixelBudget()
	b.MaxFrame = 12288
	if h, w, err := Resize(7, 720, 1280, 32, b); err != nil || h*w > 12288*7/6 || h*w < 12288/2 {
		t.Errorf("%d x %d, %v", w, h, err)
	}
	b.MinFrame = 9216
	if h, w, err := Resize(6, 32, 32, 32, b); err != nil || h*w < 9216 {
		t.Errorf("%d x %d, %v", w, h, err)
	}
}
