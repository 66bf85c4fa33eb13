// Package hostile makes small files that cost much to decode: many scans, pixels that take no bits, deep channels, long
// animations. They are valid, so a decoder has no reason to stop early.
//
// It is for tests and measurements. It must not be imported by the daemon.
package hostile

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"io"
)

// ProgressiveJPEG is a picture of three full planes that is sent in so many scans, of which all but the first say in a
// few bytes that nothing changes.
func ProgressiveJPEG(width, height, scans int) []byte {
	var out bytes.Buffer
	segment := func(marker byte, body ...byte) {
		out.Write([]byte{0xff, marker, byte((len(body) + 2) >> 8), byte(len(body) + 2)})
		out.Write(body)
	}
	out.WriteString("\xff\xd8")
	segment(0xdb, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)...)
	segment(0xc2, 8, byte(height>>8), byte(height), byte(width>>8), byte(width), 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0)
	one := func(class, symbol byte) []byte { // a code of one bit for one symbol
		return append([]byte{class, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, symbol)
	}
	segment(0xc4, one(0x00, 0)...)
	segment(0xc4, one(0x10, 0xe0)...) // a run of 2^14 and more blocks
	blocks := (width + 7) / 8 * ((height + 7) / 8)
	segment(0xda, 3, 1, 0, 2, 0, 3, 0, 0, 0, 0)
	out.Write(make([]byte, (3*blocks+7)/8)) // a zero bit for each block
	const run = 1<<15 - 1
	var runs bitWriter
	for left := blocks; left > 0; left -= run {
		n := min(left, run)
		if n < 1<<14 {
			n = 1 << 14 // a run may reach beyond the end
		}
		runs.high(0, 1)
		runs.high(uint32(n-1<<14), 14)
	}
	data := bytes.ReplaceAll(runs.bytes(), []byte{0xff}, []byte{0xff, 0})
	for i := 1; i < scans; i++ {
		segment(0xda, 1, byte(1+i%3), 0, 1, 63, 0)
		out.Write(data)
	}
	out.WriteString("\xff\xd9")
	return out.Bytes()
}

// LosslessWebP is a picture of one colour whose pixels take no bits at all, with every transform that is done
// afterwards.
func LosslessWebP(width, height int) []byte {
	return riff(chunk("VP8L", vp8l(width, height)))
}

// AnimatedWebP has so many frames of full size, each like LosslessWebP's, shown for a tenth of a second.
func AnimatedWebP(width, height, frames int) []byte {
	w, h := le24(width-1), le24(height-1)
	const animated = 2
	out := [][]byte{
		chunk("VP8X", []byte{animated, 0, 0, 0}, w, h),
		chunk("ANIM", make([]byte, 6)),
	}
	frame := chunk("ANMF", make([]byte, 6), w, h, le24(100), []byte{0}, chunk("VP8L", vp8l(width, height)))
	for range frames {
		out = append(out, frame)
	}
	return riff(out...)
}

func vp8l(width, height int) []byte {
	var w bitWriter
	w.low(0x2f, 8)
	w.low(uint32(width-1), 14)
	w.low(uint32(height-1), 14)
	w.low(0, 1+3)
	codes := func() { // each of the five codes has one symbol, which takes no bits
		for range 5 {
			w.low(1, 1) // simple
			w.low(0, 1) // one symbol
			w.low(0, 1) // of one bit
			w.low(0, 1) // zero
		}
	}
	const sizeBits = 7                       // tiles of 512 pixels
	for _, kind := range []uint32{2, 0, 1} { // subtract green, predict, cross colours
		w.low(1, 1)
		w.low(kind, 2)
		if kind != 2 {
			w.low(sizeBits, 3)
			w.low(0, 1) // no colour cache
			codes()
		}
	}
	w.low(0, 1) // no more transforms
	w.low(0, 1) // no colour cache
	w.low(0, 1) // one group of codes
	codes()
	return w.bytes()
}

func riff(chunks ...[]byte) []byte {
	return chunk("RIFF", append([][]byte{[]byte("WEBP")}, chunks...)...)
}

func chunk(name string, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	out := append([]byte(name), binary.LittleEndian.AppendUint32(nil, uint32(len(body)))...)
	out = append(out, body...)
	if len(body)%2 == 1 {
		out = append(out, 0)
	}
	return out
}

func le24(v int) []byte { return []byte{byte(v), byte(v >> 8), byte(v >> 16)} }

// DeepTIFF has 16 bits for each of three channels, deflated in one strip.
func DeepTIFF(width, height int) []byte {
	strip := zeros(6 * int64(width) * int64(height))
	const short, long = 3, 4
	type entry struct {
		tag, kind    uint16
		count, value uint32
	}
	const entries, header = 9, 8
	bitsAt := uint32(header + 2 + entries*12 + 4)
	fields := []entry{
		{256, long, 1, uint32(width)},
		{257, long, 1, uint32(height)},
		{258, short, 3, bitsAt},
		{259, short, 1, 8}, // deflate
		{262, short, 1, 2}, // RGB
		{273, long, 1, bitsAt + 6},
		{277, short, 1, 3},
		{278, long, 1, uint32(height)},
		{279, long, 1, uint32(len(strip))},
	}
	out := []byte("II\x2a\x00\x08\x00\x00\x00")
	out = binary.LittleEndian.AppendUint16(out, entries)
	for _, e := range fields {
		out = binary.LittleEndian.AppendUint16(out, e.tag)
		out = binary.LittleEndian.AppendUint16(out, e.kind)
		out = binary.LittleEndian.AppendUint32(out, e.count)
		out = binary.LittleEndian.AppendUint32(out, e.value)
	}
	out = append(out, 0, 0, 0, 0, 16, 0, 16, 0, 16, 0)
	return append(out, strip...)
}

// DeepPNG has 16 bits for each of four channels; interlaced, it is decoded twice over.
func DeepPNG(width, height int, interlaced bool) []byte {
	head := binary.BigEndian.AppendUint32(nil, uint32(width))
	head = binary.BigEndian.AppendUint32(head, uint32(height))
	head = append(head, 16, 6, 0, 0, 0)
	raw := int64(height) * int64(1+8*width)
	if interlaced {
		head[12] = 1
		raw = 0
		for _, p := range [][4]int{{8, 8, 0, 0}, {8, 8, 4, 0}, {4, 8, 0, 4}, {4, 4, 2, 0}, {2, 4, 0, 2}, {2, 2, 1, 0}, {1, 2, 0, 1}} {
			w, h := (width-p[2]+p[0]-1)/p[0], (height-p[3]+p[1]-1)/p[1]
			if w > 0 && h > 0 {
				raw += int64(h) * int64(1+8*w)
			}
		}
	}
	var out bytes.Buffer
	out.WriteString("\x89PNG\r\n\x1a\n")
	for _, c := range []struct {
		name string
		body []byte
	}{{"IHDR", head}, {"IDAT", zeros(raw)}, {"IEND", nil}} {
		named := append([]byte(c.name), c.body...)
		_ = binary.Write(&out, binary.BigEndian, uint32(len(c.body)))
		out.Write(named)
		_ = binary.Write(&out, binary.BigEndian, crc32.ChecksumIEEE(named))
	}
	return out.Bytes()
}

// zeros is a zlib stream of n zero bytes.
func zeros(n int64) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, _ = io.CopyN(w, nothing{}, n)
	_ = w.Close()
	return out.Bytes()
}

// nothing is an endless source of zero bytes.
type nothing struct{}

func (nothing) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// bitWriter fills bytes from their low or their high bits on.
type bitWriter struct {
	out  []byte
	used int // bits of the last byte
}

func (w *bitWriter) bit(v uint32, lowFirst bool) {
	if w.used%8 == 0 {
		w.out = append(w.out, 0)
	}
	at := w.used % 8
	if !lowFirst {
		at = 7 - at
	}
	w.out[len(w.out)-1] |= byte(v&1) << at
	w.used++
}

// low writes n bits, the lowest first.
func (w *bitWriter) low(v uint32, n int) {
	for i := range n {
		w.bit(v>>i, true)
	}
}

// high writes n bits, the highest first.
func (w *bitWriter) high(v uint32, n int) {
	for i := n - 1; i >= 0; i-- {
		w.bit(v>>i, false)
	}
}

func (w *bitWriter) bytes() []byte { return w.out }
