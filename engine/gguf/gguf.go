// Package gguf reads the part of a GGUF file before its weights (header, keys and values, table of tensors) and says
// whether llama.cpp can be trusted with the file: its own readers end the process on what they did not expect.
//
// It must not read weights, know of C, or trust a number before it has been held against the size of the file.
package gguf

import (
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"

	"github.com/qwenvld/qwenvld/engine/tokenizer"
)

// Type is the type of a value.
type Type uint32

// Types of values, with the numbers that the format gives them.
const (
	Uint8 Type = iota
	Int8
	Uint16
	Int16
	Uint32
	Int32
	Float32
	Bool
	String
	Array
	Uint64
	Int64
	Float64
)

var typeNames = [...]string{
	"uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "bool", "string", "array", "uint64", "int64", "float64",
}

func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// size is the bytes of a number, 0 for strings, arrays and unknown types.
func (t Type) size() int64 {
	switch t {
	case Uint8, Int8, Bool:
		return 1
	case Uint16, Int16:
		return 2
	case Uint32, Int32, Float32:
		return 4
	case Uint64, Int64, Float64:
		return 8
	default:
		return 0
	}
}

// Value is what a key stands for.
type Value struct {
	Type Type
	// Elem is the type of an Array's elements, N their number.
	Elem Type
	N    int

	numbers []byte // of a number or of an array of numbers, little endian
	texts   []string
}

// describe says what kind of value it is, for messages.
func (v *Value) describe() string {
	if v.Type == Array {
		return fmt.Sprintf("an array of %d %ss", v.N, v.Elem)
	}
	return v.Type.String()
}

// File is a GGUF file without its weights. A model that is split over several files is one File.
type File struct {
	// Path is the first file's.
	Path    string
	Tensors []Tensor

	// Start is where the weights begin in the first file.
	Start int64

	keys      map[string]*Value
	order     []string // the keys as they stand in the file
	alignment int64
	byName    map[string]int
	tokenizer *tokenizer.Tokenizer
}

// Read reads the part of a file before its weights and checks that the weights lie where the table says.
func Read(path string) (*File, error) {
	f, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", path, err)
	}
	f.Path = path
	if err := f.readOtherParts(); err != nil {
		return nil, err
	}
	return f, nil
}

// Parse reads the part before the weights of a file of so many bytes, wherever it lies. It reads no further. Of a model
// that is split it reads one part, which Join puts together.
func Parse(from io.Reader, size int64) (*File, error) { return parse(from, size) }

func readFile(path string) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, bare(err)
	}
	// Opening a pipe would wait for a writer.
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("is %s, not a file", kindOf(info.Mode()))
	}
	file, err := os.Open(path) //nolint:gosec // the operator's own file
	if err != nil {
		return nil, bare(err)
	}
	defer func() { _ = file.Close() }()
	return parse(file, info.Size())
}

// bare is the system's reason without the path, which the caller says.
func bare(err error) error {
	if e, ok := err.(*fs.PathError); ok { //nolint:errorlint // as the os package returned it
		return e.Err
	}
	return err
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	default:
		return "a device"
	}
}

// Text is the string at key.
func (f *File) Text(key string) (string, bool) {
	if v := f.keys[key]; v != nil && v.Type == String {
		return v.texts[0], true
	}
	return "", false
}

// Texts is the array of strings at key, which the caller must not change.
func (f *File) Texts(key string) ([]string, bool) {
	if v := f.keys[key]; v != nil && v.Type == Array && v.Elem == String {
		return v.texts, true
	}
	return nil, false
}

// Uint32 is the number at key, if it has this type.
func (f *File) Uint32(key string) (uint32, bool) {
	if v := f.keys[key]; v != nil && v.Type == Uint32 {
		return binary.LittleEndian.Uint32(v.numbers), true
	}
	return 0, false
}

// Integer is the number at key, if it is a 32- or 64-bit integer.
func (f *File) Integer(key string) (int64, bool) {
	v := f.keys[key]
	if v == nil {
		return 0, false
	}
	switch v.Type {
	case Uint32:
		return int64(binary.LittleEndian.Uint32(v.numbers)), true
	case Int32:
		return int64(int32(binary.LittleEndian.Uint32(v.numbers))), true
	case Uint64, Int64:
		return int64(binary.LittleEndian.Uint64(v.numbers)), true
	default:
		return 0, false
	}
}

// Float32 is the number at key, if it has this type.
func (f *File) Float32(key string) (float32, bool) {
	if v := f.keys[key]; v != nil && v.Type == Float32 {
		return math.Float32frombits(binary.LittleEndian.Uint32(v.numbers)), true
	}
	return 0, false
}

// Bool is the truth value at key.
func (f *File) Bool(key string) (value, ok bool) {
	if v := f.keys[key]; v != nil && v.Type == Bool {
		return v.numbers[0] != 0, true
	}
	return false, false
}

// Int32s is the array of 32-bit integers at key. Unsigned ones above the signed range come out negative.
func (f *File) Int32s(key string) ([]int32, bool) {
	v := f.keys[key]
	if v == nil || v.Type != Array || (v.Elem != Int32 && v.Elem != Uint32) {
		return nil, false
	}
	out := make([]int32, v.N)
	for i := range out {
		out[i] = int32(binary.LittleEndian.Uint32(v.numbers[4*i:]))
	}
	return out, true
}

// Float32s is the array of 32-bit floats at key.
func (f *File) Float32s(key string) ([]float32, bool) {
	v := f.keys[key]
	if v == nil || v.Type != Array || v.Elem != Float32 {
		return nil, false
	}
	out := make([]float32, v.N)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(v.numbers[4*i:]))
	}
	return out, true
}

// Tokenizer is that of a model that ReadModel has checked.
func (f *File) Tokenizer() *tokenizer.Tokenizer { return f.tokenizer }

// Tensor is the entry of the table with this name, nil if there is none.
func (f *File) Tensor(name string) *Tensor {
	i, ok := f.byName[name]
	if !ok {
		return nil
	}
	return &f.Tensors[i]
}
