package multimodal

import (
	"image"
	"sync"
)

// upsampler brings a row of colour samples to the resolution of the pixels. near is the row that the pixels lie in, far
// the next nearest, below whether far is the lower one of the two. dst has a whole number of pixels for each sample.
type upsampler func(dst, near, far []byte, below bool)

// planarRows reads rows of images that keep brightness and colour apart, colour mostly at half the resolution. Package
// image repeats the samples of colour and takes all images for JPEG's; libjpeg and libwebp, which Pillow and with it
// the model's training used, interpolate, and the brightness of WebP ends at 16 and 235 (https://go.dev/issue/40173).
func planarRows(img *image.YCbCr, format string) func(dst []byte, y int) {
	width, height := img.Rect.Dx(), img.Rect.Dy()
	perSample := pixelsPerSample(img.SubsampleRatio)
	samples, rows := (width+perSample.X-1)/perSample.X, (height+perSample.Y-1)/perSample.Y
	upsample, convert := jpegUpsampler(perSample, samples), jpegRGB
	if format == "webp" {
		upsample, convert = webpUpsample, webpRGB
	}
	size := perSample.X * samples
	buffers := sync.Pool{New: func() any {
		buf := make([]byte, 2*size)
		return &buf
	}}
	return func(dst []byte, y int) {
		y -= img.Rect.Min.Y
		luma := img.Y[y*img.YStride:][:width]
		near, far, below := y/perSample.Y, y/perSample.Y-1, false
		if y%2 == 1 {
			far, below = near+1, true
		}
		far = min(max(far, 0), rows-1)
		near, far = near*img.CStride, far*img.CStride
		if upsample == nil {
			convert(dst, luma, img.Cb[near:], img.Cr[near:])
			return
		}
		buf := buffers.Get().(*[]byte)
		defer buffers.Put(buf)
		cb, cr := (*buf)[:size], (*buf)[size:]
		upsample(cb, img.Cb[near:][:samples], img.Cb[far:][:samples], below)
		upsample(cr, img.Cr[near:][:samples], img.Cr[far:][:samples], below)
		convert(dst, luma, cb, cr)
	}
}

// pixelsPerSample is how many pixels in each direction share a sample of colour.
func pixelsPerSample(r image.YCbCrSubsampleRatio) image.Point {
	switch r {
	case image.YCbCrSubsampleRatio422:
		return image.Pt(2, 1)
	case image.YCbCrSubsampleRatio420:
		return image.Pt(2, 2)
	case image.YCbCrSubsampleRatio440:
		return image.Pt(1, 2)
	case image.YCbCrSubsampleRatio411:
		return image.Pt(4, 1)
	case image.YCbCrSubsampleRatio410:
		return image.Pt(4, 2)
	default:
		return image.Pt(1, 1)
	}
}

// jpegUpsampler chooses as jinit_upsampler of libjpeg-turbo does; nil means that there is nothing to do.
func jpegUpsampler(perSample image.Point, samples int) upsampler {
	const narrowest = 3 // below it libjpeg repeats samples
	switch {
	case perSample == image.Pt(1, 1):
		return nil
	case perSample == image.Pt(1, 2):
		return jpegUpsampleRows
	case perSample == image.Pt(2, 1) && samples >= narrowest:
		return jpegUpsampleColumns
	case perSample == image.Pt(2, 2) && samples >= narrowest:
		return jpegUpsampleBoth
	default:
		return func(dst, near, _ []byte, _ bool) {
			for i := range dst {
				dst[i] = near[i/perSample.X]
			}
		}
	}
}

// jpegUpsampleRows is libjpeg-turbo's h1v2_fancy_upsample: three parts of the nearest sample and one of the next,
// rounded up and down in turns.
func jpegUpsampleRows(dst, near, far []byte, below bool) {
	bias := 1
	if below {
		bias = 2
	}
	for i := range dst {
		dst[i] = byte((3*int(near[i]) + int(far[i]) + bias) >> 2)
	}
}

// jpegUpsampleColumns is h2v1_fancy_upsample, the same sidewards.
func jpegUpsampleColumns(dst, near, _ []byte, _ bool) {
	left := int(near[0])
	for i, v := range near {
		this, right := int(v), int(near[min(i+1, len(near)-1)])
		dst[2*i] = byte((3*this + left + 1) >> 2)
		dst[2*i+1] = byte((3*this + right + 2) >> 2)
		left = this
	}
}

// jpegUpsampleBoth is h2v2_fancy_upsample: both, rounded once.
func jpegUpsampleBoth(dst, near, far []byte, _ bool) {
	this := 3*int(near[0]) + int(far[0])
	left := this
	for i := range near {
		next := min(i+1, len(near)-1)
		right := 3*int(near[next]) + int(far[next])
		dst[2*i] = byte((3*this + left + 8) >> 4)
		dst[2*i+1] = byte((3*this + right + 7) >> 4)
		left, this = this, right
	}
}

// webpUpsample is libwebp's UPSAMPLE_FUNC. Its weights are those of jpegUpsampleBoth, its rounding is another.
func webpUpsample(dst, near, far []byte, _ bool) {
	last := len(near) - 1
	dst[0] = byte((3*int(near[0]) + int(far[0]) + 2) >> 2)
	for i := range last {
		nearLeft, nearRight, farLeft, farRight := int(near[i]), int(near[i+1]), int(far[i]), int(far[i+1])
		sum := nearLeft + nearRight + farLeft + farRight + 8
		dst[2*i+1] = byte(((sum+2*(nearRight+farLeft))>>3 + nearLeft) >> 1)
		dst[2*i+2] = byte(((sum+2*(nearLeft+farRight))>>3 + nearRight) >> 1)
	}
	dst[2*last+1] = byte((3*int(near[last]) + int(far[last]) + 2) >> 2)
}

// jpegRGB is libjpeg's ycc_rgb_convert: JFIF's full range, 16 fractional bits.
func jpegRGB(dst, luma, cb, cr []byte) {
	const half = 1 << 15
	cb, cr = cb[:len(luma)], cr[:len(luma)]
	for i, v := range luma {
		y, b, r := int32(v), int32(cb[i])-128, int32(cr[i])-128
		out := dst[channels*i : channels*i+channels : channels*i+channels]
		out[0] = toByte(y + (91881*r+half)>>16)
		out[1] = toByte(y + (half-22554*b-46802*r)>>16)
		out[2] = toByte(y + (116130*b+half)>>16)
	}
}

// webpRGB is libwebp's VP8YUVToRGB: BT.601 from 16 to 235, 14 fractional bits of which 8 are dropped early.
func webpRGB(dst, luma, cb, cr []byte) {
	cb, cr = cb[:len(luma)], cr[:len(luma)]
	for i, v := range luma {
		y, b, r := int32(v)*19077>>8, int32(cb[i]), int32(cr[i])
		out := dst[channels*i : channels*i+channels : channels*i+channels]
		out[0] = toByte((y + r*26149>>8 - 14234) >> 6)
		out[1] = toByte((y - b*6419>>8 - r*13320>>8 + 8708) >> 6)
		out[2] = toByte((y + b*33050>>8 - 17685) >> 6)
	}
}

func toByte(v int32) byte { return byte(min(max(v, 0), 255)) }
