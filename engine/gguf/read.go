package gguf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Limits far above what any model has (a vocabulary of 152,000 tokens takes 6 MB, 94 layers of experts 1,131 tensors).
const (
	maxHeader   = 256 << 20 // bytes before the weights
	maxKeys     = 1 << 14
	maxTensors  = 1 << 16
	maxName     = 63 // llama.cpp's bound on a tensor's name
	maxKey      = 1 << 10
	maxText     = 16 << 20
	maxAlign    = 1 << 20
	defaultPad  = 32
	magic       = 0x46554747 // "GGUF"
	minVersion  = 2
	maxVersion  = 3
	otherEndian = 0xffff // the low half of a version number in the other byte order is empty
)

// reader reads little-endian values and knows how many bytes may still come.
type reader struct {
	from *bufio.Reader
	left int64 // of the file, and of maxHeader
	at   int64
	buf  [8]byte
}

var errShort = errors.New("the file ends inside its header")

func (r *reader) take(n int64) error {
	if n > r.left {
		if r.at+r.left >= maxHeader {
			return fmt.Errorf("the header is longer than %d MiB", maxHeader>>20)
		}
		return errShort
	}
	r.left -= n
	r.at += n
	return nil
}

func (r *reader) full(p []byte) error {
	if err := r.take(int64(len(p))); err != nil {
		return err
	}
	if _, err := io.ReadFull(r.from, p); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errShort
		}
		return err
	}
	return nil
}

func (r *reader) uint32() (uint32, error) {
	err := r.full(r.buf[:4])
	return binary.LittleEndian.Uint32(r.buf[:]), err
}

func (r *reader) uint64() (uint64, error) {
	err := r.full(r.buf[:8])
	return binary.LittleEndian.Uint64(r.buf[:]), err
}

// count reads a number of things that take at least size bytes each.
func (r *reader) count(size, limit int64) (int, error) {
	n, err := r.uint64()
	if err != nil {
		return 0, err
	}
	if n > uint64(limit) || n > uint64(r.left/size) {
		return 0, fmt.Errorf("%d are declared, the file has room for %d", n, min(limit, r.left/size))
	}
	return int(n), nil
}

// text appends a string to buf.
func (r *reader) text(buf []byte, limit int64) ([]byte, error) {
	n, err := r.uint64()
	if err != nil {
		return buf, err
	}
	if n > uint64(limit) || n > uint64(r.left) {
		return buf, fmt.Errorf("a string of %d bytes, the file has room for %d", n, min(limit, r.left))
	}
	at := len(buf)
	buf = append(buf, make([]byte, n)...)
	return buf, r.full(buf[at:])
}

func parse(from io.Reader, size int64) (*File, error) {
	r := &reader{from: bufio.NewReaderSize(from, 1<<16), left: min(size, maxHeader)}
	if err := r.begin(); err != nil {
		return nil, err
	}
	tensors, err := r.count(24, maxTensors)
	if err != nil {
		return nil, fmt.Errorf("number of tensors: %w", err)
	}
	keys, err := r.count(13, maxKeys)
	if err != nil {
		return nil, fmt.Errorf("number of keys: %w", err)
	}
	f := &File{keys: make(map[string]*Value, keys), alignment: defaultPad}
	for i := range keys {
		if err := r.pair(f, i); err != nil {
			return nil, err
		}
	}
	if err := f.readAlignment(); err != nil {
		return nil, err
	}
	f.Tensors = make([]Tensor, 0, tensors)
	f.byName = make(map[string]int, tensors)
	for i := range tensors {
		t, err := r.tensor()
		if err != nil {
			return nil, fmt.Errorf("tensor %d: %w", i, err)
		}
		if _, twice := f.byName[t.Name]; twice {
			return nil, fmt.Errorf("tensor %q is there twice", t.Name)
		}
		f.byName[t.Name] = i
		f.Tensors = append(f.Tensors, t)
	}
	f.Start = pad(r.at, f.alignment)
	return f, f.place(f.Start, size)
}

func (r *reader) begin() error {
	m, err := r.uint32()
	if err != nil || m != magic {
		return errors.New("is not a GGUF file")
	}
	version, err := r.uint32()
	switch {
	case err != nil:
		return err
	case version&otherEndian == 0:
		return errors.New("is a GGUF file of the other byte order")
	case version < minVersion || version > maxVersion:
		return fmt.Errorf("is a GGUF file of version %d, this engine reads %d and %d", version, minVersion, maxVersion)
	}
	return nil
}

// pair reads a key and its value.
func (r *reader) pair(f *File, i int) error {
	name, err := r.text(nil, maxKey)
	if err != nil {
		return fmt.Errorf("name of key %d: %w", i, err)
	}
	key := string(name)
	if _, twice := f.keys[key]; twice || key == "" {
		return fmt.Errorf("key %q is empty or there twice", key)
	}
	v, err := r.value()
	if err != nil {
		return fmt.Errorf("key %q: %w", key, err)
	}
	f.keys[key] = v
	f.order = append(f.order, key)
	return nil
}

func (r *reader) value() (*Value, error) {
	kind, err := r.uint32()
	if err != nil {
		return nil, err
	}
	v := &Value{Type: Type(kind), N: 1}
	switch {
	case v.Type == String:
		text, err := r.text(nil, maxText)
		v.texts = []string{string(text)}
		return v, err
	case v.Type == Array:
		return v, r.array(v)
	case v.Type.size() == 0:
		return nil, fmt.Errorf("has the unknown type %d", kind)
	}
	v.numbers = make([]byte, v.Type.size())
	return v, r.full(v.numbers)
}

func (r *reader) array(v *Value) error {
	kind, err := r.uint32()
	if err != nil {
		return err
	}
	v.Elem = Type(kind)
	size := v.Elem.size()
	if v.Elem == String {
		size = 8
	}
	if size == 0 {
		return fmt.Errorf("is an array of the unknown type %d", kind)
	}
	if v.N, err = r.count(size, maxHeader); err != nil {
		return fmt.Errorf("elements: %w", err)
	}
	if v.Elem != String {
		v.numbers = make([]byte, int64(v.N)*size)
		return r.full(v.numbers)
	}
	// All strings share one allocation.
	ends := make([]int, v.N)
	var all []byte
	for i := range ends {
		if all, err = r.text(all, maxText); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
		ends[i] = len(all)
	}
	joined, start := string(all), 0
	v.texts = make([]string, v.N)
	for i, end := range ends {
		v.texts[i] = joined[start:end]
		start = end
	}
	return nil
}

const keyAlignment = "general.alignment"

func (f *File) readAlignment() error {
	v := f.keys[keyAlignment]
	if v == nil {
		return nil
	}
	n, ok := f.Uint32(keyAlignment)
	if !ok || n == 0 || n&(n-1) != 0 || n > maxAlign {
		return fmt.Errorf("key %q is not a power of two up to %d", keyAlignment, maxAlign)
	}
	f.alignment = int64(n)
	return nil
}
