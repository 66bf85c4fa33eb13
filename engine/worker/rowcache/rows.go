package rowcache

import "math"

// Rows are the rows of a picture, as half-precision numbers of a common scale. They do not change.
type Rows struct {
	width int
	scale float32 // a power of two, by which the numbers are multiplied
	half  []uint16
}

// largest is the largest number of half precision.
const largest = 65504

// Pack packs rows of so many values each.
func Pack(values []float32, width int) *Rows {
	r := &Rows{width: width, scale: 1, half: make([]uint16, len(values))}
	most := float32(0)
	for _, v := range values {
		if v = float32(math.Abs(float64(v))); v > most && !math.IsInf(float64(v), 0) {
			most = v
		}
	}
	for most > largest*r.scale {
		r.scale *= 2
	}
	for i, v := range values {
		r.half[i] = toHalf(v / r.scale)
	}
	return r
}

// Len is the number of rows, Width that of the values of each.
func (r *Rows) Len() int { return len(r.half) / r.width }

// Width is the number of values of a row.
func (r *Rows) Width() int { return r.width }

// Bytes is how much memory they take.
func (r *Rows) Bytes() int64 { return 2 * int64(len(r.half)) }

// AppendTo appends the values of rows from one up to another.
func (r *Rows) AppendTo(out []float32, from, to int) []float32 {
	for _, h := range r.half[from*r.width : to*r.width] {
		out = append(out, r.scale*fromHalf(h))
	}
	return out
}

// toHalf rounds to the nearest number of half precision, ties to even.
func toHalf(v float32) uint16 {
	bits := math.Float32bits(v)
	sign, rest := uint16(bits>>16&0x8000), bits&0x7fffffff
	switch {
	case rest > 0x7f800000: // not a number
		return sign | 0x7e00
	case rest >= 0x477ff000: // rounds to infinity
		return sign | 0x7c00
	case rest < 0x38800000: // a multiple of 2^-24, or nothing
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(rest))*(1<<24)))
	}
	rest += 0xfff + rest>>13&1
	return sign | uint16((rest-0x38000000)>>13)
}

func fromHalf(h uint16) float32 {
	sign, exponent, rest := uint32(h&0x8000)<<16, uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exponent {
	case 0:
		return math.Float32frombits(sign | math.Float32bits(float32(rest)/(1<<24)))
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | rest<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | rest<<13)
}
