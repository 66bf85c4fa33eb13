package media

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/multimodal/video"
)

func optionPaths() map[string]string {
	paths := map[string]string{}
	for _, name := range []string{
		request.OptFPS, request.OptNumFrames, request.OptMinFrames, request.OptMaxFrames, request.OptMinPixels, request.OptMaxPixels,
		request.OptTotalPixels, request.OptStart, request.OptEnd,
	} {
		paths[name] = "part." + name
	}
	return paths
}

func TestVideoOptionsWithinLimits(t *testing.T) {
	type options = request.VideoOptions
	whole := video.DefaultPixelBudget()
	file, list := &request.Video{}, &request.Video{Frames: make([]request.Image, 3)}
	for name, c := range map[string]struct {
		limits   VideoLimits
		ref      *request.Video
		o        options
		sampling video.Sampling
		budget   video.PixelBudget
		stamps   video.StampFormat
	}{
		"nothing asked": {
			ref: file, sampling: video.Sampling{FPS: 2, MinFrames: 4, MaxFrames: 768}, budget: whole, stamps: video.StampSeconds,
		},
		"everything asked": {
			ref: file, o: options{
				FPS: ptr(5.0), NumFrames: ptr(9), MinFrames: ptr(2), MaxFrames: ptr(10), MinPixels: ptr(2000), MaxPixels: ptr(3000),
				TotalPixels: ptr(5000), Start: ptr(1.0), End: ptr(2.0), Stamps: video.StampHMS,
			},
			sampling: video.Sampling{FPS: 5, NumFrames: 9, MinFrames: 2, MaxFrames: 10, Start: 1, End: ptr(2.0)},
			budget:   video.PixelBudget{MinTotal: 4096, MaxTotal: 5000, MinFrame: 2000, MaxFrame: 3000}, stamps: video.StampHMS,
		},
		"a server that allows less than the defaults": {
			limits: VideoLimits{FPS: 0.5, Frames: 3, TotalPixels: 2048}, ref: file,
			sampling: video.Sampling{FPS: 0.5, MinFrames: 3, MaxFrames: 3}, budget: video.PixelBudget{MinTotal: 2048, MaxTotal: 2048}, stamps: video.StampSeconds,
		},
		"a server that bounds frames": {
			limits: VideoLimits{MinPixels: 1024, MaxPixels: 65536}, ref: file, sampling: video.Sampling{FPS: 2, MinFrames: 4, MaxFrames: 768},
			budget: video.PixelBudget{MinTotal: whole.MinTotal, MaxTotal: whole.MaxTotal, MinFrame: 1024, MaxFrame: 65536}, stamps: video.StampSeconds,
		},
		"a list is shown as it is, at any rate": {
			ref: list, o: options{FPS: ptr(1000.0), NumFrames: ptr(2)},
			sampling: video.Sampling{FPS: 1000, NumFrames: 3, MinFrames: 4, MaxFrames: 768}, budget: whole, stamps: video.StampSeconds,
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := Limits{Video: c.limits}.WithDefaults().Video
			got, err := l.admit(c.ref, &c.o, 32)
			want := video.Request{Sampling: c.sampling, Budget: c.budget, Factor: 32, Stamps: c.stamps}
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%s %v", diff, err)
			}
		})
	}
}

func TestVideoOptionsBeyondLimitsNameTheirPlace(t *testing.T) {
	type options = request.VideoOptions
	limits := Limits{Video: VideoLimits{Frames: 16, MaxPixels: 65536, MinPixels: 1024, FPS: 8}}.WithDefaults().Video
	file := &request.Video{Path: "part.url"}
	long := &request.Video{Path: "part.url", Frames: make([]request.Image, 17)}
	for name, c := range map[string]struct {
		ref         *request.Video
		o           options
		param, says string
	}{
		"too many frames":      {file, options{NumFrames: ptr(17)}, "part.num_frames", "must be between 2 and 16 on this server"},
		"too few frames":       {file, options{NumFrames: ptr(1)}, "part.num_frames", "must be between 2 and 16"},
		"max_frames beyond":    {file, options{MaxFrames: ptr(17)}, "part.max_frames", "must be between 2 and 16"},
		"min above max":        {file, options{MinFrames: ptr(9), MaxFrames: ptr(8)}, "part.min_frames", "must be between 1 and 8"},
		"total beyond":         {file, options{TotalPixels: ptr(25165825)}, "part.total_pixels", "must be between 4096 and 25165824"},
		"max_pixels beyond":    {file, options{MaxPixels: ptr(65537)}, "part.max_pixels", "must be between 1024 and 65536"},
		"min_pixels below":     {file, options{MinPixels: ptr(1000)}, "part.min_pixels", "must be between 1024 and 65536"},
		"min above max_pixels": {file, options{MinPixels: ptr(5000), MaxPixels: ptr(4096)}, "part.min_pixels", "must be between 1024 and 4096"},
		"fps beyond":           {file, options{FPS: ptr(8.5)}, "part.fps", "must be at most 8 on this server, or auto"},
		"end before start":     {file, options{Start: ptr(2.0), End: ptr(2.0)}, "part.video_end", "must be later than video_start"},
		"the first of several": {file, options{FPS: ptr(9.0), MaxPixels: ptr(1), MinFrames: ptr(99)}, "part.min_frames", ""},
		"a long list":          {long, options{NumFrames: ptr(17)}, "part.url", "a video may have at most 16 frames"},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Paths = optionPaths()
			_, err := limits.admit(c.ref, &c.o, 32)
			wantFault(t, err, fault.CodeInvalidValue, c.param, c.says)
		})
	}
}

func TestOwnLimitsStandBesideDefaults(t *testing.T) {
	got := Limits{DataBytes: 7, Video: VideoLimits{Frames: 9, MaxPixels: 11}}.WithDefaults()
	want := DefaultLimits()
	want.DataBytes, want.Video.Frames, want.Video.MaxPixels = 7, 9, 11
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
