package multimodal

import "context"

// Job is what is decoded of one file.
type Job struct {
	Data []byte
	// MaxPixels bounds the area of the picture as sent.
	MaxPixels int
	// Width and Height that it is resized to; 0 leaves it as it is.
	Width, Height int
	// Frames of an animated WebP that are wanted, rising, each as often as it is named; without any it is the picture,
	// or the first frame.
	Frames []int
}

// Run decodes in this process. Images are only valid during the call; an error of frame ends it. It ends soon after ctx
// is done.
func (j *Job) Run(ctx context.Context, frame func(n int, img *Image) error) error {
	resized := func(n int, img *Image) error {
		if j.Width > 0 && j.Height > 0 {
			var err error
			if img, err = Resize(ctx, img, j.Width, j.Height); err != nil {
				return err
			}
		}
		return frame(n, img)
	}
	if len(j.Frames) == 0 {
		img, err := Decode(ctx, j.Data, j.MaxPixels)
		if err != nil {
			return err
		}
		return resized(0, img)
	}
	a, err := ParseAnimation(j.Data)
	if err != nil {
		return fault(KindCorrupt, err, "The WebP animation cannot be read; it is damaged.")
	}
	if a.Width > j.MaxPixels || a.Height > j.MaxPixels || a.Width*a.Height > j.MaxPixels {
		return fault(KindTooManyPixels, nil, "The animation is %d x %d pixels, %d in all are allowed.", a.Width, a.Height, j.MaxPixels)
	}
	return a.read(ctx, j.Frames, resized)
}

// memory is what Run allocates at most, in bytes: what decoders drop on the way is counted too, as it is only freed
// when somebody looks for it.
func (j *Job) memory() (int64, error) {
	h, err := readHeader(j.Data)
	if err != nil {
		return 0, err
	}
	if err := h.check(j.MaxPixels); err != nil {
		return 0, err
	}
	n := h.memory(j.Data, h) + channels*h.area()
	width, height := h.displaySize()
	if h.orientation != upright {
		n += channels * h.area()
	}
	if j.Width > 0 && j.Height > 0 && (j.Width != width || j.Height != height) {
		between := max(int64(j.Width)*int64(height), int64(width)*int64(j.Height)) // either direction may come first
		n += channels * (between + int64(j.Width)*int64(j.Height))
	}
	return n, nil
}
