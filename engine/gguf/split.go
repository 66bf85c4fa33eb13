package gguf

import (
	"encoding/binary"
	"fmt"
	"strings"
)

const maxParts = 1 << 10

// readOtherParts adds the tensors of the other files of a model that llama.cpp's gguf-split cut into several.
func (f *File) readOtherParts() error {
	parts, err := f.splitKey("split.count")
	if err != nil || parts <= 1 {
		return err
	}
	no, err := f.splitKey("split.no")
	if err != nil {
		return err
	}
	if no != 0 || parts > maxParts {
		return fmt.Errorf("%q: is part %d of %d; give the path of the first part", f.Path, no+1, parts)
	}
	end := partName("", 0, parts)
	base, ok := strings.CutSuffix(f.Path, end)
	if !ok {
		return fmt.Errorf("%q: is the first of %d parts, whose name must end in %q", f.Path, parts, end)
	}
	for i := 1; i < parts; i++ {
		if err := f.readPart(partName(base, i, parts), i, parts); err != nil {
			return err
		}
	}
	if v := f.keys["split.tensors.count"]; v == nil || v.Type != Int32 || int(binary.LittleEndian.Uint32(v.numbers)) != len(f.Tensors) {
		return fmt.Errorf("%q: has %d tensors in %d parts, which is not what the key %q says",
			f.Path, len(f.Tensors), parts, "split.tensors.count")
	}
	return nil
}

// readPart adds the tensors of one other file, which must be part i, from 0, of so many.
func (f *File) readPart(path string, i, parts int) error {
	part, err := readFile(path)
	if err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	part.Path = path
	if n, err := part.splitKey("split.no"); err != nil || n != i {
		return fmt.Errorf("%q: is not part %d of %d", path, i+1, parts)
	}
	if err := f.Join(part); err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	return nil
}

// Join adds the tensors of another part of the model.
func (f *File) Join(part *File) error {
	for _, t := range part.Tensors {
		if f.Tensor(t.Name) != nil {
			return fmt.Errorf("tensor %q is there twice", t.Name)
		}
		f.byName[t.Name] = len(f.Tensors)
		f.Tensors = append(f.Tensors, t)
	}
	return nil
}

func partName(base string, i, parts int) string {
	return fmt.Sprintf("%s-%05d-of-%05d.gguf", base, i+1, parts)
}

// splitKey reads a key of split files, 0 where there is none.
func (f *File) splitKey(key string) (int, error) {
	v := f.keys[key]
	if v == nil {
		return 0, nil
	}
	if v.Type != Uint16 {
		return 0, fmt.Errorf("%q: key %q is %s, expected a uint16", f.Path, key, v.describe())
	}
	return int(binary.LittleEndian.Uint16(v.numbers)), nil
}
