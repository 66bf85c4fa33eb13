package multimodal

import (
	"bytes"
	"encoding/binary"
)

// orientation is EXIF's: how the stored picture must be turned to be upright. 1 is upright.
type orientation int

const upright orientation = 1

// swapsSides reports whether width and height change places.
func (o orientation) swapsSides() bool { return o >= 5 && o <= 8 }

// orientationOf finds the orientation in the metadata of a file. Anything odd means upright: a broken tag is no reason
// to refuse a picture.
func orientationOf(format string, data []byte) orientation {
	switch format {
	case "jpeg":
		return jpegOrientation(data)
	case "png":
		return pngOrientation(data)
	case "webp":
		return webpOrientation(data)
	case "tiff":
		return tiffOrientation(data)
	default:
		return upright
	}
}

// jpegOrientation walks the segments up to the picture's data.
func jpegOrientation(data []byte) orientation {
	const (
		markerStart, markerAPP1, markerSOS, markerEOI = 0xff, 0xe1, 0xda, 0xd9
		soiSize                                       = 2
	)
	for rest := data[min(soiSize, len(data)):]; len(rest) >= 4 && rest[0] == markerStart; {
		marker := rest[1]
		if marker == markerStart { // padding
			rest = rest[1:]
			continue
		}
		if marker == markerSOS || marker == markerEOI {
			break
		}
		size := int(binary.BigEndian.Uint16(rest[2:]))
		if size < 2 || 2+size > len(rest) {
			break
		}
		if body := rest[4 : 2+size]; marker == markerAPP1 && bytes.HasPrefix(body, []byte("Exif\x00\x00")) {
			return tiffOrientation(body[6:])
		}
		rest = rest[2+size:]
	}
	return upright
}

func pngOrientation(data []byte) orientation {
	const signature, overhead = 8, 12
	for rest := data[min(signature, len(data)):]; len(rest) >= overhead; {
		size := binary.BigEndian.Uint32(rest)
		if uint64(size)+overhead > uint64(len(rest)) {
			break
		}
		switch string(rest[4:8]) {
		case "eXIf":
			return tiffOrientation(rest[8 : 8+size])
		case "IEND":
			return upright
		}
		rest = rest[overhead+size:]
	}
	return upright
}

func webpOrientation(data []byte) orientation {
	const riffHeader, chunkHeader = 12, 8
	for rest := data[min(riffHeader, len(data)):]; len(rest) >= chunkHeader; {
		size := uint64(binary.LittleEndian.Uint32(rest[4:]))
		if chunkHeader+size > uint64(len(rest)) {
			break
		}
		if string(rest[:4]) == "EXIF" {
			return tiffOrientation(bytes.TrimPrefix(rest[chunkHeader:chunkHeader+size], []byte("Exif\x00\x00")))
		}
		rest = rest[min(chunkHeader+size+size%2, uint64(len(rest))):]
	}
	return upright
}

// tiffOrientation reads the orientation from a TIFF structure, which is also what EXIF is.
func tiffOrientation(data []byte) orientation {
	const tagOrientation = 274
	if o := orientation(tiffTag(data, tagOrientation)); o >= upright && o <= 8 {
		return o
	}
	return upright
}

// isInvertedFax tells TIFF images with fax compression whose zero is black. Go's decoder takes the fax's white for
// white; libtiff, and with it Pillow, takes it for zero.
func isInvertedFax(data []byte) bool {
	const tagCompression, group3, group4 = 259, 3, 4
	const tagPhotometric, blackIsZero = 262, 1
	compression := tiffTag(data, tagCompression)
	return (compression == group3 || compression == group4) && tiffTag(data, tagPhotometric) == blackIsZero
}

// turn returns img as it should be seen.
func (o orientation) turn(img *Image) *Image {
	if o <= upright || o > 8 {
		return img
	}
	w, h := img.Width, img.Height
	out := &Image{Width: w, Height: h, RGB: make([]byte, len(img.RGB))}
	if o.swapsSides() {
		out.Width, out.Height = h, w
	}
	// The pixel at (x, y) of out comes from origin + x*dx + y*dy of img, in pixels.
	var origin, dx, dy int
	switch o {
	case 2: // mirrored
		origin, dx, dy = w-1, -1, w
	case 3: // upside down
		origin, dx, dy = w*h-1, -1, -w
	case 4: // mirrored and upside down
		origin, dx, dy = w*(h-1), 1, -w
	case 5: // transposed
		origin, dx, dy = 0, w, 1
	case 6: // lies on its left side
		origin, dx, dy = w*(h-1), -w, 1
	case 7: // transposed the other way
		origin, dx, dy = w*h-1, -w, -1
	default: // 8, lies on its right side
		origin, dx, dy = w-1, w, -1
	}
	i := 0
	for y := range out.Height {
		from := origin + y*dy
		for range out.Width {
			copy(out.RGB[i:i+channels], img.RGB[channels*from:])
			i += channels
			from += dx
		}
	}
	return out
}
