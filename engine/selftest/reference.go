package selftest

import (
	"bytes"
	"compress/zlib"
	"embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
)

// Made by tools/reference/make_selftest.py, which describes the format.
//
//go:embed reference/*.bin
var files embed.FS

// reference is a tiny checkpoint with what transformers computes with it.
type reference struct {
	Name  string `json:"name"`
	Files struct {
		Model     gguf `json:"model"`
		Projector gguf `json:"projector"`
	} `json:"files"`
	Cases []prompt `json:"cases"`
	blob  []byte
}

// array is where the values of an array begin, and its shape.
type array struct {
	at    int
	shape []int
}

// UnmarshalJSON reads [at, [shape]].
func (a *array) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&a.at, &a.shape})
}

func (a *array) size() int {
	n := 1
	for _, s := range a.shape {
		n *= s
	}
	return n
}

// gguf is a model file whose matrices are small whole numbers times a scale of their own.
type gguf struct {
	Version uint32   `json:"version"`
	Keys    uint64   `json:"keys"`
	Header  array    `json:"header"` // the keys as bytes
	Tensors []tensor `json:"tensors"`
}

// tensor is a vector in half precision, or a matrix in half-bytes.
type tensor struct {
	Name   string  `json:"name"`
	Shape  []int   `json:"shape"`
	Values *array  `json:"values"`
	Scale  float32 `json:"scale"`
	Packed *array  `json:"packed"`
}

// prompt is one that transformers has computed.
type prompt struct {
	Name      string     `json:"name"`
	IDs       []int32    `json:"ids"`
	Positions [3][]int32 `json:"positions"`
	Pad       []int32    `json:"pad"` // in place of rows of pictures
	Pictures  []picture  `json:"pictures"`
	Logits    array      `json:"logits"` // of the last positions
}

// picture is a still image or a pair of frames, by the seeds of its pixels.
type picture struct {
	Width  int    `json:"width"`
	Height int    `json:"height"`
	Seeds  [2]int `json:"seeds"`
	Rows   array  `json:"rows"`
}

// frame are the pixels that a seed stands for.
func (p *picture) frame(i int) []byte {
	seed := p.Seeds[i]
	out := make([]byte, 0, 3*p.Width*p.Height)
	for y := range p.Height {
		for x := range p.Width {
			for c := range 3 {
				out = append(out, byte((x*(c+2)+y*(5-c)+x*y/(7+seed)+37*seed)%256))
			}
		}
	}
	return out
}

// names of the references, in the order in which they are computed.
func names() []string { return []string{"tied", "untied", "moe"} }

func readReference(name string) (*reference, error) {
	r, err := unpack(name)
	if err != nil {
		return nil, fmt.Errorf("reference %s: %w", name, err)
	}
	return r, nil
}

func unpack(name string) (*reference, error) {
	packed, err := files.ReadFile("reference/" + name + ".bin")
	if err != nil {
		return nil, err
	}
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	all, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	n := 4 + int(binary.LittleEndian.Uint32(all))
	r := &reference{blob: all[n:]}
	return r, json.Unmarshal(all[4:n], r)
}

// floats are the values of an array.
func (r *reference) floats(a array) []float32 {
	out := make([]float32, a.size())
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(r.blob[a.at+4*i:]))
	}
	return out
}

// wholes are the whole numbers of a matrix.
func (r *reference) wholes(t *tensor) []int8 {
	const low = -8
	out := make([]int8, 0, 2*t.Packed.size())
	for _, b := range r.blob[t.Packed.at : t.Packed.at+t.Packed.size()] {
		out = append(out, int8(b&15)+low, int8(b>>4)+low)
	}
	return out
}
