package video

import (
	"fmt"
	"math"

	"github.com/qwenvld/qwenvld/multimodal"
	"github.com/qwenvld/qwenvld/multimodal/video/limits"
)

// Sampling says which frames of a video are shown. Zero fields take transformers' defaults, named beside them.
type Sampling struct {
	// FPS is how many frames a second are wanted (2). NumFrames, if set, is how many in all instead.
	FPS       float64
	NumFrames int
	// MinFrames (4) and MaxFrames (768) bound what FPS comes to.
	MinFrames, MaxFrames int
	// Start and End in seconds bound the part of the video that is shown; a nil End is the video's.
	Start float64
	End   *float64
}

// Defaults of Qwen3-VL's video_preprocessor_config.json.
const (
	DefaultFPS       = limits.ModelFPS
	DefaultMinFrames = limits.ModelMinFrames
	DefaultMaxFrames = limits.ModelMaxFrames
)

// WithDefaults fills in zero fields.
func (s Sampling) WithDefaults() Sampling {
	if s.FPS == 0 {
		s.FPS = DefaultFPS
	}
	if s.MinFrames == 0 {
		s.MinFrames = DefaultMinFrames
	}
	if s.MaxFrames == 0 {
		s.MaxFrames = DefaultMaxFrames
	}
	return s
}

// Select returns the indices of the frames to show, rising: transformers' Qwen3VLVideoProcessor.sample_frames over the
// frames between Start and End, which are found as qwen-vl-utils' calculate_video_frame_range finds them. NumFrames
// beyond the number of frames repeats some, as there. It fails with KindSelection.
func Select(info *Info, s Sampling) ([]int, error) {
	s = s.WithDefaults()
	first, last, err := frameRange(info, s)
	if err != nil {
		return nil, err
	}
	total := last - first + 1
	n := s.NumFrames
	if n == 0 {
		wanted := float64(total) / info.FPS * s.FPS
		// Beyond any limit the conversion to int would not be defined.
		n = min(max(int(min(wanted, float64(s.MaxFrames)+1)), s.MinFrames), s.MaxFrames, total)
	}
	return linspace(first, total, n), nil
}

func frameRange(info *Info, s Sampling) (first, last int, err error) {
	last = info.Frames - 1
	if s.Start == 0 && s.End == nil {
		return 0, last, nil
	}
	if info.Times != nil {
		return timedRange(info, s)
	}
	clamp := func(t float64) float64 { return max(0, min(t, info.Duration())) }
	first = int(math.Ceil(clamp(s.Start) * info.FPS))
	if s.End != nil {
		last = min(last, int(math.Floor(clamp(*s.End)*info.FPS)))
	}
	if first >= last {
		return 0, 0, emptyRange(info)
	}
	return first, last, nil
}

// timedRange is frameRange for a video whose frames have times of their own.
func timedRange(info *Info, s Sampling) (first, last int, err error) {
	last = info.Frames - 1
	for first < last && info.Times[first] < s.Start {
		first++
	}
	for s.End != nil && last > first && info.Times[last] > *s.End {
		last--
	}
	if first >= last {
		return 0, 0, emptyRange(info)
	}
	return first, last, nil
}

func emptyRange(info *Info) error {
	return multimodal.NewError(multimodal.KindSelection, nil, fmt.Sprintf(
		"Between video_start and video_end there are not two frames; the video is %.2f seconds long.", info.Duration()))
}

// linspace is numpy's linspace(0, total-1, n).round() moved by first.
func linspace(first, total, n int) []int {
	out := make([]int, n)
	step := float64(total-1) / float64(max(n-1, 1))
	for i := range out {
		out[i] = first + int(math.RoundToEven(float64(i)*step))
	}
	if n > 1 {
		out[n-1] = first + total - 1
	}
	return out
}
