package multimodal

import (
	"context"
	"image"
	"image/color"
)

// flatten converts an image that was decoded from format to RGB, transparent pixels over white.
func flatten(ctx context.Context, img image.Image, format string) (*Image, error) {
	b := img.Bounds()
	out := &Image{Width: b.Dx(), Height: b.Dy(), RGB: make([]byte, channels*b.Dx()*b.Dy())}
	row := rowReader(img, format)
	err := inRows(ctx, out.Height, func(y int) {
		row(out.RGB[channels*out.Width*y:channels*out.Width*(y+1)], b.Min.Y+y)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// rowReader returns what reads one row of img, with short cuts for the types that decoders give.
func rowReader(img image.Image, format string) func(dst []byte, y int) {
	switch img := img.(type) {
	case *image.YCbCr:
		return planarRows(img, format)
	case *image.NYCbCrA:
		return planarAlphaRows(img, format)
	case *image.Gray:
		return func(dst []byte, y int) { grayRow(dst, img.Pix[img.PixOffset(img.Rect.Min.X, y):], 1) }
	case *image.Gray16:
		return func(dst []byte, y int) { grayRow(dst, img.Pix[img.PixOffset(img.Rect.Min.X, y):], 2) }
	case *image.NRGBA:
		return func(dst []byte, y int) { alphaRow(dst, img.Pix[img.PixOffset(img.Rect.Min.X, y):], 1) }
	case *image.NRGBA64:
		return func(dst []byte, y int) { alphaRow(dst, img.Pix[img.PixOffset(img.Rect.Min.X, y):], 2) }
	case *image.RGBA:
		return func(dst []byte, y int) { premultipliedRow(dst, img.Pix[img.PixOffset(img.Rect.Min.X, y):], 1) }
	case *image.RGBA64:
		return func(dst []byte, y int) { premultipliedRow(dst, img.Pix[img.PixOffset(img.Rect.Min.X, y):], 2) }
	case *image.CMYK:
		return func(dst []byte, y int) { cmykRow(dst, img.Pix[img.PixOffset(img.Rect.Min.X, y):]) }
	case *image.Paletted:
		palette := flatPalette(img.Palette)
		return func(dst []byte, y int) { palettedRow(dst, img.Pix[img.PixOffset(img.Rect.Min.X, y):], palette) }
	default:
		b := img.Bounds()
		return func(dst []byte, y int) {
			for i, x := 0, b.Min.X; x < b.Max.X; i, x = i+channels, x+1 {
				flatPixel(dst[i:], img.At(x, y))
			}
		}
	}
}

// Samples of size bytes are big-endian: the first byte is the high one, which is what Pillow keeps.

func grayRow(dst, src []byte, size int) {
	for i := range len(dst) / channels {
		v := src[size*i]
		dst[channels*i], dst[channels*i+1], dst[channels*i+2] = v, v, v
	}
}

func alphaRow(dst, src []byte, size int) {
	for i := range len(dst) / channels {
		p := src[4*size*i : 4*size*(i+1)]
		overWhite(dst[channels*i:], p[0], p[size], p[2*size], p[3*size])
	}
}

// premultipliedRow reads what opaque PNG and BMP images become; with transparency only TIFF's associated alpha. Such a
// file may claim more colour than its alpha allows.
func premultipliedRow(dst, src []byte, size int) {
	for i := range len(dst) / channels {
		p := src[4*size*i : 4*size*(i+1)]
		white := 255 - int32(p[3*size])
		out := dst[channels*i : channels*(i+1)]
		out[0], out[1], out[2] = toByte(int32(p[0])+white), toByte(int32(p[size])+white), toByte(int32(p[2*size])+white)
	}
}

func cmykRow(dst, src []byte) {
	for i := range len(dst) / channels {
		p := src[4*i : 4*i+4]
		dst[channels*i], dst[channels*i+1], dst[channels*i+2] = color.CMYKToRGB(p[0], p[1], p[2], p[3])
	}
}

// FlattenRGBA lays 8-bit RGBA over white, as Decode does with images. rgb has room for as many pixels as rgba holds.
func FlattenRGBA(rgb, rgba []byte) { alphaRow(rgb[:channels*(len(rgba)/4)], rgba, 1) }

func palettedRow(dst, src []byte, palette *[256][channels]byte) {
	for i := range len(dst) / channels {
		copy(dst[channels*i:channels*(i+1)], palette[src[i]][:])
	}
}

// planarAlphaRows reads WebP with loss and transparency.
func planarAlphaRows(img *image.NYCbCrA, format string) func(dst []byte, y int) {
	opaque := planarRows(&img.YCbCr, format)
	return func(dst []byte, y int) {
		opaque(dst, y)
		for i, a := range img.A[img.AOffset(img.Rect.Min.X, y):][:len(dst)/channels] {
			p := dst[channels*i : channels*(i+1)]
			overWhite(p, p[0], p[1], p[2], a)
		}
	}
}

// flatPalette has an entry for every index a byte can hold, so that a damaged file cannot reach past it.
func flatPalette(p color.Palette) *[256][channels]byte {
	var out [256][channels]byte
	for i, c := range p[:min(len(p), len(out))] {
		flatPixel(out[i][:], c)
	}
	return &out
}

// flatPixel takes the high bytes of 16-bit channels.
func flatPixel(dst []byte, c color.Color) {
	n := color.NRGBA64Model.Convert(c).(color.NRGBA64)
	overWhite(dst, byte(n.R>>8), byte(n.G>>8), byte(n.B>>8), byte(n.A>>8))
}

// overWhite rounds as Pillow's alpha_composite does on an opaque white ground.
func overWhite(dst []byte, r, g, b, a byte) {
	if a == 255 {
		dst[0], dst[1], dst[2] = r, g, b
		return
	}
	mix := func(c byte) byte { return byte((int(c)*int(a) + 255*(255-int(a)) + 127) / 255) }
	dst[0], dst[1], dst[2] = mix(r), mix(g), mix(b)
}
