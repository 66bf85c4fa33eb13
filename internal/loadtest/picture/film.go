package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
)

// Film is an AVI file of JPEG frames, which any decoder of videos reads. Each frame has tiles of its own.
func Film(width, height, frames, perSecond int, seed uint64) ([]byte, error) {
	if frames < 1 || perSecond < 1 {
		return nil, fmt.Errorf("a film of %d frames, %d a second: there must be some", frames, perSecond)
	}
	pictures := make([][]byte, frames)
	for i := range pictures {
		m := image.NewNRGBA(image.Rect(0, 0, width, height))
		paintTiles(m, rand.New(rand.NewPCG(seed, uint64(i))))
		var out bytes.Buffer
		if err := jpeg.Encode(&out, m, nil); err != nil {
			return nil, fmt.Errorf("write a frame: %w", err)
		}
		pictures[i] = out.Bytes()
	}
	return avi(width, height, perSecond, pictures), nil
}

// Flags of the AVI format.
const (
	hasIndex = 0x10
	keyFrame = 0x10
)

func avi(width, height, perSecond int, frames [][]byte) []byte {
	largest := 0
	var pictures, positions []byte
	const first = 4 // positions count from the list's name
	for _, f := range frames {
		largest = max(largest, len(f))
		positions = append(positions, "00dc"...)
		positions = numbers(positions, keyFrame, first+len(pictures), len(f))
		pictures = append(pictures, chunk("00dc", f)...)
	}
	const microseconds = 1_000_000
	header := numbers(nil, microseconds/perSecond, largest*perSecond, 0, hasIndex, len(frames), 0, 1, largest, width, height, 0, 0, 0, 0)
	stream := append([]byte("vidsMJPG"), numbers(nil, 0, 0, 0, 1, perSecond, 0, len(frames), largest, -1, 0, 0)...)
	stream = binary.LittleEndian.AppendUint16(stream, uint16(width))
	stream = binary.LittleEndian.AppendUint16(stream, uint16(height))
	const planes, depth = 1, 24
	format := numbers(nil, 40, width, height, planes|depth<<16)
	format = append(format, "MJPG"...)
	format = numbers(format, width*height*depth/8, 0, 0, 0, 0)
	return chunk("RIFF", []byte("AVI "),
		chunk("LIST", []byte("hdrl"), chunk("avih", header),
			chunk("LIST", []byte("strl"), chunk("strh", stream), chunk("strf", format))),
		chunk("LIST", []byte("movi"), pictures),
		chunk("idx1", positions))
}

// numbers appends each as 32 bits.
func numbers(b []byte, values ...int) []byte {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return b
}

// chunk is a RIFF chunk: its name, its length, its content, and a byte that makes its length even.
func chunk(name string, parts ...[]byte) []byte {
	content := bytes.Join(parts, nil)
	out := numbers([]byte(name), len(content))
	out = append(out, content...)
	if len(content)%2 == 1 {
		out = append(out, 0)
	}
	return out
}
