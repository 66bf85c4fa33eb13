package multimodal

import (
	"bytes"
	"encoding/binary"
	"image/color"
)

// What decoders allocate, in bytes, all of it together: what they drop on the way is only freed when somebody looks for
// it. The numbers follow the decoders of image/... and golang.org/x/image, which memory_test.go holds against what they
// really take.

func jpegMemory(data []byte, h *header) int64 {
	f := readJPEGFrame(data)
	n := f.samples()
	if f.progressive {
		const coefficient = 4
		n += coefficient * n
	}
	if f.components == 4 || f.rgb {
		n += 4 * h.area() // CMYK or RGBA
	}
	return n
}

func pngMemory(data []byte, h *header) int64 {
	const depthAt, colorAt, interlaceAt, end = 24, 25, 28, 29
	if len(data) < end {
		return 0
	}
	const gray, palette = 0, 3
	n := int64(4)
	if c := data[colorAt]; c == palette || c == gray && !bytes.Contains(data, []byte("tRNS")) { // a shade of gray may be transparent
		n = 1
	}
	if data[depthAt] == 16 {
		n *= 2
	}
	if data[interlaceAt] != 0 {
		n *= 2 // every pass is a picture first
	}
	return n * h.area()
}

// gifMemory counts the indices twice, for interlaced ones are put in order in a second place, and the ground that a
// smaller frame is laid on.
func gifMemory(_ []byte, h *header) int64 { return (2 + 4) * h.area() }

func bmpMemory(_ []byte, h *header) int64 { return 4 * h.area() }

// webpMemory counts both pictures of VP8L, before and after its colours are looked up, and its codes, of which there
// may be thousands.
func webpMemory(data []byte, h *header) int64 {
	const codes = 128 << 20
	lossy, lossless, ground := int64(0), int64(0), int64(0)
	count := func(name string) {
		switch name {
		case "VP8 ":
			lossy = 2
		case "VP8L":
			lossless = 8
		case "ALPH":
			lossless = 9
		}
	}
	if len(data) > riffHeader {
		_ = eachChunk(data[riffHeader:], func(name string, body []byte) error {
			if name == "ANMF" && len(body) > frameHeader {
				ground = 4
				return eachChunk(body[frameHeader:], func(name string, _ []byte) error { count(name); return nil })
			}
			count(name)
			return nil
		})
	}
	n := (lossy + lossless + ground) * h.area()
	if lossless > 0 {
		n += min(256*int64(len(data)), codes)
	}
	return n
}

func tiffMemory(data []byte, h *header) int64 {
	const tagCompression, tagRowsPerStrip, tagTileWidth, tagTileHeight = 259, 278, 322, 323
	const none, fax3, fax4, packBits = 1, 3, 4, 32773
	pixel := int64(4)
	switch h.model {
	case color.GrayModel:
		pixel = 1
	case color.Gray16Model:
		pixel = 2
	case color.RGBA64Model, color.NRGBA64Model:
		pixel = 8
	}
	block := h.area()
	if w := tiffTag(data, tagTileWidth); w > 0 {
		block = int64(w) * int64(max(tiffTag(data, tagTileHeight), 0))
	} else if rows := tiffTag(data, tagRowsPerStrip); rows > 0 {
		block = int64(h.width) * int64(min(rows, h.height))
	}
	// A block may unpack to eight bytes a pixel, whatever the picture has, in a buffer that grows by copying.
	const unpacked = 8
	switch tiffTag(data, tagCompression) {
	case none, 0, -1:
		block = 3 * int64(len(data))
	case fax3, fax4:
	case packBits:
		block *= 6 * unpacked
	default:
		block *= 4 * unpacked
	}
	return pixel*h.area() + block
}

// tiffTag is the first value of a tag of unsigned integers in the first directory of a TIFF structure, -1 without one.
func tiffTag(data []byte, tag uint16) int {
	const headerSize, entrySize = 8, 12
	if len(data) < headerSize {
		return -1
	}
	var order binary.ByteOrder = binary.LittleEndian
	if data[0] == 'M' {
		order = binary.BigEndian
	}
	at := uint64(order.Uint32(data[4:]))
	if at+2 > uint64(len(data)) {
		return -1
	}
	entries := data[at+2:]
	for n := order.Uint16(data[at:]); n > 0 && len(entries) >= entrySize; n-- {
		if order.Uint16(entries) == tag {
			return tiffValue(data, order, entries[:entrySize])
		}
		entries = entries[entrySize:]
	}
	return -1
}

// tiffValue is the first value of a directory entry.
func tiffValue(data []byte, order binary.ByteOrder, entry []byte) int {
	const typeByte, typeShort, typeLong, inline = 1, 3, 4, 4
	size := map[uint16]uint64{typeByte: 1, typeShort: 2, typeLong: 4}[order.Uint16(entry[2:])]
	count, value := uint64(order.Uint32(entry[4:])), entry[8:]
	if size == 0 || count == 0 {
		return -1
	}
	if count*size > inline {
		at := uint64(order.Uint32(value))
		if at+size > uint64(len(data)) {
			return -1
		}
		value = data[at:]
	}
	switch size {
	case 1:
		return int(value[0])
	case 2:
		return int(order.Uint16(value))
	default:
		return int(order.Uint32(value))
	}
}
