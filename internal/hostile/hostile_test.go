package hostile

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"testing"

	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// A decoder that refuses them would test nothing.
func TestTheFilesAreValid(t *testing.T) {
	for name, c := range map[string]struct {
		data   []byte
		decode func(io.Reader) (image.Image, error)
	}{
		"progressive JPEG": {ProgressiveJPEG(300, 200, 7), jpeg.Decode},
		"lossless WebP":    {LosslessWebP(300, 200), webp.Decode},
		"deep TIFF":        {DeepTIFF(300, 200), tiff.Decode},
		"deep PNG":         {DeepPNG(300, 200, false), png.Decode},
		"interlaced PNG":   {DeepPNG(300, 200, true), png.Decode},
	} {
		img, err := c.decode(bytes.NewReader(c.data))
		if err != nil || img.Bounds().Size() != image.Pt(300, 200) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
