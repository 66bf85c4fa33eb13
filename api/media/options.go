package media

import (
	"cmp"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/request"
	"github.com/qwenvld/qwenvld/multimodal/video"
)

// admit turns what a client asks of a video into what package video is asked, within what the server allows. o are the
// video's options with the request's defaults filled in. The first option that is out of its range is refused.
func (l *VideoLimits) admit(ref *request.Video, o *request.VideoOptions, edge int) (video.Request, error) {
	if len(ref.Frames) > l.Frames {
		return video.Request{}, fault.Field(
			ref.Path, fault.CodeInvalidValue, "a video may have at most %d frames", l.Frames)
	}
	c := rangeCheck{paths: o.Paths}
	out := video.Request{Factor: edge, Stamps: cmp.Or(o.Stamps, video.StampSeconds)}
	out.Sampling = l.frameCounts(o, &c)
	out.Budget = l.pixelBudget(o, &c)
	out.Sampling.FPS = l.rate(ref, o, &c)
	if o.Start != nil {
		out.Sampling.Start = *o.Start
		if o.End != nil && *o.End <= *o.Start {
			c.fail(request.OptEnd, "must be later than video_start")
		}
	}
	out.Sampling.End = o.End
	if n := len(ref.Frames); n > 0 {
		out.Sampling.NumFrames = n // all of a list are shown
	}
	if c.err != nil {
		return video.Request{}, c.err
	}
	return out, nil
}

// frameCounts checks how many frames are asked for.
func (l *VideoLimits) frameCounts(o *request.VideoOptions, c *rangeCheck) video.Sampling {
	s := video.Sampling{MaxFrames: l.Frames}
	c.count(request.OptNumFrames, o.NumFrames, 2, l.Frames, &s.NumFrames)
	c.count(request.OptMaxFrames, o.MaxFrames, 2, l.Frames, &s.MaxFrames)
	c.count(request.OptMinFrames, o.MinFrames, 1, s.MaxFrames, &s.MinFrames)
	// A server may allow fewer frames than the default of min_frames.
	s.MinFrames = min(s.WithDefaults().MinFrames, s.MaxFrames)
	return s
}

// pixelBudget checks what areas are asked for.
func (l *VideoLimits) pixelBudget(o *request.VideoOptions, c *rangeCheck) video.PixelBudget {
	allowed := video.DefaultPixelBudget()
	allowed.MaxTotal = min(allowed.MaxTotal, l.TotalPixels)
	allowed.MinTotal = min(allowed.MinTotal, allowed.MaxTotal)
	allowed.MinFrame, allowed.MaxFrame = l.MinPixels, l.MaxPixels
	out := allowed
	least, most := max(1, l.MinPixels), cmp.Or(l.MaxPixels, allowed.MaxTotal)
	c.count(request.OptTotalPixels, o.TotalPixels, allowed.MinTotal, allowed.MaxTotal, &out.MaxTotal)
	c.count(request.OptMaxPixels, o.MaxPixels, least, most, &out.MaxFrame)
	if out.MaxFrame > 0 {
		most = out.MaxFrame
	}
	c.count(request.OptMinPixels, o.MinPixels, least, most, &out.MinFrame)
	return out
}

// rate checks how many frames a second are asked for. Of a list of frames, fps is the rate at which they were taken: it
// costs nothing.
func (l *VideoLimits) rate(ref *request.Video, o *request.VideoOptions, c *rangeCheck) float64 {
	if o.FPS != nil && *o.FPS > l.FPS && ref.Frames == nil {
		c.fail(request.OptFPS, "must be at most %v on this server, or auto", l.FPS)
	}
	if o.FPS == nil || *o.FPS == 0 {
		return min(video.DefaultFPS, l.FPS) // a server may allow less than the default
	}
	return *o.FPS
}

// rangeCheck keeps the fault of the first option that is out of its range.
type rangeCheck struct {
	paths map[string]string // of the options in the request
	err   *fault.Error
}

func (c *rangeCheck) fail(name, format string, args ...any) {
	if c.err == nil {
		c.err = fault.Field(c.paths[name], fault.CodeInvalidValue, format, args...)
	}
}

// count puts *v into *into, unless v is nil, and fails where it is not between low and high.
func (c *rangeCheck) count(name string, v *int, low, high int, into *int) {
	if v == nil {
		return
	}
	if *v < low || *v > high {
		c.fail(name, "must be between %d and %d on this server", low, high)
	}
	*into = *v
}
