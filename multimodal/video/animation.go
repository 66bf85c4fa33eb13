package video

import (
	"context"
	"fmt"
	"io"

	"github.com/qwenvld/qwenvld/multimodal"
)

// animation is an animated WebP, which ffmpeg does not read. It is laid over white as images are; the colour that a
// file names for its ground is ignored, as browsers do.
type animation struct {
	data []byte
	tool *Tool
	info Info
}

// animationBytes bounds a file, as it is held in memory.
const animationBytes = 64 << 20

// openAnimation reads the file's chunks; pixels are left alone. f is the Source's own.
func (t *Tool) openAnimation(f *File) (Source, error) {
	o := &t.o
	if f.size > animationBytes {
		return nil, multimodal.NewError(multimodal.KindTooManyBytes, nil, fmt.Sprintf(
			"The WebP animation has %d bytes, %d are allowed; other formats may be larger.", f.size, animationBytes))
	}
	data, err := io.ReadAll(io.NewSectionReader(f.f, 0, f.size))
	if err != nil {
		return nil, fmt.Errorf("read a video: %w", err)
	}
	a, err := newAnimation(data)
	switch {
	case err != nil:
		return nil, multimodal.NewError(multimodal.KindCorrupt, err, "The WebP animation cannot be read; it is damaged.")
	case a.info.Frames == 0:
		return nil, multimodal.NewError(multimodal.KindSelection, nil, "The WebP has no animation; send it as an image.")
	case a.info.Width*a.info.Height > o.SourcePixels:
		return nil, multimodal.NewError(multimodal.KindTooManyPixels, nil, fmt.Sprintf(
			"The animation is %d x %d pixels, %d in all are allowed.", a.info.Width, a.info.Height, o.SourcePixels))
	case a.info.Frames > o.SourceFrames, a.info.Duration() > o.Seconds:
		return nil, multimodal.NewError(multimodal.KindTooLong, nil, "The animation is longer than is allowed.")
	}
	a.tool = t
	return a, f.Close()
}

// newAnimation lays the frames out one after the other.
func newAnimation(data []byte) (*animation, error) {
	parsed, err := multimodal.ParseAnimation(data)
	if err != nil {
		return nil, err
	}
	frames := parsed.Frames
	a := &animation{data: data, info: Info{Width: parsed.Width, Height: parsed.Height, Frames: len(frames)}}
	if len(frames) == 0 {
		return a, nil
	}
	at, constant := 0, true
	times := make([]float64, len(frames))
	for i := range frames {
		times[i] = float64(at) / 1000
		constant = constant && frames[i].Millis == frames[0].Millis
		at += max(frames[i].Millis, 1)
	}
	a.info.FPS = float64(len(frames)) * 1000 / float64(at)
	if !constant {
		a.info.Times = times
	}
	return a, nil
}

// Info implements Source.
func (a *animation) Info() *Info { return &a.info }

// Reach implements Source.
func (*animation) Reach(indices []int) []int { return indices }

// Files implements Source.
func (a *animation) Files() ([][]byte, error) { return [][]byte{a.data}, nil }

// Close implements Source.
func (a *animation) Close() error {
	a.data = nil
	return nil
}

// Read implements Source.
func (a *animation) Read(ctx context.Context, indices []int, frame func(n int, img *multimodal.Image) error) error {
	return a.readSized(ctx, indices, 0, 0, frame)
}

// readSized implements sized.
func (a *animation) readSized(
	ctx context.Context, indices []int, width, height int, frame func(n int, img *multimodal.Image) error,
) error {
	t := a.tool
	if err := t.acquire(ctx); err != nil {
		return err
	}
	defer t.slots.Release(1)
	j := &multimodal.Job{Data: a.data, MaxPixels: t.o.SourcePixels, Width: width, Height: height, Frames: indices}
	return t.o.Images.Animate(ctx, j, t.o.DecodeTimeout, frame)
}
