package rowcache

import (
	"encoding/binary"
	"errors"
	"math"
)

// encodedHead is the size of what stands before the numbers of encoded rows: width, count and scale.
const encodedHead = 12

// ErrEncoding is what bytes have that are no rows.
var ErrEncoding = errors.New("these bytes are not rows")

// EncodedSize is how many bytes AppendEncoded appends.
func (r *Rows) EncodedSize() int64 { return encodedHead + r.Bytes() }

// AppendEncoded appends the rows as bytes from which Decode makes the same rows, on any machine.
func (r *Rows) AppendEncoded(out []byte) []byte {
	out = binary.LittleEndian.AppendUint32(out, uint32(r.width))
	out = binary.LittleEndian.AppendUint32(out, uint32(r.Len()))
	out = binary.LittleEndian.AppendUint32(out, math.Float32bits(r.scale))
	for _, h := range r.half {
		out = binary.LittleEndian.AppendUint16(out, h)
	}
	return out
}

// Decode reads what AppendEncoded wrote, and nothing else.
func Decode(data []byte) (*Rows, error) {
	if len(data) < encodedHead {
		return nil, ErrEncoding
	}
	width, count := binary.LittleEndian.Uint32(data), binary.LittleEndian.Uint32(data[4:])
	scale := math.Float32frombits(binary.LittleEndian.Uint32(data[8:]))
	data = data[encodedHead:]
	// Pack doubles the scale from 1 on.
	exact, exponent := math.Frexp(float64(scale))
	if width == 0 || uint64(width)*uint64(count) != uint64(len(data))/2 || len(data)%2 != 0 || exact != 0.5 || exponent < 1 {
		return nil, ErrEncoding
	}
	r := &Rows{width: int(width), scale: scale, half: make([]uint16, len(data)/2)}
	for i := range r.half {
		r.half[i] = binary.LittleEndian.Uint16(data[2*i:])
	}
	return r, nil
}
