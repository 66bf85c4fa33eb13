package multimodal

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sync/semaphore"
)

// DecoderOptions bound what a Decoder does. Zero fields take the defaults named beside them.
type DecoderOptions struct {
	// MaxPixels bounds the area of an image as sent (100 million).
	MaxPixels int
	// Memory bounds in bytes what all images together take that are decoded at a time (1.5 GiB). What takes more by
	// itself is refused.
	Memory int64
	// AtOnce is how many images are decoded at a time (one a processor, at least 2).
	AtOnce int
	// Timeout is how long decoding an image may take (30 s), Wait how long it may wait for others to give memory back
	// (30 s).
	Timeout, Wait time.Duration
	// Run carries a job out; nil does it in this process. It must stop soon after ctx is done and is called by several
	// goroutines. A picture that it gives away it must not touch again, but for those of animations.
	Run func(ctx context.Context, j *Job, frame func(n int, img *Image) error) error
}

func (o DecoderOptions) withDefaults() DecoderOptions {
	if o.MaxPixels == 0 {
		o.MaxPixels = 100_000_000
	}
	if o.Memory == 0 {
		o.Memory = 3 << 29
	}
	if o.AtOnce == 0 {
		o.AtOnce = max(2, runtime.GOMAXPROCS(0))
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Wait == 0 {
		o.Wait = 30 * time.Second
	}
	if o.Run == nil {
		o.Run = func(ctx context.Context, j *Job, frame func(n int, img *Image) error) error { return j.Run(ctx, frame) }
	}
	return o
}

// Decoder decodes pictures for all requests: in bounded memory, which is weighed before anything is decoded, and
// bounded time. It is safe for concurrent use and holds nothing that must be closed.
type Decoder struct {
	o      DecoderOptions
	memory *semaphore.Weighted
	places *semaphore.Weighted
}

// NewDecoder returns a Decoder.
func NewDecoder(o DecoderOptions) *Decoder {
	o = o.withDefaults()
	return &Decoder{o: o, memory: semaphore.NewWeighted(o.Memory), places: semaphore.NewWeighted(int64(o.AtOnce))}
}

// Decode decodes an image, as function Decode does, and resizes it to width x height; 0 leaves it as it is. Errors are
// *Error, of KindBusy where it waited in vain, or the cause of ctx's end.
func (d *Decoder) Decode(ctx context.Context, data []byte, width, height int) (out *Image, err error) {
	j := &Job{Data: data, MaxPixels: d.o.MaxPixels, Width: width, Height: height}
	late := fault(KindDecodeTime, nil, "Decoding the image takes too long; send a smaller one.")
	err = d.do(ctx, j, d.places, d.o.Timeout, late, func(_ int, img *Image) error {
		out = img
		return nil
	})
	return out, err
}

// Animate decodes frames of an animated WebP in at most timeout; how many are decoded at a time is the caller's to
// bound. Images are only valid during the call.
func (d *Decoder) Animate(
	ctx context.Context, j *Job, timeout time.Duration, frame func(n int, img *Image) error,
) error {
	late := fault(KindDecodeTime, nil,
		"Decoding the animation takes too long; ask for a part of it with video_start and video_end, or send a smaller one.")
	return d.do(ctx, j, nil, timeout, late, frame)
}

// do carries a job out when there is a place, nil for none that has to be waited for, and memory.
func (d *Decoder) do(
	ctx context.Context, j *Job, places *semaphore.Weighted, timeout time.Duration, late *Error, frame func(n int, img *Image) error,
) error {
	need, err := j.memory()
	if err != nil {
		return err
	}
	if need > d.o.Memory {
		const mebi = 1 << 20
		return fault(KindTooManyPixels, nil, "Decoding the image takes %d MiB of memory, %d are allowed; send a smaller one, "+
			"or one that is not progressive, interlaced or of 16 bits a channel.", need/mebi+1, d.o.Memory/mebi)
	}
	if places != nil {
		if err := WaitFor(ctx, places, 1, d.o.Wait); err != nil {
			return err
		}
		defer places.Release(1)
	}
	if err := WaitFor(ctx, d.memory, need, d.o.Wait); err != nil {
		return err
	}
	defer d.memory.Release(need)
	// The time that others took does not count.
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, late)
	defer cancel()
	return d.o.Run(ctx, j, frame)
}

// WaitFor takes n of places, waiting at most so long for others to give them back. It fails with KindBusy, or the cause
// of ctx's end.
func WaitFor(ctx context.Context, places *semaphore.Weighted, n int64, wait time.Duration) error {
	busy := fault(KindBusy, nil, "The server is decoding as many pictures as it can; try again soon.")
	waiting, cancel := context.WithTimeoutCause(ctx, wait, busy)
	defer cancel()
	if places.Acquire(waiting, n) != nil {
		return context.Cause(waiting)
	}
	return nil
}
