package config

import (
	"time"

	"github.com/qwenvld/qwenvld/multimodal/video/limits"
)

// Media says what images may cost and where they may come from.
type Media struct {
	// Fetch allows http and https URLs.
	Fetch bool `mapstructure:"fetch"`
	// AllowedHosts may be fetched from although they lie at private addresses, on any port.
	AllowedHosts []string      `mapstructure:"allowed_hosts"`
	FetchTimeout time.Duration `mapstructure:"fetch_timeout"`
	ImageBytes   int64         `mapstructure:"image_bytes"`
	// ImagePixels bounds an image as sent.
	ImagePixels int `mapstructure:"image_pixels"`
	// DecodeMemory bounds in bytes what all images together take that are decoded at a time; each may take
	// DecodeTimeout, and wait DecodeWait for the others.
	DecodeMemory  int64         `mapstructure:"decode_memory"`
	DecodeTimeout time.Duration `mapstructure:"decode_timeout"`
	DecodeWait    time.Duration `mapstructure:"decode_wait"`
	// MinPixels and MaxPixels narrow the area that images are resized to; 0 leaves the model's limit.
	MinPixels int   `mapstructure:"min_pixels"`
	MaxPixels int   `mapstructure:"max_pixels"`
	Video     Video `mapstructure:"video"`
}

// Video says what videos may cost. Requests can only ask for less.
type Video struct {
	FetchTimeout time.Duration `mapstructure:"fetch_timeout"`
	Bytes        int64         `mapstructure:"bytes"`
	// SourcePixels bounds a frame as sent, SourceFrames and Duration the whole video.
	SourcePixels int           `mapstructure:"source_pixels"`
	SourceFrames int           `mapstructure:"source_frames"`
	Duration     time.Duration `mapstructure:"duration"`
	// FPS and Frames bound what is shown, TotalPixels the resized area of all frames, MinPixels and MaxPixels that of
	// one; 0 is no bound of its own.
	FPS         float64 `mapstructure:"fps"`
	Frames      int     `mapstructure:"frames"`
	TotalPixels int     `mapstructure:"total_pixels"`
	MinPixels   int     `mapstructure:"min_pixels"`
	MaxPixels   int     `mapstructure:"max_pixels"`
	// FFmpeg and FFprobe are programs, by path or name.
	FFmpeg  string `mapstructure:"ffmpeg"`
	FFprobe string `mapstructure:"ffprobe"`
	// Disk bounds in bytes what all videos together take while they are read.
	Disk int64 `mapstructure:"disk"`
	// Decoders run at a time, each with at most Memory bytes for at most DecodeTimeout.
	Decoders      int           `mapstructure:"decoders"`
	Memory        int64         `mapstructure:"memory"`
	ProbeTimeout  time.Duration `mapstructure:"probe_timeout"`
	DecodeTimeout time.Duration `mapstructure:"decode_timeout"`
	// Sandbox puts decoders into namespaces of their own where the system allows it.
	Sandbox bool `mapstructure:"sandbox"`
}

func defaultVideo() Video {
	l := limits.Default()
	return Video{
		FetchTimeout: l.FetchTimeout, Bytes: l.Bytes, Disk: l.Disk,
		SourcePixels: l.SourcePixels, SourceFrames: l.SourceFrames, Duration: l.Duration,
		FPS: l.FPS, Frames: l.Frames, TotalPixels: l.TotalPixels, FFmpeg: "ffmpeg", FFprobe: "ffprobe",
		Decoders: l.Decoders, Memory: l.Memory, ProbeTimeout: l.ProbeTimeout, DecodeTimeout: l.DecodeTimeout, Sandbox: true,
	}
}

func (c *Media) validate(v *validation) {
	const key = "media."
	v.atLeast(key+"fetch_timeout", int64(c.FetchTimeout), 1)
	v.atLeast(key+"image_bytes", c.ImageBytes, 1)
	v.atLeast(key+"image_pixels", int64(c.ImagePixels), 1)
	v.atLeast(key+"decode_memory", c.DecodeMemory, 64<<20)
	v.atLeast(key+"decode_timeout", int64(c.DecodeTimeout), int64(time.Second))
	v.atLeast(key+"decode_wait", int64(c.DecodeWait), 1)
	v.atLeast(key+"min_pixels", int64(c.MinPixels), 0)
	v.atLeast(key+"max_pixels", int64(c.MaxPixels), 0)
	if c.MaxPixels > 0 && c.MinPixels > c.MaxPixels {
		v.fault(key+"min_pixels", "must not be larger than media.max_pixels")
	}
	c.Video.validate(v)
}

func (c *Video) validate(v *validation) {
	const key = "media.video."
	least := limits.Least()
	for name, n := range map[string][2]int64{
		"fetch_timeout": {int64(c.FetchTimeout), int64(least.FetchTimeout)},
		"bytes":         {c.Bytes, least.Bytes}, "disk": {c.Disk, max(least.Disk, c.Bytes)},
		"source_pixels": {int64(c.SourcePixels), int64(least.SourcePixels)},
		"source_frames": {int64(c.SourceFrames), int64(least.SourceFrames)},
		"duration":      {int64(c.Duration), int64(least.Duration)},
		"frames":        {int64(c.Frames), int64(least.Frames)},
		"total_pixels":  {int64(c.TotalPixels), int64(least.TotalPixels)},
		"min_pixels":    {int64(c.MinPixels), 0}, "max_pixels": {int64(c.MaxPixels), 0},
		"decoders": {int64(c.Decoders), int64(least.Decoders)}, "memory": {c.Memory, least.Memory},
		"probe_timeout":  {int64(c.ProbeTimeout), int64(least.ProbeTimeout)},
		"decode_timeout": {int64(c.DecodeTimeout), int64(least.DecodeTimeout)},
	} {
		v.atLeast(key+name, n[0], n[1])
	}
	if !(c.FPS > least.FPS) {
		v.fault(key+"fps", "must be greater than 0, not %v", c.FPS)
	}
	if c.MaxPixels > 0 && c.MinPixels > c.MaxPixels {
		v.fault(key+"min_pixels", "must not be larger than media.video.max_pixels")
	}
}
