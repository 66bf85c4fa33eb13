package multimodal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// format reads one image format. They are not registered with package image, whose registry any import can add to.
type format struct {
	name   string
	magic  []string // '?' stands for any byte
	config func(io.Reader) (image.Config, error)
	decode func(ctx context.Context, data []byte) (image.Image, error)
	// memory is what decode allocates at most.
	memory func(data []byte, h *header) int64
}

func formats() []format {
	return []format{
		{"jpeg", []string{"\xff\xd8"}, jpeg.DecodeConfig, decodeJPEG, jpegMemory},
		{"png", []string{pngSignature}, png.DecodeConfig, func(ctx context.Context, data []byte) (image.Image, error) {
			return png.Decode(interruptible(ctx, newPNGReader(data)))
		}, pngMemory},
		{"gif", []string{"GIF87a", "GIF89a"}, gif.DecodeConfig, func(ctx context.Context, data []byte) (image.Image, error) {
			return gif.Decode(interruptible(ctx, bytes.NewReader(data)))
		}, gifMemory},
		{"webp", []string{"RIFF????WEBPVP8"}, webp.DecodeConfig, decodeWebP, webpMemory},
		{"bmp", []string{"BM????\x00\x00\x00\x00"}, bmp.DecodeConfig, func(ctx context.Context, data []byte) (image.Image, error) {
			return bmp.Decode(interruptible(ctx, bytes.NewReader(data)))
		}, bmpMemory},
		{"tiff", []string{"MM\x00\x2a", "II\x2a\x00"}, tiff.DecodeConfig, func(ctx context.Context, data []byte) (image.Image, error) {
			return tiff.Decode(interruptibleAt(ctx, bytes.NewReader(data)))
		}, tiffMemory},
	}
}

// header is what a file says of its picture.
type header struct {
	format
	width, height int // as stored
	model         color.Model
	orientation   orientation
}

func (h *header) area() int64 { return int64(h.width) * int64(h.height) }

// displaySize is the size of the picture as it should be seen, turned upright.
func (h *header) displaySize() (width, height int) {
	if h.orientation.swapsSides() {
		return h.height, h.width
	}
	return h.width, h.height
}

// readHeader looks at everything but the pixels.
func readHeader(data []byte) (*header, error) {
	f, err := sniff(data)
	if err != nil {
		return nil, err
	}
	c, err := guarded(func() (image.Config, error) { return f.config(bytes.NewReader(data)) })
	if err != nil {
		return nil, corrupt(f.name, err)
	}
	if c.Width <= 0 || c.Height <= 0 {
		return nil, fault(KindCorrupt, nil, "The image is %d x %d pixels.", c.Width, c.Height)
	}
	return &header{format: f, width: c.Width, height: c.Height, model: c.ColorModel, orientation: orientationOf(f.name, data)}, nil
}

// check refuses more than maxPixels.
func (h *header) check(maxPixels int) error {
	// Sides first: their product could overflow.
	if h.width > maxPixels || h.height > maxPixels || h.width*h.height > maxPixels {
		width, height := h.displaySize()
		return fault(KindTooManyPixels, nil, "The image is %d x %d pixels, %d in all are allowed.", width, height, maxPixels)
	}
	return nil
}

// decodeJPEG adds an end where there is none, which only matters behind the last block of a file that has one scan:
// every scan more of a progressive one changes the whole picture, and those that are missing would go unnoticed.
func decodeJPEG(ctx context.Context, data []byte) (image.Image, error) {
	f := readJPEGFrame(data)
	if f.tooManyScans() {
		return nil, fault(KindTooManyPixels, nil, "The image is sent in %d scans, which takes too long to decode.", f.scans)
	}
	var r io.Reader = bytes.NewReader(data)
	if !f.ended && !f.progressive {
		r = io.MultiReader(r, strings.NewReader("\xff\xd9"))
	}
	return jpeg.Decode(interruptible(ctx, r))
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
	h, err := readHeader(data)
	if err != nil {
		return 0, 0, "", err
	}
	width, height = h.displaySize()
	return width, height, h.name, nil
}

// Decode reads an image of any known format into 8-bit RGB, told by its content. EXIF orientation is applied,
// transparent pixels are laid over white, of an animation the first frame is taken. More than maxPixels is refused
// before pixels are read. It ends soon after ctx is done, though not at once: decoders that have read all go on to the
// end.
func Decode(ctx context.Context, data []byte, maxPixels int) (*Image, error) {
	h, err := readHeader(data)
	if err != nil {
		return nil, err
	}
	if err := h.check(maxPixels); err != nil {
		return nil, err
	}
	img, err := guarded(func() (image.Image, error) { return h.decode(ctx, data) })
	var known *Error
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.As(err, &known):
		return nil, err
	case err != nil:
		return nil, corrupt(h.name, err)
	}
	if img, err = onCanvas(h.name, data, img, image.Pt(h.width, h.height)); err != nil {
		return nil, err
	}
	out, err := flatten(ctx, img, h.name)
	if err != nil {
		return nil, err
	}
	return h.orientation.turn(out), nil
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
