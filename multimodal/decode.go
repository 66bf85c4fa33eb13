package multimodal

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// format reads one image format. They are not registered with package image, whose registry any import can add to.
type format struct {
	name   string
	magic  []string // '?' stands for any byte
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

func formats() []format {
	return []format{
		{"jpeg", []string{"\xff\xd8"}, jpeg.DecodeConfig, jpeg.Decode},
		{"png", []string{"\x89PNG\r\n\x1a\n"}, png.DecodeConfig, png.Decode},
		{"gif", []string{"GIF87a", "GIF89a"}, gif.DecodeConfig, gif.Decode},
		{"webp", []string{"RIFF????WEBPVP8"}, webp.DecodeConfig, webp.Decode},
		{"bmp", []string{"BM????\x00\x00\x00\x00"}, bmp.DecodeConfig, bmp.Decode},
		{"tiff", []string{"MM\x00\x2a", "II\x2a\x00"}, tiff.DecodeConfig, tiff.Decode},
	}
}

func sniff(data []byte) (format, error) {
	for _, f := range formats() {
		for _, magic := range f.magic {
			if matches(data, magic) {
				return f, nil
			}
		}
	}
	return format{}, fault(KindFormat, nil, "This is not an image in a known format (JPEG, PNG, GIF, WebP, BMP or TIFF).")
}

func matches(data []byte, magic string) bool {
	if len(data) < len(magic) {
		return false
	}
	for i := range len(magic) {
		if magic[i] != '?' && magic[i] != data[i] {
			return false
		}
	}
	return true
}

// DecodeSize reads the size in pixels from the header, as the image should be seen, and the name of the format.
func DecodeSize(data []byte) (width, height int, name string, err error) {
	f, err := sniff(data)
	if err != nil {
		return 0, 0, "", err
	}
	c, err := guarded(func() (image.Config, error) { return f.config(bytes.NewReader(data)) })
	if err != nil {
		return 0, 0, "", corrupt(f.name, err)
	}
	if c.Width <= 0 || c.Height <= 0 {
		return 0, 0, "", fault(KindCorrupt, nil, "The image is %d x %d pixels.", c.Width, c.Height)
	}
	if orientationOf(f.name, data).swapsSides() {
		return c.Height, c.Width, f.name, nil
	}
	return c.Width, c.Height, f.name, nil
}

// Decode reads an image of any known format into 8-bit RGB, told by its content. EXIF orientation is applied, transparent pixels
// are laid over white, of an animation the first frame is taken. More than maxPixels is refused before pixels are read.
func Decode(ctx context.Context, data []byte, maxPixels int) (*Image, error) {
	width, height, _, err := DecodeSize(data)
	if err != nil {
		return nil, err
	}
	// Sides first: their product could overflow.
	if width > maxPixels || height > maxPixels || width*height > maxPixels {
		return nil, fault(KindTooManyPixels, nil, "The image is %d x %d pixels, %d in all are allowed.", width, height, maxPixels)
	}
	f, err := sniff(data)
	if err != nil {
		return nil, err
	}
	turned := orientationOf(f.name, data)
	stored := image.Pt(width, height)
	if turned.swapsSides() {
		stored = image.Pt(height, width)
	}
	img, err := guarded(func() (image.Image, error) { return f.decode(bytes.NewReader(data)) })
	if err != nil {
		return nil, corrupt(f.name, err)
	}
	if img, err = onCanvas(f.name, data, img, stored); err != nil {
		return nil, err
	}
	out, err := flatten(ctx, img, f.name)
	if err != nil {
		return nil, err
	}
	return turned.turn(out), nil
}

// onCanvas checks that img has the size that the header promised, and repairs what decoders leave undone.
func onCanvas(format string, data []byte, img image.Image, size image.Point) (image.Image, error) {
	b := img.Bounds()
	switch {
	case b.Size() == size:
	case format == "gif" && b.In(image.Rectangle{Max: size}) && !b.Empty():
		// A frame may cover a part of the picture only; the rest is transparent.
		canvas := image.NewNRGBA(image.Rectangle{Max: size})
		draw.Draw(canvas, b, img, b.Min, draw.Src)
		return canvas, nil
	default:
		return nil, fault(KindCorrupt, nil, "The image's header contradicts its content.")
	}
	if gray, ok := img.(*image.Gray); ok && format == "tiff" && isInvertedFax(data) {
		for i, v := range gray.Pix {
			gray.Pix[i] = ^v
		}
	}
	return img, nil
}

// guarded turns a panic of a decoder into an error: decoders are large and fed by strangers.
func guarded[T any](do func() (T, error)) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("decoder panicked: %v", p)
		}
	}()
	return do()
}

func corrupt(format string, err error) *Error {
	return fault(KindCorrupt, err, "The %s image cannot be decoded; it is damaged or of an unusual kind.", format)
}
