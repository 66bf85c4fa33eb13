// Package video turns moving pictures into what Qwen3-VL is shown of them: it probes a file, chooses frames, their size
// and the texts of their times as transformers' video processor does, and decodes just those frames, with ffmpeg as a
// child process.
//
// It must not hand a URL or a playlist to ffmpeg, keep a whole video in memory, or let a child outlive the call that
// started it. It knows nothing of prompts, requests or models.
package video

import (
	"context"

	"github.com/qwenvld/qwenvld/multimodal"
)

// Info is what is known of a video before a pixel of it is decoded.
type Info struct {
	// Width and Height in pixels, as it should be seen: rotation is applied.
	Width, Height int
	// Frames is how many are shown, at least 1.
	Frames int
	// FPS is the mean number of frames a second.
	FPS float64
	// Times are seconds from the first frame to each, nil where frames follow each other at FPS.
	Times []float64
}

// Time is when frame i is shown, in seconds from the first frame.
func (i *Info) Time(frame int) float64 {
	if i.Times != nil {
		return i.Times[frame]
	}
	return float64(frame) / i.FPS
}

// Duration in seconds, the last frame's own included.
func (i *Info) Duration() float64 { return float64(i.Frames) / i.FPS }

// Source is a video whose frames can be read.
type Source interface {
	// Info describes the video; it is not changed.
	Info() *Info
	// Reach returns the indices to read instead of these: the same, unless reaching exactly these frames would take too
	// long.
	Reach(indices []int) []int
	// Read decodes the frames of rising indices and gives them to frame in order, n counting from 0. img is only valid
	// during the call. The same index may come several times. An error of frame ends Read, as ctx does; nothing is left
	// running.
	Read(ctx context.Context, indices []int, frame func(n int, img *multimodal.Image) error) error
	// Files are the bytes that the video came as: a file, or the pictures of a list in their order.
	Files() ([][]byte, error)
	// Close gives up what the source holds.
	Close() error
}
