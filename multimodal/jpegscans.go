package multimodal

import (
	"bytes"
	"encoding/binary"
)

// Limits of scans, each of which may pass over the whole picture for a few bytes. libjpeg-turbo's own programs take
// 500; what encoders make has a dozen.
const (
	maxScans      = 500
	maxScanPixels = 2_500_000_000 // scans times pixels
)

// jpegFrame is what the markers of a JPEG file say.
type jpegFrame struct {
	width, height int
	progressive   bool
	// sampling factors of the components, of which there are so many.
	components int
	h, v       [4]int
	rgb        bool // may be stored as RGB, which is converted in memory of its own
	scans      int
	ended      bool // there is an end marker
}

// readJPEGFrame walks the segments to the end of the picture.
func readJPEGFrame(data []byte) jpegFrame {
	const (
		sof0, sof2, rst0, rst7, eoi, sos, app14 = 0xc0, 0xc2, 0xd0, 0xd7, 0xd9, 0xda, 0xee
		headerSize                              = 2
	)
	var f jpegFrame
	rest := data[min(headerSize, len(data)):]
	for {
		// Whatever stands between segments is skipped, as decoders do; of a scan's data that is all of it.
		at := bytes.IndexByte(rest, 0xff)
		if at < 0 || at+1 >= len(rest) {
			return f
		}
		marker := rest[at+1]
		switch {
		case marker == 0xff: // padding
			rest = rest[at+1:]
			continue
		case marker == 0, marker >= rst0 && marker <= rst7:
			rest = rest[at+2:]
			continue
		case marker == eoi:
			f.ended = true
			return f
		}
		rest = rest[at+2:]
		if len(rest) < 2 {
			return f
		}
		size := int(binary.BigEndian.Uint16(rest))
		if size < 2 || size > len(rest) {
			return f
		}
		body := rest[2:size]
		switch marker {
		case sof0, sof0 + 1, sof2:
			f.progressive = marker == sof2
			f.start(body)
		case sos:
			f.scans++
		case app14:
			f.rgb = f.rgb || saysRGB(body)
		}
		rest = rest[size:]
	}
}

// saysRGB reports whether Adobe's segment says that colours are stored as RGB.
func saysRGB(body []byte) bool {
	const transform = 11
	return len(body) > transform && bytes.HasPrefix(body, []byte("Adobe")) && body[transform] == 0
}

// start reads the header of the frame.
func (f *jpegFrame) start(body []byte) {
	const fixed, each = 6, 3
	if len(body) < fixed {
		return
	}
	f.height, f.width = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	f.components = min(int(body[5]), len(f.h), (len(body)-fixed)/each)
	for i := range f.components {
		c := body[fixed+each*i:]
		f.h[i], f.v[i] = int(c[1]>>4), int(c[1]&15)
		f.rgb = f.rgb || i == 0 && c[0] == 'R'
	}
}

// samples of all components, in whole blocks.
func (f *jpegFrame) samples() int64 {
	if f.components == 1 { // its own sampling means nothing
		return int64(f.width+7) * int64(f.height+7)
	}
	h, v := 1, 1
	for i := range f.components {
		h, v = max(h, f.h[i]), max(v, f.v[i])
	}
	across, down := int64((f.width+8*h-1)/(8*h)), int64((f.height+8*v-1)/(8*v))
	n := int64(0)
	for i := range f.components {
		n += 64 * across * down * int64(f.h[i]*f.v[i])
	}
	return n
}

// tooManyScans reports whether decoding takes longer than its pixels and bytes let expect.
func (f *jpegFrame) tooManyScans() bool {
	return f.scans > maxScans || int64(f.scans)*int64(f.width)*int64(f.height) > maxScanPixels
}
