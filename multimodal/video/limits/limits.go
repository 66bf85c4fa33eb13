// Package limits says how much a video may cost where nobody says otherwise, and the least that a bound can be set to.
// The daemon's configuration, the API and the runner of ffmpeg all take their numbers from it.
//
// It must not import anything of the project, since config does not either, and it enforces nothing: that is for those
// who spend.
package limits

import "time"

// What the model was trained on: the numbers of Qwen3-VL's video_preprocessor_config.json. ModelMinPixels and
// ModelMaxPixels bound the area of all frames together; the latter is 12,288 tokens.
const (
	ModelFPS       = 2
	ModelMinFrames = 4
	ModelMaxFrames = 768
	ModelMinPixels = 4096
	ModelMaxPixels = 25_165_824
)

// Limits bound what videos may cost.
type Limits struct {
	// Bytes bounds a video file, Disk what all videos together take while they are read.
	Bytes, Disk int64
	// FetchTimeout bounds the fetching of a file, or of all frames of a list.
	FetchTimeout time.Duration
	// SourcePixels bounds the area of a frame as sent, SourceFrames and Duration a video's length.
	SourcePixels, SourceFrames int
	Duration                   time.Duration
	// FPS and Frames bound what is shown of a video.
	FPS    float64
	Frames int
	// TotalPixels bounds the area that all frames of a video together are resized to.
	TotalPixels int
	// Decoders is how many children of the daemon decode at a time, each in at most Memory bytes of address space.
	// Others wait for at most DecoderWait.
	Decoders    int
	Memory      int64
	DecoderWait time.Duration
	// ProbeTimeout and DecodeTimeout bound the work on one video.
	ProbeTimeout, DecodeTimeout time.Duration
}

// Default is what holds where nothing is configured.
func Default() Limits {
	return Limits{
		Bytes: 256 << 20, Disk: 4 << 30, FetchTimeout: time.Minute,
		SourcePixels: 40_000_000, SourceFrames: 2_000_000, Duration: 6 * time.Hour,
		FPS: 30, Frames: ModelMaxFrames, TotalPixels: ModelMaxPixels,
		Decoders: 2, Memory: 3 << 30, DecoderWait: time.Minute, ProbeTimeout: 30 * time.Second, DecodeTimeout: 2 * time.Minute,
	}
}

// Least is the least that each bound can be set to. FPS only has to be greater than its own, which is 0, and Disk holds
// at least one file of Bytes.
func Least() Limits {
	return Limits{
		Bytes: 1, Disk: 1, FetchTimeout: 1,
		SourcePixels: 1, SourceFrames: 2, Duration: time.Second,
		Frames: 2, TotalPixels: ModelMinPixels,
		Decoders: 1, Memory: 256 << 20, ProbeTimeout: time.Second, DecodeTimeout: time.Second,
	}
}
