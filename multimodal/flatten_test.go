package multimodal

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"math/rand/v2"
	"testing"
)

// slow hides the type of an image, so that no short cut is taken.
type slow struct{ image.Image }

func flattened(t *testing.T, img image.Image, format string) []byte {
	t.Helper()
	out, err := flatten(context.Background(), img, format)
	if err != nil {
		t.Fatal(err)
	}
	return out.RGB
}

func TestShortCutsGiveWhatPackageImageSays(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	fill := func(pix []byte) {
		for i := range pix {
			pix[i] = byte(random.Uint32())
		}
	}
	// A part of an image, so that offsets matter.
	whole, part := image.Rect(0, 0, 40, 30), image.Rect(3, 5, 36, 29)
	gray, gray16, nrgba, cmyk := image.NewGray(whole), image.NewGray16(whole), image.NewNRGBA(whole), image.NewCMYK(whole)
	nrgba64, rgba, rgba64 := image.NewNRGBA64(whole), image.NewRGBA(whole), image.NewRGBA64(whole)
	paletted := image.NewPaletted(whole, color.Palette{color.White, color.NRGBA{10, 20, 30, 40}, color.Black, color.Transparent})
	for _, pix := range [][]byte{gray.Pix, gray16.Pix, nrgba.Pix, cmyk.Pix, nrgba64.Pix, rgba.Pix, rgba64.Pix, paletted.Pix} {
		fill(pix)
	}
	for i := range paletted.Pix {
		paletted.Pix[i] &= 3
	}
	for i := range whole.Dx() * whole.Dy() { // opaque, as decoders give them
		rgba.Pix[4*i+3] = 255
		rgba64.Pix[8*i+6], rgba64.Pix[8*i+7] = 255, 255
	}
	for name, img := range map[string]image.Image{
		"gray": gray.SubImage(part), "gray 16": gray16.SubImage(part), "NRGBA": nrgba.SubImage(part), "NRGBA 16": nrgba64.SubImage(part),
		"RGBA": rgba.SubImage(part), "RGBA 16": rgba64.SubImage(part), "CMYK": cmyk.SubImage(part), "paletted": paletted.SubImage(part),
	} {
		t.Run(name, func(t *testing.T) {
			if !bytes.Equal(flattened(t, img, "png"), flattened(t, slow{img}, "png")) {
				t.Error("other pixels")
			}
		})
	}
}

func TestImpossiblyPremultipliedColoursStayInRange(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 2, 1))
	copy(img.Pix, []byte{200, 100, 0, 100, 0, 0, 0, 0})
	if got, want := flattened(t, img, "tiff"), []byte{255, 255, 155, 255, 255, 255}; !bytes.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestEvenColourStaysEvenAtEverySubsampling(t *testing.T) {
	for _, ratio := range []image.YCbCrSubsampleRatio{
		image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420,
		image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410,
	} {
		for width := range 20 {
			img := image.NewYCbCr(image.Rect(0, 0, width+1, 9), ratio)
			for _, plane := range [][]byte{img.Y, img.Cb, img.Cr} {
				for i := range plane {
					plane[i] = 90
				}
			}
			rgb := flattened(t, img, "jpeg")
			for i := 0; i < len(rgb); i += channels {
				if !bytes.Equal(rgb[i:i+channels], []byte{37, 130, 23}) {
					t.Fatalf("%v, %d wide: pixel %d is %v", ratio, width+1, i/channels, rgb[i:i+channels])
				}
			}
		}
	}
}

func TestSmallFirstFrameOfGIFLiesOnWhite(t *testing.T) {
	frame := image.NewPaletted(image.Rect(2, 1, 4, 2), color.Palette{color.Black})
	var buf bytes.Buffer
	err := gif.EncodeAll(&buf, &gif.GIF{Image: []*image.Paletted{frame}, Delay: []int{0}, Config: image.Config{Width: 5, Height: 3}})
	if err != nil {
		t.Fatal(err)
	}
	img, err := Decode(context.Background(), buf.Bytes(), 100)
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte{255}, 5*3*channels)
	for _, at := range []int{5 + 2, 5 + 3} {
		copy(want[channels*at:], []byte{0, 0, 0})
	}
	if img.Width != 5 || img.Height != 3 || !bytes.Equal(img.RGB, want) {
		t.Errorf("%d x %d: %v", img.Width, img.Height, img.RGB)
	}
}

// A WebP whose canvas is small and whose picture is large must not get past the limit.
func TestWebPHeaderMustFitItsPicture(t *testing.T) {
	still := sample(t, "lossless.webp") // 40 x 24
	canvas := make([]byte, 18)
	copy(canvas, "VP8X\x0a\x00\x00\x00")
	body := append(append([]byte("WEBP"), canvas...), still[12:]...)
	data := append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
	if _, err := Decode(context.Background(), data, 10); kindOf(t, err) != KindCorrupt {
		t.Errorf("%v", err)
	}
}

func TestJPEGOrientationIsFoundBehindOtherSegments(t *testing.T) {
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, image.NewGray(image.Rect(0, 0, 8, 4)), nil); err != nil {
		t.Fatal(err)
	}
	const other, fill = "\xff\xe2\x00\x06abcd", "\xff"
	exif := map[string]string{
		"big endian":    "MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00",
		"little endian": "II\x2a\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00",
	}
	for name, tiff := range exif {
		t.Run(name, func(t *testing.T) {
			body := "Exif\x00\x00" + tiff
			segment := other + fill + "\xff\xe1" + string([]byte{0, byte(2 + len(body))}) + body
			data := append([]byte("\xff\xd8"+segment), buf.Bytes()[2:]...)
			if w, h, format, err := DecodeSize(data); err != nil || w != 4 || h != 8 || format != "jpeg" {
				t.Errorf("%s of %d x %d, %v", format, w, h, err)
			}
			// Values beyond 8 and directories beyond the end mean upright.
			for _, broken := range [][]byte{
				bytes.Replace(data, []byte(tiff), []byte(tiff[:4]+"\xff\xff\xff\xff"+tiff[8:]), 1),
				bytes.ReplaceAll(data, []byte{0, 6}, []byte{0, 9}),
			} {
				if w, h, _, err := DecodeSize(broken); err == nil && (w != 8 || h != 4) {
					t.Errorf("%d x %d", w, h)
				}
			}
		})
	}
}
