package multimodal

import (
	"context"
	"image"
	"image/color"
)

// flatten converts a decoded image to RGB, transparent pixels over white.
func flatten(ctx context.Context, img image.Image) (*Image, error) {
	b := img.Bounds()
	out := &Image{Width: b.Dx(), Height: b.Dy(), RGB: make([]byte, channels*b.Dx()*b.Dy())}
	row := rowReader(img)
	err := inRows(ctx, out.Height, func(y int) {
		row(out.RGB[channels*out.Width*y:channels*out.Width*(y+1)], b.Min.Y+y)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// rowReader returns what reads one row of img, with short cuts for the types that decoders give.
func rowReader(img image.Image) func(dst []byte, y int) {
	b := img.Bounds()
	switch img := img.(type) {
	case *image.YCbCr:
		return func(dst []byte, y int) {
			for i, x := 0, b.Min.X; x < b.Max.X; i, x = i+channels, x+1 {
				luma, chroma := img.YOffset(x, y), img.COffset(x, y)
				dst[i], dst[i+1], dst[i+2] = color.YCbCrToRGB(img.Y[luma], img.Cb[chroma], img.Cr[chroma])
			}
		}
	case *image.Gray:
		return func(dst []byte, y int) {
			for i, v := range img.Pix[img.PixOffset(b.Min.X, y):][:b.Dx()] {
				dst[channels*i], dst[channels*i+1], dst[channels*i+2] = v, v, v
			}
		}
	case *image.Gray16:
		return func(dst []byte, y int) {
			src := img.Pix[img.PixOffset(b.Min.X, y):]
			for i := range b.Dx() {
				v := src[2*i]
				dst[channels*i], dst[channels*i+1], dst[channels*i+2] = v, v, v
			}
		}
	case *image.NRGBA:
		return func(dst []byte, y int) {
			src := img.Pix[img.PixOffset(b.Min.X, y):]
			for i := range b.Dx() {
				overWhite(dst[channels*i:], src[4*i], src[4*i+1], src[4*i+2], src[4*i+3])
			}
		}
	case *image.RGBA: // opaque PNG and BMP; with alpha only what premultiplies
		return func(dst []byte, y int) {
			src := img.Pix[img.PixOffset(b.Min.X, y):]
			for i := range b.Dx() {
				white := 255 - src[4*i+3]
				dst[channels*i], dst[channels*i+1], dst[channels*i+2] = src[4*i]+white, src[4*i+1]+white, src[4*i+2]+white
			}
		}
	case *image.Paletted:
		palette := flatPalette(img.Palette)
		return func(dst []byte, y int) {
			for i, index := range img.Pix[img.PixOffset(b.Min.X, y):][:b.Dx()] {
				copy(dst[channels*i:channels*(i+1)], palette[index][:])
			}
		}
	default:
		return func(dst []byte, y int) {
			for i, x := 0, b.Min.X; x < b.Max.X; i, x = i+channels, x+1 {
				flatPixel(dst[i:], img.At(x, y))
			}
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
	if c, ok := c.(color.CMYK); ok {
		dst[0], dst[1], dst[2] = color.CMYKToRGB(c.C, c.M, c.Y, c.K)
		return
	}
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
