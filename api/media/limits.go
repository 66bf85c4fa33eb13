package media

import (
	"cmp"
	"time"

	"github.com/qwenvld/qwenvld/multimodal"
	"github.com/qwenvld/qwenvld/multimodal/video/limits"
)

// Limits bound what media may cost. Zero fields take those of DefaultLimits.
type Limits struct {
	// Pixels replaces the projector's limits on the area an image is resized to, in pixels; a zero field leaves its
	// limit.
	Pixels multimodal.PixelLimits
	// DataBytes bounds the decoded bytes of a data URI that holds an image or a frame.
	DataBytes int
	// Video bounds videos.
	Video VideoLimits
}

// VideoLimits bound what a video may cost; requests can only ask for less. Zero fields take those of DefaultLimits.
type VideoLimits struct {
	// FPS and Frames bound what is shown of a video.
	FPS    float64
	Frames int
	// TotalPixels bounds the resized area of all frames of a video together.
	TotalPixels int
	// MinPixels and MaxPixels bound that of a frame; 0 is no bound of its own.
	MinPixels, MaxPixels int
	// DataBytes bounds the decoded bytes of a data URI, and those of all frames of a list.
	DataBytes int
	// FetchTimeout bounds the fetching of all frames of a list.
	FetchTimeout time.Duration
}

// DefaultLimits are 32 MiB for an image, and for a video those of limits.Default.
func DefaultLimits() Limits {
	def := limits.Default()
	return Limits{
		DataBytes: 32 << 20,
		Video: VideoLimits{
			FPS: def.FPS, Frames: def.Frames, TotalPixels: def.TotalPixels, DataBytes: int(def.Bytes), FetchTimeout: def.FetchTimeout,
		},
	}
}

// WithDefaults fills in what is zero.
func (l Limits) WithDefaults() Limits {
	def := DefaultLimits()
	l.DataBytes = cmp.Or(l.DataBytes, def.DataBytes)
	l.Video.FPS = cmp.Or(l.Video.FPS, def.Video.FPS)
	l.Video.Frames = cmp.Or(l.Video.Frames, def.Video.Frames)
	l.Video.TotalPixels = cmp.Or(l.Video.TotalPixels, def.Video.TotalPixels)
	l.Video.DataBytes = cmp.Or(l.Video.DataBytes, def.Video.DataBytes)
	l.Video.FetchTimeout = cmp.Or(l.Video.FetchTimeout, def.Video.FetchTimeout)
	return l
}
