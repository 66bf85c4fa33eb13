package selftest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
)

// Format is how weights are stored. The references' are the same numbers in each.
type Format string

// Formats that are tried. Where a matrix cannot be stored in one, because its rows are too short, it is in the one
// before.
const (
	Float32 Format = "f32"
	Float16 Format = "f16"
	Q8      Format = "q8_0"
	Q4      Format = "q4_K"
)

// kind is a type of ggml's.
type kind struct {
	number uint32
	// block is how many values are stored together, in how many bytes.
	block, bytes int
	put          func(out []byte, n []int8, scale float32) []byte
}

var kinds = map[Format]kind{
	Float32: {0, 1, 4, func(out []byte, n []int8, scale float32) []byte {
		return binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(n[0])*scale))
	}},
	Float16: {1, 1, 2, func(out []byte, n []int8, scale float32) []byte {
		return binary.LittleEndian.AppendUint16(out, half(float32(n[0])*scale))
	}},
	Q8: {8, 32, 34, func(out []byte, n []int8, scale float32) []byte {
		out = binary.LittleEndian.AppendUint16(out, half(scale))
		for _, v := range n {
			out = append(out, byte(v))
		}
		return out
	}},
	Q4: {12, 256, 144, putQ4},
}

// putQ4 stores n+8 in half-bytes, with the eight taken off as the block's minimum.
func putQ4(out []byte, n []int8, scale float32) []byte {
	const low = -8
	out = binary.LittleEndian.AppendUint16(out, half(scale))
	out = binary.LittleEndian.AppendUint16(out, half(-low*scale))
	// Factors of eight parts' scales and minima, 1 all of them, in six bits each.
	out = append(out, 1, 1, 1, 1, 1, 1, 1, 1, 0x11, 0x11, 0x11, 0x11)
	for at := 0; at < len(n); at += 64 {
		for i := range 32 {
			out = append(out, byte(n[at+i]-low)|byte(n[at+32+i]-low)<<4)
		}
	}
	return out
}

// half is f in half precision, which must hold it exactly.
func half(f float32) uint16 {
	if f == 0 {
		return 0
	}
	bits := math.Float32bits(f)
	sign, exponent, fraction := uint16(bits>>16)&0x8000, int(bits>>23)&0xff-127, bits&(1<<23-1)
	if exponent >= -14 {
		return sign | uint16(exponent+15)<<10 | uint16(fraction>>13)
	}
	return sign | uint16((fraction|1<<23)>>(-exponent-1)) // below what its exponent holds
}

// single is the float32 of a half-precision number that is finite.
func single(h uint16) float32 {
	sign, exponent, fraction := 1-2*float64(h>>15), int(h>>10)&31, float64(h&1023)
	if exponent == 0 {
		return float32(sign * math.Ldexp(fraction, -24))
	}
	return float32(sign * math.Ldexp(1024+fraction, exponent-25))
}

// alwaysFloat says whether llama.cpp's converters store a matrix in float32 whatever the others are in.
func alwaysFloat(name string) bool {
	return slices.ContainsFunc([]string{"ffn_gate_inp", "position_embd", "patch_embd"}, func(part string) bool {
		return strings.Contains(name, part)
	})
}

// kindOf is the type that t is stored in.
func kindOf(t *tensor, f Format) kind {
	if t.Packed == nil || alwaysFloat(t.Name) {
		return kinds[Float32]
	}
	for _, f := range []Format{f, Q8, Float16} {
		if k := kinds[f]; t.Shape[0]%k.block == 0 {
			return k
		}
	}
	return kinds[Float32]
}

// data are the bytes of t.
func (r *reference) data(t *tensor, k kind) []byte {
	if t.Values != nil {
		out := make([]byte, 0, 4*t.Values.size())
		for i := range t.Values.size() {
			value := single(binary.LittleEndian.Uint16(r.blob[t.Values.at+2*i:]))
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(value))
		}
		return out
	}
	values := r.wholes(t)
	out := make([]byte, 0, len(values)/k.block*k.bytes)
	for block := range slices.Chunk(values, k.block) {
		out = k.put(out, block, t.Scale)
	}
	return out
}

// write stores g as a GGUF file with its matrices in f.
func (r *reference) write(path string, g *gguf, f Format) (err error) {
	file, err := os.Create(path) //nolint:gosec // in a folder of this package's own
	if err != nil {
		return err
	}
	defer func() {
		if closing := file.Close(); err == nil {
			err = closing
		}
	}()
	out := bufio.NewWriter(file)
	if err := r.writeTo(out, g, f); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return out.Flush()
}

func (r *reference) writeTo(out io.Writer, g *gguf, f Format) error {
	const alignment = 32
	pad := func(b []byte, n int) []byte { return append(b, make([]byte, (alignment-n%alignment)%alignment)...) }
	head := binary.LittleEndian.AppendUint32([]byte("GGUF"), g.Version)
	head = binary.LittleEndian.AppendUint64(head, uint64(len(g.Tensors)))
	head = binary.LittleEndian.AppendUint64(head, g.Keys)
	head = append(head, r.blob[g.Header.at:g.Header.at+g.Header.size()]...)
	var body []byte
	for i := range g.Tensors {
		t := &g.Tensors[i]
		k := kindOf(t, f)
		head = binary.LittleEndian.AppendUint64(head, uint64(len(t.Name)))
		head = append(head, t.Name...)
		head = binary.LittleEndian.AppendUint32(head, uint32(len(t.Shape)))
		for _, n := range t.Shape {
			head = binary.LittleEndian.AppendUint64(head, uint64(n))
		}
		head = binary.LittleEndian.AppendUint32(head, k.number)
		head = binary.LittleEndian.AppendUint64(head, uint64(len(body)))
		body = append(body, r.data(t, k)...)
		body = pad(body, len(body))
	}
	if _, err := out.Write(pad(head, len(head))); err != nil {
		return err
	}
	_, err := out.Write(body)
	return err
}
