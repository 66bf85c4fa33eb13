package media

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/multimodal/video"
)

// long is a film of 40 seconds, 60 tokens a pair: 2 fps are 40 pairs.
func long() *film { return &film{info: video.Info{Width: 320, Height: 192, Frames: 400, FPS: 10}} }

func rate(fps float64) video.Request {
	return video.Request{
		Factor: 32, Budget: video.DefaultPixelBudget(), Stamps: video.StampSeconds,
		Sampling: video.Sampling{FPS: fps, MinFrames: 4, MaxFrames: 768},
	}
}

// bytesOf counts a prompt of so many tokens and its stamps, of which each byte is one.
func bytesOf(bare int) func(ctx context.Context, stamps [][]string) (int, error) {
	return func(_ context.Context, stamps [][]string) (int, error) {
		n := bare
		for _, s := range stamps {
			n += len(strings.Join(s, ""))
		}
		return n, nil
	}
}

// largestIn reads what rate an error says to fit.
func largestIn(t *testing.T, err error) float64 {
	t.Helper()
	var fps float64
	_, tail, _ := strings.Cut(fmt.Sprint(err), "largest fps that fits is ")
	if _, scan := fmt.Sscanf(tail, "%g", &fps); scan != nil {
		t.Fatalf("no rate in %v", err)
	}
	return fps
}

func TestVideosThatDoNotFitAreRefusedWithTheRateThatDoes(t *testing.T) {
	room := Room{ContextSize: 2000, MaxTokens: 200, Factor: 32, Images: []engine.Image{{Width: 64, Height: 320}}}
	fit := func(fps float64) error {
		return show(t, []*film{long()}, rate(fps)).Fit(t.Context(), room, bytesOf(100))
	}
	err := fit(2)
	wantFault(t, err, fault.CodeContextLength, "film[0]",
		"This model's context holds 2000 tokens. The prompt has 3070: 650 of text and timestamps, 20 of images and 2400 of 80 video frames.")
	fps := largestIn(t, err)
	if err := fit(fps); err != nil {
		t.Errorf("fps %v: %v", fps, err)
	}
	if err := fit(fps * 1.15); err == nil {
		t.Errorf("fps %v fits too", fps*1.15)
	}
}

func TestARateOfAutoIsLoweredAsFarAsNeeded(t *testing.T) {
	for name, c := range map[string]struct {
		room        Room
		bare        int
		least, most int // pairs
	}{
		"not at all":                         {Room{ContextSize: 4096}, 100, 40, 40},
		"to what leaves room for the answer": {Room{ContextSize: 2000, MaxTokens: 200}, 100, 20, 23},
		"an answer of unknown length":        {Room{ContextSize: 2000}, 100, 18, 22},
		"an answer of any length has half":   {Room{ContextSize: 2000, MaxTokens: 1_000_000}, 100, 10, 12},
		"images count":                       {Room{ContextSize: 2000, MaxTokens: 200, Images: []engine.Image{{Width: 320, Height: 3200}}}, 100, 5, 9},
		"a long text":                        {Room{ContextSize: 2000, MaxTokens: 200}, 1600, 2, 2},
		"by no more than is needed":          {Room{ContextSize: 3048, MaxTokens: 1}, 100, 39, 40},
	} {
		t.Run(name, func(t *testing.T) {
			v := show(t, []*film{long()}, rate(2))
			v.videos[0].auto = true
			c.room.Factor = 32
			if err := v.Fit(t.Context(), c.room, bytesOf(c.bare)); err != nil {
				t.Fatal(err)
			}
			if n := v.pairs(); n < c.least || n > c.most {
				t.Errorf("%d pairs, want %d to %d", n, c.least, c.most)
			}
			text, _ := bytesOf(c.bare)(t.Context(), v.Stamps())
			if total := text + v.Tokens() + c.room.imageTokens(); total >= c.room.ContextSize {
				t.Errorf("%d tokens in %d", total, c.room.ContextSize)
			}
		})
	}
}

// Only the videos that are auto give way; the others are shown as was asked.
func TestOnlyRatesOfAutoAreLowered(t *testing.T) {
	list := video.Request{Factor: 32, Budget: video.DefaultPixelBudget(), Sampling: video.Sampling{NumFrames: 4, FPS: 1}}
	v := show(t, []*film{long(), long(), short()}, rate(0.5), rate(2), list)
	v.videos[1].auto, v.videos[2].auto = true, true
	if err := v.Fit(t.Context(), Room{ContextSize: 1600, MaxTokens: 100, Factor: 32}, bytesOf(50)); err != nil {
		t.Fatal(err)
	}
	got := v.Stamps()
	if len(got[0]) != 10 || len(got[1]) >= 20 || len(got[1]) < 8 || len(got[2]) != 2 {
		t.Errorf("%d, %d and %d pairs", len(got[0]), len(got[1]), len(got[2]))
	}
}

func TestVideosThatFitAtNoRateAreRefused(t *testing.T) {
	fixed := rate(0)
	fixed.Sampling.NumFrames = 80
	for name, c := range map[string]struct {
		wanted video.Request
		auto   bool
	}{"the fewest frames are too many": {rate(2), false}, "also with auto": {rate(2), true}, "a number of frames": {fixed, true}} {
		t.Run(name, func(t *testing.T) {
			v := show(t, []*film{long()}, c.wanted)
			v.videos[0].auto = c.auto
			err := v.Fit(t.Context(), Room{ContextSize: 200, MaxTokens: 50, Factor: 32}, bytesOf(20))
			wantFault(t, err, fault.CodeContextLength, "film[0]", "No fps is low enough; ask for fewer min_frames, max_pixels")
		})
	}
}

// Stamps may take more than was estimated from those of a higher rate; then the rate is lowered further, but not for ever.
func TestStampsThatGrowLowerTheRateFurther(t *testing.T) {
	asked := 0
	growing := func(_ context.Context, stamps [][]string) (int, error) {
		asked++
		pairs := len(stamps[0])
		return 100 + pairs*(40-pairs/2), nil
	}
	v := show(t, []*film{long()}, rate(2))
	v.videos[0].auto = true
	room := Room{ContextSize: 2000, MaxTokens: 1, Factor: 32}
	if err := v.Fit(t.Context(), room, growing); err != nil {
		t.Fatal(err)
	}
	if n, _ := growing(t.Context(), v.Stamps()); n+v.Tokens() >= room.ContextSize || asked < 5 {
		t.Errorf("%d tokens after %d counts", n+v.Tokens(), asked)
	}
	asked = 0
	v = show(t, []*film{long()}, rate(2))
	v.videos[0].auto = true
	err := v.Fit(t.Context(), room, func(_ context.Context, stamps [][]string) (int, error) {
		asked++
		if len(stamps[0]) == 0 {
			return 0, nil
		}
		return room.ContextSize, nil
	})
	if wantFault(t, err, fault.CodeContextLength, "film[0]", ""); asked > 2+lowerings {
		t.Errorf("counted %d times", asked)
	}
}

func TestACountThatFailsEndsFit(t *testing.T) {
	broken := errors.New("the worker died")
	for failing := 1; failing <= 3; failing++ {
		v := show(t, []*film{long()}, rate(2))
		v.videos[0].auto = true
		asked := 0
		err := v.Fit(t.Context(), Room{ContextSize: 2000, Factor: 32}, func(ctx context.Context, stamps [][]string) (int, error) {
			if asked++; asked == failing {
				return 0, broken
			}
			return bytesOf(100)(ctx, stamps)
		})
		if !errors.Is(err, broken) || asked != failing {
			t.Errorf("count %d: %v after %d", failing, err, asked)
		}
	}
}

func TestRatesAreRoundedDownToWhatFits(t *testing.T) {
	for name, c := range map[string]struct {
		free   int
		want   float64
		lowest bool // no rate is low enough
	}{
		"everything":           {free: 40 * 60, want: 2},
		"all but a pair":       {free: 39 * 60, want: 1.97}, // 78 frames of 400 at 10 fps; 1.975 would be 79, which are 40 pairs
		"half":                 {free: 20 * 60, want: 1.02},
		"the fewest frames":    {free: 2 * 60, want: 0.12},
		"less than the fewest": {free: 2*60 - 1, lowest: true},
		"less than nothing":    {free: -5, lowest: true},
	} {
		t.Run(name, func(t *testing.T) {
			search := rateSearch{videos: show(t, []*film{long()}, rate(2)).videos, free: c.free}
			fps, ok := search.largest()
			if ok == c.lowest || fps != c.want {
				t.Errorf("%v %v, want %v", fps, ok, c.want)
			}
		})
	}
	// Of a video of many hours even a hundredth may be too much.
	hours := &film{info: video.Info{Width: 320, Height: 192, Frames: 3_600_000, FPS: 10}}
	search := rateSearch{videos: show(t, []*film{hours}, rate(2)).videos, free: 20 * 60}
	search.videos[0].wanted.Budget.MaxTotal = 1 << 40
	if fps, ok := search.largest(); !ok || fps >= 0.01 || !search.fits(fps) {
		t.Errorf("%v %v", fps, ok)
	}
}
