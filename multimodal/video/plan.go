package video

import (
	"context"

	"github.com/qwenvld/qwenvld/multimodal"
)

// Request is what is asked of one video.
type Request struct {
	Sampling Sampling
	Budget   PixelBudget
	// Factor is the edge in pixels that sizes are multiples of: one token.
	Factor int
	Stamps StampFormat
}

// Plan is what of a video is shown, known before any of it is decoded.
type Plan struct {
	// Indices of the frames that are shown.
	Indices []int
	// Width and Height in pixels that each is resized to.
	Width, Height int
	// Stamps of the frame pairs.
	Stamps []string
	// Tokens of each frame pair, without its stamp.
	Tokens int
}

// NewPlan chooses frames, size and stamps. It fails with KindSelection or KindAspectRatio.
func NewPlan(src Source, r *Request) (*Plan, error) {
	info := src.Info()
	indices, err := Select(info, r.Sampling)
	if err != nil {
		return nil, err
	}
	h, w, err := Resize(len(indices), info.Height, info.Width, r.Factor, r.Budget)
	if err != nil {
		return nil, err
	}
	indices = src.Reach(indices)
	return &Plan{
		Indices: indices, Width: w, Height: h, Stamps: Stamps(info, indices, r.Stamps), Tokens: (h / r.Factor) * (w / r.Factor),
	}, nil
}

// ReadPairs decodes and resizes the frames of p and gives them away in pairs as soon as each is whole: 6*Width*Height
// bytes of RGB, the earlier frame first. An odd last frame is its own partner.
func ReadPairs(ctx context.Context, src Source, p *Plan, pair func(g int, rgb []byte) error) error {
	size := 3 * p.Width * p.Height
	var rgb []byte
	read := src.Read
	if s, ok := src.(sized); ok {
		read = func(ctx context.Context, indices []int, frame func(n int, img *multimodal.Image) error) error {
			return s.readSized(ctx, indices, p.Width, p.Height, frame)
		}
	}
	return read(ctx, p.Indices, func(n int, img *multimodal.Image) error {
		small, err := multimodal.Resize(ctx, img, p.Width, p.Height)
		if err != nil {
			return err
		}
		if n%2 == 0 {
			rgb = make([]byte, 2*size)
			copy(rgb, small.RGB)
			if n < len(p.Indices)-1 {
				return nil
			}
		}
		copy(rgb[size:], small.RGB)
		return pair(n/2, rgb)
	})
}

// sized is a Source that can resize its frames where they are decoded.
type sized interface {
	readSized(ctx context.Context, indices []int, width, height int, frame func(n int, img *multimodal.Image) error) error
}

var _, _ sized = (*animation)(nil), (*pictureList)(nil)
