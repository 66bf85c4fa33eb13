package video

import (
	"context"
	"fmt"

	"github.com/qwenvld/qwenvld/multimodal"
)

// list is a video that was sent as pictures.
type list struct {
	info      Info
	pictures  [][]byte
	maxPixels int
}

// NewList makes a Source of pictures taken fps times a second, in any format that multimodal.Decode reads. They must have one size,
// which is read from their headers; index is of the picture at fault.
func NewList(pictures [][]byte, fps float64, maxPixels int) (src Source, index int, err error) {
	l := &list{info: Info{Frames: len(pictures), FPS: fps}, pictures: pictures, maxPixels: maxPixels}
	for i, data := range pictures {
		w, h, _, err := multimodal.DecodeSize(data)
		if err != nil {
			return nil, i, err
		}
		if i == 0 {
			l.info.Width, l.info.Height = w, h
		}
		if w != l.info.Width || h != l.info.Height {
			return nil, i, multimodal.NewError(multimodal.KindSelection, nil, fmt.Sprintf(
				"The frames of a video have one size; this one is %d x %d pixels, the first one %d x %d.",
				w, h, l.info.Width, l.info.Height))
		}
	}
	return l, 0, nil
}

// Info implements Source.
func (l *list) Info() *Info { return &l.info }

// Reach implements Source.
func (*list) Reach(indices []int) []int { return indices }

// Read implements Source.
func (l *list) Read(ctx context.Context, indices []int, frame func(n int, img *multimodal.Image) error) error {
	for n, i := range indices {
		img, err := multimodal.Decode(ctx, l.pictures[i], l.maxPixels)
		if err != nil {
			return err
		}
		if err := frame(n, img); err != nil {
			return err
		}
	}
	return nil
}

// Close implements Source.
func (l *list) Close() error {
	l.pictures = nil
	return nil
}
