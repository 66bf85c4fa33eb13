package gguf

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// TensorType is ggml's number for the format of a tensor's values.
type TensorType uint32

// The formats that this package treats in particular.
const (
	F32  TensorType = 0
	F16  TensorType = 1
	BF16 TensorType = 30
)

// format is how values are packed: blocks of so many values and bytes. Only factors can stand in a matrix product.
type format struct {
	name   string
	values int64
	bytes  int64
	factor bool
}

// formats is indexed by TensorType; a format without values is unknown or was given up.
var formats = [...]format{
	0: {"F32", 1, 4, true}, 1: {"F16", 1, 2, true}, 2: {"Q4_0", 32, 18, true}, 3: {"Q4_1", 32, 20, true},
	6: {"Q5_0", 32, 22, true}, 7: {"Q5_1", 32, 24, true}, 8: {"Q8_0", 32, 34, true}, 9: {"Q8_1", 32, 36, false},
	10: {"Q2_K", 256, 84, true}, 11: {"Q3_K", 256, 110, true}, 12: {"Q4_K", 256, 144, true}, 13: {"Q5_K", 256, 176, true},
	14: {"Q6_K", 256, 210, true}, 15: {"Q8_K", 256, 292, false}, 16: {"IQ2_XXS", 256, 66, true}, 17: {"IQ2_XS", 256, 74, true},
	18: {"IQ3_XXS", 256, 98, true}, 19: {"IQ1_S", 256, 50, true}, 20: {"IQ4_NL", 32, 18, true}, 21: {"IQ3_S", 256, 110, true},
	22: {"IQ2_S", 256, 82, true}, 23: {"IQ4_XS", 256, 136, true}, 24: {"I8", 1, 1, false}, 25: {"I16", 1, 2, false},
	26: {"I32", 1, 4, false}, 27: {"I64", 1, 8, false}, 28: {"F64", 1, 8, false}, 29: {"IQ1_M", 256, 56, true},
	30: {"BF16", 1, 2, true}, 34: {"TQ1_0", 256, 54, true}, 35: {"TQ2_0", 256, 66, true}, 39: {"MXFP4", 32, 17, true},
}

func (t TensorType) format() format {
	if uint64(t) < uint64(len(formats)) {
		return formats[t]
	}
	return format{}
}

func (t TensorType) String() string {
	if name := t.format().name; name != "" {
		return name
	}
	return fmt.Sprintf("format %d", uint32(t))
}

const maxDims = 4

// Tensor is an entry of the table. Dims begin with the one whose values lie side by side, and end with ones.
type Tensor struct {
	Name   string
	Dims   [maxDims]int64
	Type   TensorType
	Offset int64 // from the beginning of the weights
	Bytes  int64
}

// shape is the dimensions without the ones at the end.
func (t *Tensor) shape() []int64 {
	n := maxDims
	for n > 1 && t.Dims[n-1] == 1 {
		n--
	}
	return t.Dims[:n]
}

func (r *reader) tensor() (Tensor, error) {
	var t Tensor
	name, err := r.text(nil, maxName)
	if err != nil {
		return t, fmt.Errorf("name: %w", err)
	}
	t.Name = string(name)
	if t.Name == "" || slices.Contains(name, 0) {
		return t, fmt.Errorf("%q is not a name", t.Name)
	}
	if err := r.shape(&t); err != nil {
		return t, fmt.Errorf("%q: %w", t.Name, err)
	}
	return t, nil
}

// shape reads what follows the name.
func (r *reader) shape(t *Tensor) error {
	dims, err := r.uint32()
	if err != nil {
		return err
	}
	if dims < 1 || dims > maxDims {
		return fmt.Errorf("has %d dimensions, 1 to %d are possible", dims, maxDims)
	}
	t.Dims = [maxDims]int64{1, 1, 1, 1}
	values := int64(1)
	for i := range dims {
		n, err := r.uint64()
		if err != nil {
			return err
		}
		if n == 0 || n > uint64(math.MaxInt64/64/values) {
			return fmt.Errorf("dimension %d is %d", i, n)
		}
		t.Dims[i] = int64(n)
		values *= t.Dims[i]
	}
	kind, err := r.uint32()
	if err != nil {
		return err
	}
	t.Type = TensorType(kind)
	f := t.Type.format()
	if f.values == 0 {
		return fmt.Errorf("has the unknown format %d", kind)
	}
	if t.Dims[0]%f.values != 0 {
		return fmt.Errorf("has rows of %d values, %s packs %d at a time", t.Dims[0], f.name, f.values)
	}
	blocks := values / f.values
	if blocks > math.MaxInt64/2/f.bytes {
		return errors.New("is too large")
	}
	t.Bytes = blocks * f.bytes
	offset, err := r.uint64()
	if err != nil {
		return err
	}
	if offset > math.MaxInt64/4 {
		return fmt.Errorf("lies at %d", offset)
	}
	t.Offset = int64(offset)
	return nil
}

// place checks that the weights, which begin at start, follow each other as llama.cpp expects and end before the file
// does.
func (f *File) place(start, size int64) error {
	next := int64(0)
	for i := range f.Tensors {
		t := &f.Tensors[i]
		switch {
		case t.Offset%f.alignment != 0:
			return fmt.Errorf("tensor %q lies at %d, which is no multiple of %d", t.Name, t.Offset, f.alignment)
		case t.Offset < next:
			return fmt.Errorf("tensor %q lies at %d and overlaps the one before, which ends at %d", t.Name, t.Offset, next)
		case t.Offset > next:
			return fmt.Errorf("tensor %q lies at %d, expected at %d", t.Name, t.Offset, next)
		case t.Bytes > size-start-t.Offset:
			return fmt.Errorf("the file is cut short: tensor %q ends at byte %d, the file at %d", t.Name, start+t.Offset+t.Bytes, size)
		}
		next = pad(t.Offset+t.Bytes, f.alignment)
	}
	return nil
}

func pad(n, to int64) int64 { return (n + to - 1) / to * to }
